import { constants, inflateRawSync } from 'node:zlib';

/** Compressed clusters of qcow2 ("Compressed Clusters Descriptor", "compression type"), of which the end may be missing. */

export type ClusterCompression = 'deflate' | 'zstd';

/** Whether a cluster comes out of these bytes as a whole; others may follow it. */
export function isWhole(bytes: Buffer, how: ClusterCompression, clusterBytes: number): boolean {
  return how === 'zstd' ? isWholeFrame(bytes) : isWholeDeflate(bytes, clusterBytes);
}

function isWholeDeflate(bytes: Buffer, clusterBytes: number): boolean {
  try {
    // Gives what there is of it, too.
    const options = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: clusterBytes };
    return inflateRawSync(bytes, options).length === clusterBytes;
  } catch {
    return false;
  }
}

const FRAME_MAGIC = 0xfd2fb528;
const DICTIONARY_BYTES = [0, 1, 2, 4];
const SIZE_BYTES = [0, 2, 4, 8];
const RLE = 1;

/** RFC 8878, 3.1.1: a header, and blocks that say how long they are and which of them is the last. */
function isWholeFrame(bytes: Buffer): boolean {
  if (bytes.length < 6 || bytes.readUInt32LE(0) !== FRAME_MAGIC) return false;
  const descriptor = bytes.readUInt8(4);
  const single = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >> 6;
  let at = 5 + (single ? 0 : 1) + DICTIONARY_BYTES[descriptor & 3]!;
  at += single && sizeFlag === 0 ? 1 : SIZE_BYTES[sizeFlag]!;
  for (let last = false; !last;) {
    if (at + 3 > bytes.length) return false;
    const block = bytes.readUIntLE(at, 3);
    last = (block & 1) !== 0;
    at += 3 + (((block >> 1) & 3) === RLE ? 1 : block >> 3);
  }
  return at <= bytes.length;
}
