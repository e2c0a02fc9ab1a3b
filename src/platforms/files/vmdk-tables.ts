import { SECTOR_BYTES, type HeaderReader } from './image-header.js';
import { piecesOf, TableCount } from './table-walk.js';

/** What the tables of a VMDK's sparse files point to: a directory of tables of grains. Numbers are little-endian. */

export interface GrainTables {
  directoryOffset: number;
  tableEntries: number;
  grainBytes: number;
  diskBytes: number;
  /** Whether the entry 1 stands for a grain of zeroes. */
  zeroed: boolean;
  /** `marked`: each with its place and length before it; `bare`: QEMU finds the end when it unpacks it, by its checksum. */
  packed: 'marked' | 'bare' | null;
}

const ENTRY_BYTES = 4;
/** Place and length before a grain's data. */
const MARKER_BYTES = 12;

/** Places are sectors of the file. A grain is written as a whole; of the last one no more is needed than the disk has. */
export async function checkGrains(from: HeaderReader, tables: GrainTables, signal?: AbortSignal): Promise<void> {
  const { directoryOffset, tableEntries, grainBytes, diskBytes, zeroed, packed } = tables;
  const coversBytes = tableEntries * grainBytes;
  const tableBytes = tableEntries * ENTRY_BYTES;
  const count = new TableCount(from, tableBytes);
  const directoryBytes = Math.ceil(diskBytes / coversBytes) * ENTRY_BYTES;
  let last = 0;
  for await (const { bytes, at } of piecesOf(from, directoryOffset, directoryBytes, signal)) {
    for (let entry = 0; entry < bytes.length; entry += ENTRY_BYTES) {
      const table = bytes.readUInt32LE(entry) * SECTOR_BYTES;
      if (table === 0) continue;
      count.add();
      from.inside(table, tableBytes, 'table');
      const startBytes = ((at + entry) / ENTRY_BYTES) * coversBytes;
      for await (const piece of piecesOf(from, table, tableBytes, signal)) {
        for (let within = 0; within < piece.bytes.length; within += ENTRY_BYTES) {
          const sector = piece.bytes.readUInt32LE(within);
          const restBytes = diskBytes - startBytes - ((piece.at + within) / ENTRY_BYTES) * grainBytes;
          if (sector === 0 || (sector === 1 && zeroed) || restBytes <= 0) continue;
          from.inside(sector * SECTOR_BYTES, packed === null ? Math.min(grainBytes, restBytes) : 1, 'grain');
          last = Math.max(last, sector * SECTOR_BYTES);
        }
      }
    }
  }
  if (packed !== 'marked' || last === 0) return;
  // It was written in one go: all others have it behind them.
  from.inside(last, MARKER_BYTES, 'grain');
  const marker = await from.image.read(last, MARKER_BYTES, signal);
  from.inside(last + MARKER_BYTES, marker.readUInt32LE(8), 'grain');
}

export interface SeSparseTables {
  directoryOffset: number;
  tablesOffset: number;
  grainsOffset: number;
  diskBytes: number;
}

const SE = { entryBytes: 8, tableEntries: 4096, grainBytes: 4096, tableMark: 0x10000000, allocated: 3 };

/** QEMU, block/vmdk.c, `get_cluster_offset`: tables and grains are counted from the begin of theirs. */
export async function checkSeSparse(from: HeaderReader, tables: SeSparseTables, signal?: AbortSignal): Promise<void> {
  const { directoryOffset, tablesOffset, grainsOffset, diskBytes } = tables;
  const tableBytes = SE.tableEntries * SE.entryBytes;
  const coversBytes = SE.tableEntries * SE.grainBytes;
  const count = new TableCount(from, tableBytes);
  const directoryBytes = Math.ceil(diskBytes / coversBytes) * SE.entryBytes;
  for await (const { bytes, at } of piecesOf(from, directoryOffset, directoryBytes, signal)) {
    for (let entry = 0; entry < bytes.length; entry += SE.entryBytes) {
      if (bytes.readUInt32LE(entry + 4) !== SE.tableMark) continue;
      count.add();
      const table = tablesOffset + bytes.readUInt32LE(entry) * tableBytes;
      from.inside(table, tableBytes, 'table');
      const startBytes = ((at + entry) / SE.entryBytes) * coversBytes;
      for await (const piece of piecesOf(from, table, tableBytes, signal)) {
        for (let within = 0; within < piece.bytes.length; within += SE.entryBytes) {
          const high = piece.bytes.readUInt32LE(within + 4);
          const restBytes = diskBytes - startBytes - ((piece.at + within) / SE.entryBytes) * SE.grainBytes;
          if (high >>> 28 !== SE.allocated || restBytes <= 0) continue;
          // The lowest 12 bits of the number stand above its other 48.
          const low = (high & 0xffff) * 2 ** 32 + piece.bytes.readUInt32LE(within);
          const grain = low * 2 ** 12 + ((high >>> 16) & 0xfff);
          from.inside(grainsOffset + grain * SE.grainBytes, Math.min(SE.grainBytes, restBytes), 'grain');
        }
      }
    }
  }
}
