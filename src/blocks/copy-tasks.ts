import type { BlockReader, BlockStore } from './block-device.js';
import { LEAF_BYTES } from './digest.js';
import type { LeafRange, Manifest } from './manifest.js';
import { ExtentCursor, leafRuns } from './plan.js';

/** Neighbouring leaves to be copied at once. */
export interface CopyTask extends LeafRange {
  kind: 'data' | 'zero';
  /** The replica is known to read as zeroes there, so that zeroes need not be written. */
  replicaZero: boolean;
}

/** Data is read in pieces of 512 KiB: for larger ones qemu-nbd takes fresh memory a request, at twice its time. */
export const DATA_LEAVES = 8;
/** How many pieces are under way at once. */
export const IN_FLIGHT = 16;
/** Zeroes are dealt with in pieces of 128 MiB. */
const ZERO_LEAVES = 2048;

export interface CopyTasksParts {
  source: BlockReader;
  replica: BlockStore;
  manifest: Manifest;
  /** All leaves instead of the unknown ones. */
  compare: boolean;
  signal: AbortSignal;
}

/** What is to be copied, in ascending order. */
export class CopyTasks {
  readonly #parts: CopyTasksParts;
  readonly #sourceExtents: ExtentCursor;
  readonly #replicaExtents: ExtentCursor;

  constructor(parts: CopyTasksParts) {
    this.#parts = parts;
    this.#sourceExtents = new ExtentCursor(parts.source, parts.signal);
    this.#replicaExtents = new ExtentCursor(parts.replica, parts.signal);
  }

  async *all(): AsyncGenerator<CopyTask> {
    const { manifest, compare, signal } = this.#parts;
    const ranges = compare ? [{ first: 0, count: manifest.leafCount }] : manifest.unknown(0, signal);
    for await (const range of ranges) {
      const extents = this.#sourceExtents.within(range.first * LEAF_BYTES, manifest.bytesOf(range));
      for await (const run of leafRuns(extents)) {
        const most = run.kind === 'data' ? DATA_LEAVES : ZERO_LEAVES;
        for (let done = 0; done < run.count; done += most) {
          const piece = { first: run.first + done, count: Math.min(most, run.count - done) };
          const replicaZero = await this.#replicaExtents.isZero(piece.first * LEAF_BYTES, manifest.bytesOf(piece));
          yield { ...piece, kind: run.kind, replicaZero };
        }
      }
    }
  }
}
