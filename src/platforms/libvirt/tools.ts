import type { SiteTools } from '../../model/tools.js';
import { programVersions } from '../tool-versions.js';
import type { LibvirtConnection } from './connect.js';

/** Versions of libvirt, of the QEMU that it starts, and of the programs beside it. */
export async function tools(at: LibvirtConnection, signal?: AbortSignal): Promise<SiteTools> {
  const [said, programs] = await Promise.all([
    at.virsh.run(['version', '--daemon'], { signal }),
    programVersions(at.host, signal),
  ]);
  return { ...daemonsIn(said), ...programs };
}

/** @param said what `virsh version --daemon` prints. */
export function daemonsIn(said: string): SiteTools {
  const after = (words: string) => new RegExp(`^${words} (\\d+(?:\\.\\d+)*)`, 'm').exec(said)?.[1];
  const libvirt = after('Running against daemon:') ?? after('Using library: libvirt');
  const qemu = after('Running hypervisor: QEMU');
  return { ...(libvirt ? { libvirt } : {}), ...(qemu ? { QEMU: qemu } : {}) };
}
