import type { HeaderReader } from './image-header.js';
import { piecesOf, TableCount } from './table-walk.js';

/** What the tables of a QCOW image of version 1 point to (QEMU, block/qcow.c). `qemu-img check` does not know the format. */

export interface QcowTables {
  l1Offset: number;
  l1Bytes: number;
  l2Bytes: number;
  clusterBits: number;
}

const ENTRY_BYTES = 8;
const COMPRESSED = 1n << 63n;

export async function checkQcowTables(from: HeaderReader, tables: QcowTables, signal?: AbortSignal): Promise<void> {
  const { l1Offset, l1Bytes, l2Bytes, clusterBits } = tables;
  const count = new TableCount(from, l2Bytes);
  const lengthBits = BigInt(63 - clusterBits);
  for await (const offset of entries(from, l1Offset, l1Bytes, signal)) {
    count.add();
    from.inside(Number(offset), l2Bytes, 'table');
    for await (const entry of entries(from, Number(offset), l2Bytes, signal)) {
      if ((entry & COMPRESSED) === 0n) from.inside(Number(entry), 2 ** clusterBits, 'data');
      else {
        const lengthBytes = Number((entry & ~COMPRESSED) >> lengthBits);
        from.inside(Number(entry & ((1n << lengthBits) - 1n)), lengthBytes, 'compressed data');
      }
    }
  }
}

/** Entries that point somewhere. */
async function* entries(
  from: HeaderReader,
  offsetBytes: number,
  lengthBytes: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<bigint> {
  for await (const { bytes } of piecesOf(from, offsetBytes, lengthBytes, signal)) {
    for (let entry = 0; entry < bytes.length; entry += ENTRY_BYTES) {
      const value = bytes.readBigUInt64BE(entry);
      if (value !== 0n) yield value;
    }
  }
}
