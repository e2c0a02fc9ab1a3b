import type { SiteConfig } from '../config.js';
import { connectLibvirt } from './libvirt/connect.js';
import { connectFiles } from './files/connect.js';
import { createFilesSource, createFilesVmSite } from './files/site.js';
import { createFilesTarget } from './files/target/target.js';
import { createLibvirtSource } from './libvirt/source.js';
import { createLibvirtTarget } from './libvirt/target.js';
import { createLibvirtVmSite } from './libvirt/vm-site.js';
import type { SourceSite, TargetSite } from './platform.js';

/** One line a platform: how a site of it is opened. Nothing is connected before the first use. */
const PLATFORMS: {
  [P in SiteConfig['platform']]: (
    name: string,
    config: Extract<SiteConfig, { platform: P }>,
  ) => SourceSite & TargetSite;
} = {
  libvirt: (name, config) => {
    const at = connectLibvirt(name, config);
    return { ...createLibvirtVmSite(at), ...createLibvirtSource(at), ...createLibvirtTarget(at) };
  },
  files: (name, config) => {
    const at = connectFiles(name, config);
    return { ...createFilesVmSite(at), ...createFilesSource(at), ...createFilesTarget(at) };
  },
};

export function openSite(name: string, config: SiteConfig): SourceSite & TargetSite {
  return config.platform === 'files' ? PLATFORMS.files(name, config) : PLATFORMS.libvirt(name, config);
}
