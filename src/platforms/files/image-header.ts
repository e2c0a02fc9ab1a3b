import { VmferryError } from '../../errors.js';
import { blocking, warning, type Finding } from '../../model/finding.js';
import type { ImageFormat } from './foreign.js';
import type { RandomAccess } from './random-access.js';
import type { TableCheck } from './table-walk.js';

/** What the header of a disk image says; nothing else of it was read, and no tool has opened it. */
export interface ImageHeader {
  format: ImageFormat;
  /** The kind within the format, such as `v3`, `dynamic`, `fixed`, `differencing`, `static`, `streamOptimized`. */
  variant: string;
  /** Bytes of the disk as QEMU shows them, in whole sectors. */
  sizeBytes: number;
  /** What the disk takes, where the header itself says it. */
  allocatedBytes: number | null;
  /** What opening the image opens besides itself, as written there. */
  references: ImageReference[];
  encrypted: boolean;
  /** Internal snapshots. */
  snapshots: number;
  /** Whether its content can only be read by decompressing it. */
  compressed: boolean;
  /** Of a VHD, which of its two sizes counts; null for all others. */
  sizeFrom: 'footer' | 'geometry' | null;
  /** Of a VMDK that is only a text; null for all others. */
  vmdk: VmdkText | null;
  /** Of a VMDK whose grains are compressed and say where they belong; null for all others. */
  grains: GrainDirectory | null;
  /** Null for what has no tables, or was looked through with its header. */
  checkTables: TableCheck | null;
  findings: Finding[];
}

/** Where the tables of grains are listed, in whole sectors and numbers of 32 bits. */
export interface GrainDirectory {
  offsetBytes: number;
  grainBytes: number;
  /** Of one table. */
  tableEntries: number;
  /** Whether the entry 1 stands for a grain of zeroes. */
  zeroed: boolean;
}

/** What is understood of a VMDK's text: its extents that QEMU makes a part of the disk, each in a file. */
export interface VmdkText {
  cid: string;
  parentCid: string | null;
  createType: string;
  parts: { sectors: number; type: string; file: string; offsetSectors: number }[];
}

export interface ImageReference {
  kind: 'backing' | 'data-file' | 'extent' | 'parent';
  name: string;
  /** Of a backing file, as declared, or null; of an extent `vmdk` where it is sparse, else `raw`. */
  format: string | null;
}

/** What a reader of one format finds; the rest is what most images are. */
export type HeaderParts = Pick<ImageHeader, 'variant' | 'sizeBytes'> & Partial<ImageHeader>;

export const SECTOR_BYTES = 512;
/** More than any hypervisor makes of one disk: VHDX and VMFS end there. */
export const MAX_DISK_BYTES = 64 * 2 ** 40;
/** All that is read of one image; the longest are a VMDK's descriptor and the tables of a VHDX. */
const MAX_READ_BYTES = 4 * 2 ** 20;

/** Reads what belongs to a header, bounded as a whole, and says in the same words what is wrong with it. */
export class HeaderReader {
  #readBytes = 0;

  constructor(
    readonly image: RandomAccess,
    readonly signal?: AbortSignal,
  ) {}

  /** @throws VmferryError `HostileInput` where the image ends before, or a header wants to be read without end. */
  async read(offsetBytes: number, lengthBytes: number): Promise<Buffer> {
    this.#readBytes += lengthBytes;
    if (this.#readBytes > MAX_READ_BYTES) throw this.hostile(`its header is longer than ${MAX_READ_BYTES} bytes`);
    return await this.image.read(offsetBytes, lengthBytes, this.signal);
  }

  hostile(why: string): VmferryError {
    return new VmferryError('HostileInput', `cannot read ${this.image.name}: ${why}`, {
      platform: 'files',
      remedy: 'It is damaged or not what it claims to be; export or copy it again.',
    });
  }

  /** A field of 64 bits that counts something or points somewhere. */
  number(value: bigint, what: string): number {
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.hostile(`its ${what} of ${value} is absurd`);
    return Number(value);
  }

  /** A size of the disk. */
  diskBytes(bytes: number): number {
    if (bytes > MAX_DISK_BYTES) throw this.hostile(`it has the absurd size of ${bytes} bytes`);
    return bytes;
  }

  /** Refuses a table that does not lie in the file as a whole. */
  inside(offsetBytes: number, lengthBytes: number, what: string): void {
    if (offsetBytes + lengthBytes > this.image.sizeBytes) {
      const where = `bytes ${offsetBytes} to ${offsetBytes + lengthBytes}`;
      throw this.hostile(`its ${what} (${where}) lies beyond its end at ${this.image.sizeBytes}`);
    }
  }

  require(condition: boolean, why: string): asserts condition {
    if (!condition) throw this.hostile(why);
  }
}

export function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isInteger(Math.log2(value));
}

/** The first three fields of a UUID are little-endian, as Microsoft writes them. */
export function uuid(bytes: Buffer): string {
  const hex = (...places: number[]) => places.map((at) => bytes.subarray(at, at + 1).toString('hex')).join('');
  return [hex(3, 2, 1, 0), hex(5, 4), hex(7, 6), hex(8, 9), hex(10, 11, 12, 13, 14, 15)].join('-');
}

/** A disk that ends within a sector, which nothing that runs it can have. */
export function unaligned(image: string, bytes: number, rounded: number): Finding[] {
  if (bytes % SECTOR_BYTES === 0) return [];
  return [
    {
      id: 'disk.unaligned',
      ...warning(
        `The disk in ${image} has ${bytes} bytes, which are no whole sectors; it is read as ${rounded} bytes.`,
        'See whether the file was copied as a whole.',
      ),
    },
  ];
}

/** A child of another image. QEMU reads a VHD without its parent as if that were empty, and refuses VHDX and VDI. */
export function differencing(image: string): Finding {
  return {
    id: 'disk.differencing',
    ...blocking(
      `${image} holds only what differs from its parent, which QEMU cannot read for it.`,
      'Merge it with its parent, or export the machine without snapshots.',
    ),
  };
}

export function logNotReplayed(image: string): Finding {
  return {
    id: 'disk.log-not-replayed',
    ...blocking(
      `${image} was not closed: writes that are in its log only would be missing.`,
      'Attach it once where it comes from, or stop the machine cleanly, and copy it again.',
    ),
  };
}
