import { blake3 } from '@napi-rs/blake-hash';

/** Disks are digested in leaves of this many bytes, at multiples of it; the last may be shorter. */
export const LEAF_BYTES = 65_536;
/** BLAKE3-256. */
export const DIGEST_BYTES = 32;

const ZEROES = Buffer.alloc(LEAF_BYTES);

/** The digest of one leaf, at its true length. */
export function leafDigest(leaf: Buffer): Buffer {
  return blake3(leaf);
}

/** The digest of a whole leaf of zeroes. */
export const ZERO_LEAF_DIGEST = leafDigest(ZEROES);

/** Whether all bytes are zero. */
export function isZero(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += LEAF_BYTES) {
    const piece = Math.min(LEAF_BYTES, bytes.length - at);
    if (ZEROES.compare(bytes, at, at + piece, 0, piece) !== 0) return false;
  }
  return true;
}

export function leavesOf(sizeBytes: number): number {
  return Math.ceil(sizeBytes / LEAF_BYTES);
}

/** The true length of a leaf of a disk of `sizeBytes`. */
export function leafLength(sizeBytes: number, leaf: number): number {
  return Math.min(LEAF_BYTES, sizeBytes - leaf * LEAF_BYTES);
}
