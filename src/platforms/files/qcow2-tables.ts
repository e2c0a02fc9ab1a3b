import { isWhole, type ClusterCompression } from './compressed-cluster.js';
import { SECTOR_BYTES, type HeaderReader } from './image-header.js';
import { tablePieces } from './table-walk.js';

/** What the tables of a qcow2 point to (QEMU, docs/interop/qcow2.txt, "Cluster mapping"). */

export interface Qcow2Tables {
  l1Offset: number;
  clusterBits: number;
  /** Extended L2 entries, with 32 subclusters each. */
  wide: boolean;
  diskBytes: number;
  compression: ClusterCompression;
}

const SUBCLUSTERS = 32;
/** Compressed clusters that end in the last sectors of a file: 512 bytes hold some fifty. */
const MOST_AT_END = 1024;

/**
 * Every cluster has to lie in the file as far as the disk needs it. QEMU makes files longer by whole clusters, with two
 * exceptions: of one with subclusters, those that were never written need not be there (seen with QEMU 7.2), and of the last
 * cluster of a disk that ends within it, older versions wrote no more than that.
 */
export async function checkQcow2Tables(from: HeaderReader, tables: Qcow2Tables, signal?: AbortSignal): Promise<void> {
  const clusterBytes = 2 ** tables.clusterBits;
  const entryBytes = tables.wide ? 16 : 8;
  const directory = {
    ...{ offsetBytes: tables.l1Offset, entryBytes: 8, tableAt: placeAt, tableBytes: clusterBytes },
    ...{ tableEntryBytes: entryBytes, blockBytes: clusterBytes, diskBytes: tables.diskBytes },
  };
  const atEnd = new EndsInLastSectors(from, tables);
  for await (const { bytes, restBytes } of tablePieces(from, directory, signal)) {
    for (let entry = 0; entry < bytes.length; entry += entryBytes) {
      if ((bytes.readUInt32BE(entry) & 0x40000000) !== 0) {
        await atEnd.add(bytes.readBigUInt64BE(entry), signal);
        continue;
      }
      const place = placeAt(bytes, entry);
      if (place === 0) continue;
      const neededBytes = tables.wide
        ? (clusterBytes / SUBCLUSTERS) * subclusters(bytes.readUInt32BE(entry + 12))
        : clusterBytes * zeroless(bytes.readUInt32BE(entry + 4));
      if (neededBytes === 0) continue;
      from.inside(place, Math.min(neededBytes, restBytes - (entry / entryBytes) * clusterBytes), 'data');
    }
  }
}

/** Bits 9 to 55. */
function placeAt(bytes: Buffer, at: number): number {
  return (bytes.readUInt32BE(at) & 0x00ffffff) * 2 ** 32 + (((bytes.readUInt32BE(at + 4) >>> 9) * 2 ** 9) >>> 0);
}

/** Until the last one that has data. */
function subclusters(allocated: number): number {
  return SUBCLUSTERS - Math.clz32(allocated);
}

/** A cluster that reads as zeroes (bit 0) may have a place, too. */
function zeroless(low: number): 0 | 1 {
  return (low & 1) === 0 ? 1 : 0;
}

/**
 * Compressed clusters say in how many sectors they lie. Where a file ends before the last of these, it may be whole all
 * the same: `qemu-img convert -c` fills up its last sector, but what QEMU writes otherwise ends with the last byte. So such
 * clusters are tried.
 */
class EndsInLastSectors {
  readonly #tried = new Set<bigint>();

  constructor(
    private readonly from: HeaderReader,
    private readonly tables: Qcow2Tables,
  ) {}

  async add(entry: bigint, signal: AbortSignal | undefined): Promise<void> {
    const from: HeaderReader = this.from;
    const { clusterBits, compression } = this.tables;
    const offsetBits = BigInt(62 - (clusterBits - 8));
    const offset = Number(entry & ((1n << offsetBits) - 1n));
    const sectors = Number((entry & ((1n << 62n) - 1n)) >> offsetBits) + 1;
    const end = (Math.floor(offset / SECTOR_BYTES) + sectors) * SECTOR_BYTES;
    if (end <= from.image.sizeBytes || this.#tried.has(entry)) return;
    from.inside(offset, 1, 'compressed data');
    this.#tried.add(entry);
    from.require(this.#tried.size <= MOST_AT_END, 'too much of its compressed data lies at its end');
    const bytes = await from.image.read(offset, from.image.sizeBytes - offset, signal);
    if (!isWhole(bytes, compression, 2 ** clusterBits)) from.inside(offset, end - offset, 'compressed data');
  }
}
