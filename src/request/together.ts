import type { z } from 'zod';
import { FORMATS_OF, type DiskFormat, type PackageKind } from '../model/package.js';

interface Fields {
  source: string;
  target: string;
  package?: PackageKind | undefined;
  diskFormat?: DiskFormat | undefined;
  devices?: string;
  conversion?: string;
}

/** Without a package: what sites that run VMs take, and what is in an OVA. */
const FORMATS_OF_NO_PACKAGE: readonly DiskFormat[] = ['qcow2', 'raw', 'vmdk'];

/** Refuses what single fields allow and cannot be together at any sites: told before anything is started. */
export function checkTogether(
  { source, target, package: kind, diskFormat: format, devices, conversion }: Fields,
  context: z.RefinementCtx,
): void {
  const refuse = (field: keyof Fields, message: string) => context.addIssue({ code: 'custom', path: [field], message });
  if (source === target) refuse('target', 'expected another site than the source');
  const formats = kind ? FORMATS_OF[kind] : FORMATS_OF_NO_PACKAGE;
  if (format && !formats.includes(format)) {
    const where = kind
      ? `in a package of the kind ${kind}`
      : 'where no package of the kind ovf, libvirt-xml or images is asked for';
    refuse('diskFormat', `expected ${formats.map((each) => `"${each}"`).join(' or ')} ${where}`);
  }
  if (kind !== 'images') return;
  const why = 'in a package of images, which does not say on which devices the guest runs';
  if (conversion === 'light' || conversion === 'full') refuse('conversion', `expected "auto" or "none" ${why}`);
  if (devices === 'virtio') refuse('devices', `expected "auto" or "as-source" ${why}`);
}
