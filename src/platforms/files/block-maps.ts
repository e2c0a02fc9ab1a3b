import type { HeaderReader } from './image-header.js';
import { piecesOf } from './table-walk.js';

/** What the one table of a VDI or VHDX points to. Blocks are written as a whole; of the last no more is needed than the disk has. */

const MIB = 2 ** 20;
/** VDICore.h: a block that was never written, and one of zeroes. */
const VDI_NO_BLOCK = 0xfffffffe;
/** [MS-VHDX] 2.5.1.1: PAYLOAD_BLOCK_FULLY_PRESENT; 7 is for those that have a parent. */
const VHDX_PRESENT = 6;

/** Block numbers of 32 bits, from where the data begin. */
export async function checkVdiMap(
  from: HeaderReader,
  map: { offsetBytes: number; dataOffset: number; diskBytes: number },
  signal?: AbortSignal,
): Promise<void> {
  const lengthBytes = Math.ceil(map.diskBytes / MIB) * 4;
  // Not in pieces without zeroes: zero is the first block here.
  for (let at = 0; at < lengthBytes; at += MIB) {
    const bytes = await from.image.read(map.offsetBytes + at, Math.min(MIB, lengthBytes - at), signal);
    for (let entry = 0; entry < bytes.length; entry += 4) {
      const block = bytes.readUInt32LE(entry);
      if (block >= VDI_NO_BLOCK) continue;
      const neededBytes = Math.min(MIB, map.diskBytes - ((at + entry) / 4) * MIB);
      from.inside(map.dataOffset + block * MIB, neededBytes, 'data');
    }
  }
}

/** Places of 44 bits in MiB; after each chunk of blocks stands an entry for its bitmap. */
export async function checkVhdxMap(
  from: HeaderReader,
  map: { offsetBytes: number; entries: number; blockBytes: number; chunkBlocks: number; diskBytes: number },
  signal?: AbortSignal,
): Promise<void> {
  for await (const { bytes, at } of piecesOf(from, map.offsetBytes, map.entries * 8, signal)) {
    for (let entry = 0; entry < bytes.length; entry += 8) {
      const index = (at + entry) / 8;
      const chunk = Math.floor(index / (map.chunkBlocks + 1));
      const low = bytes.readUInt32LE(entry);
      if (index % (map.chunkBlocks + 1) === map.chunkBlocks || (low & 7) < VHDX_PRESENT) continue;
      const place = bytes.readUInt32LE(entry + 4) * 2 ** 32 + (low >>> 20) * MIB;
      from.inside(place, Math.min(map.blockBytes, map.diskBytes - (index - chunk) * map.blockBytes), 'data');
    }
  }
}
