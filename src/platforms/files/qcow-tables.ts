import type { HeaderReader } from './image-header.js';
import { tablePieces } from './table-walk.js';

/** What the tables of a QCOW image of version 1 point to (QEMU, block/qcow.c). `qemu-img check` does not know the format. */

export interface QcowTables {
  l1Offset: number;
  l2Bytes: number;
  clusterBits: number;
  diskBytes: number;
}

const ENTRY_BYTES = 8;
const COMPRESSED = 1n << 63n;

export async function checkQcowTables(from: HeaderReader, tables: QcowTables, signal?: AbortSignal): Promise<void> {
  const clusterBytes = 2 ** tables.clusterBits;
  const lengthBits = BigInt(63 - tables.clusterBits);
  const directory = {
    ...{ offsetBytes: tables.l1Offset, entryBytes: ENTRY_BYTES, tableBytes: tables.l2Bytes },
    ...{ tableEntryBytes: ENTRY_BYTES, blockBytes: clusterBytes, diskBytes: tables.diskBytes },
    tableAt: (bytes: Buffer, at: number) => Number(bytes.readBigUInt64BE(at)),
  };
  for await (const { bytes, restBytes } of tablePieces(from, directory, signal)) {
    for (let at = 0; at < bytes.length; at += ENTRY_BYTES) {
      const entry = bytes.readBigUInt64BE(at);
      if (entry === 0n) continue;
      if ((entry & COMPRESSED) === 0n) {
        from.inside(Number(entry), Math.min(clusterBytes, restBytes - (at / ENTRY_BYTES) * clusterBytes), 'data');
      } else {
        const lengthBytes = Number((entry & ~COMPRESSED) >> lengthBits);
        from.inside(Number(entry & ((1n << lengthBits) - 1n)), lengthBytes, 'compressed data');
      }
    }
  }
}
