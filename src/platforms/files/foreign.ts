import type { VmDescription } from '../../model/vm.js';

/** Image formats that are read, by QEMU's names: `vpc` is VHD. */
export const IMAGE_FORMATS = ['raw', 'qcow2', 'qcow', 'vmdk', 'vpc', 'vhdx', 'vdi'] as const;
export type ImageFormat = (typeof IMAGE_FORMATS)[number];

/**
 * What a descriptor (OVF, VMX, domain XML) says of a machine, when nothing was looked at but the descriptor itself. It
 * comes from outside: references are as written, and are checked where they are opened.
 */
export interface ForeignVm {
  /** Its disks have the reference as `path`, and the size that the descriptor declares, 0 where it declares none. */
  vm: VmDescription;
  /** As many as the VM has, in the same order. */
  disks: ForeignDisk[];
}

export interface ForeignDisk {
  /** The one of the description's disk. */
  id: string;
  /** File that the descriptor names, relative to it; null for a disk that is to be made empty. */
  reference: string | null;
  /** As declared; null where the descriptor does not say, and the file's name has to. */
  format: ImageFormat | null;
  /** Compressed as a whole beside what the format does by itself (OVF `ovf:compression`). */
  compression: Compression | null;
  /** The file's size as declared (OVF `ovf:size`), without compression as it lies there; null where not said. */
  fileBytes: number | null;
  /** Size of the pieces that the file was cut into (OVF `ovf:chunkSize`), named `<reference>.000000000` on. */
  chunkBytes: number | null;
  /** The unit of the declared size, which may be rounded up to it (`ovf:capacityAllocationUnits`); absent where it is exact. */
  sizeUnitBytes?: number;
}

export const COMPRESSIONS = ['gzip', 'bzip2', 'xz', 'zstd'] as const;
export type Compression = (typeof COMPRESSIONS)[number];
