import { VmferryError } from '../../errors.js';
import type { RandomAccess } from './random-access.js';

/**
 * Whether everything that the tables of a QCOW image (version 1; QEMU, block/qcow.c) point to lies in it. QEMU reads what lies
 * beyond the end of its file as zeroes without a word, and `qemu-img check` does not know the format.
 */

const ENTRY_BYTES = 8;
const PIECE_BYTES = 512 * 1024;
const COMPRESSED = 1n << 63n;

/** @param image whose header was looked at. @throws VmferryError `HostileInput`. */
export async function checkQcowTables(image: RandomAccess, signal?: AbortSignal): Promise<void> {
  const header = await image.read(0, 48, signal);
  const clusterBits = header.readUInt8(32);
  const l2Bytes = 2 ** header.readUInt8(33) * ENTRY_BYTES;
  const sizeBytes = Number(header.readBigUInt64BE(24));
  const l1Bytes = Math.ceil(sizeBytes / ((l2Bytes / ENTRY_BYTES) * 2 ** clusterBits)) * ENTRY_BYTES;
  let tables = 0;
  for await (const offset of entries(image, Number(header.readBigUInt64BE(40)), l1Bytes, signal)) {
    // As many tables as the file has room for: without a bound, all entries could point to the same one.
    if ((tables += 1) * l2Bytes > image.sizeBytes) throw damaged(image, 'it has more tables than there is room for');
    inside(image, offset, l2Bytes, 'a table');
    for await (const entry of entries(image, Number(offset), l2Bytes, signal)) {
      if ((entry & COMPRESSED) === 0n) {
        inside(image, entry, 2 ** clusterBits, 'a cluster');
        continue;
      }
      const lengthBits = BigInt(63 - clusterBits);
      const length = Number((entry & ~COMPRESSED) >> lengthBits);
      inside(image, entry & ((1n << lengthBits) - 1n), length, 'a compressed cluster');
    }
  }
}

/** Entries that point somewhere. */
async function* entries(
  image: RandomAccess,
  offsetBytes: number,
  lengthBytes: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<bigint> {
  for (let at = 0; at < lengthBytes; at += PIECE_BYTES) {
    signal?.throwIfAborted();
    const piece = await image.read(offsetBytes + at, Math.min(PIECE_BYTES, lengthBytes - at), signal);
    for (let entry = 0; entry < piece.length; entry += ENTRY_BYTES) {
      const value = piece.readBigUInt64BE(entry);
      if (value !== 0n) yield value;
    }
  }
}

function inside(image: RandomAccess, offset: bigint, lengthBytes: number, what: string): void {
  if (offset + BigInt(lengthBytes) > BigInt(image.sizeBytes)) {
    throw damaged(image, `${what} at byte ${offset} lies beyond its end at ${image.sizeBytes}`);
  }
}

function damaged(image: RandomAccess, why: string): VmferryError {
  return new VmferryError('HostileInput', `cannot read ${image.name}: ${why}`, {
    platform: 'files',
    remedy: 'It is damaged or cut off: compare its size with where it comes from, and copy or export it again.',
  });
}
