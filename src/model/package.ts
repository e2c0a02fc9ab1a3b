import { z } from 'zod';

/** What is written at a target that keeps machines as files and starts none. */

export const packageKind = z.enum(['ova', 'ovf', 'libvirt-xml', 'images']);
export type PackageKind = z.infer<typeof packageKind>;

/** Image formats that qemu-img writes, by its names: `vpc` is VHD. */
export const diskFormat = z.enum(['qcow2', 'raw', 'qcow', 'vmdk', 'vpc', 'vhdx', 'vdi']);
export type DiskFormat = z.infer<typeof diskFormat>;

/** One package: what describes the machine, and the format of all its disks. */
export const packagePlan = z.strictObject({ kind: packageKind, diskFormat });
export type PackagePlan = z.infer<typeof packagePlan>;

/** The formats that each kind may hold, its default first. */
export const FORMATS_OF: Readonly<Record<PackageKind, readonly [DiskFormat, ...DiskFormat[]]>> = {
  // What VMware and VirtualBox take out of an archive.
  ova: ['vmdk'],
  ovf: ['vmdk', 'qcow2', 'raw', 'qcow', 'vpc', 'vhdx', 'vdi'],
  // libvirt has no name for VHDX (libvirt.org/formatstorage.html, storage volume formats).
  'libvirt-xml': ['qcow2', 'raw', 'qcow', 'vmdk', 'vpc', 'vdi'],
  images: diskFormat.options as [DiskFormat, ...DiskFormat[]],
};

/** Disks in the order in which a package with controllers has them: those of the first one's bus, then of the next new one. */
export function groupedByBus<D extends { bus: string }>(disks: readonly D[]): D[] {
  const buses = [...new Set(disks.map(({ bus }) => bus))];
  return buses.flatMap((bus) => disks.filter((disk) => disk.bus === bus));
}
