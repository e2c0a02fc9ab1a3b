import { SECTOR_BYTES, type HeaderReader } from './image-header.js';
import { tablePieces } from './table-walk.js';

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
  const { grainBytes, zeroed, packed } = tables;
  const directory = {
    ...{ offsetBytes: tables.directoryOffset, entryBytes: ENTRY_BYTES, tableAt: placeAt },
    ...{ tableBytes: tables.tableEntries * ENTRY_BYTES, tableEntryBytes: ENTRY_BYTES },
    ...{ blockBytes: grainBytes, diskBytes: tables.diskBytes },
  };
  let last = 0;
  for await (const { bytes, restBytes } of tablePieces(from, directory, signal)) {
    for (let entry = 0; entry < bytes.length; entry += ENTRY_BYTES) {
      const grain = placeAt(bytes, entry);
      if (grain === 0 || (grain === SECTOR_BYTES && zeroed)) continue;
      const neededBytes = Math.min(grainBytes, restBytes - (entry / ENTRY_BYTES) * grainBytes);
      from.inside(grain, packed === null ? neededBytes : 1, 'grain');
      last = Math.max(last, grain);
    }
  }
  if (packed !== 'marked' || last === 0) return;
  // It was written in one go: all others have it behind them.
  from.inside(last, MARKER_BYTES, 'grain');
  const marker = await from.image.read(last, MARKER_BYTES, signal);
  from.inside(last + MARKER_BYTES, marker.readUInt32LE(8), 'grain');
}

function placeAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) * SECTOR_BYTES;
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
  const tableBytes = SE.tableEntries * SE.entryBytes;
  const directory = {
    ...{ offsetBytes: tables.directoryOffset, entryBytes: SE.entryBytes, tableBytes, tableEntryBytes: SE.entryBytes },
    ...{ blockBytes: SE.grainBytes, diskBytes: tables.diskBytes },
    tableAt: (bytes: Buffer, at: number) =>
      bytes.readUInt32LE(at + 4) === SE.tableMark ? tables.tablesOffset + bytes.readUInt32LE(at) * tableBytes : 0,
  };
  for await (const { bytes, restBytes } of tablePieces(from, directory, signal)) {
    for (let entry = 0; entry < bytes.length; entry += SE.entryBytes) {
      const high = bytes.readUInt32LE(entry + 4);
      if (high >>> 28 !== SE.allocated) continue;
      // The lowest 12 bits of the number stand above its other 48.
      const low = (high & 0xffff) * 2 ** 32 + bytes.readUInt32LE(entry);
      const grain = low * 2 ** 12 + ((high >>> 16) & 0xfff);
      const neededBytes = Math.min(SE.grainBytes, restBytes - (entry / SE.entryBytes) * SE.grainBytes);
      from.inside(tables.grainsOffset + grain * SE.grainBytes, neededBytes, 'grain');
    }
  }
}
