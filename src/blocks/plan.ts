import type { BlockReader, Extent } from './block-device.js';
import { LEAF_BYTES } from './digest.js';
import type { LeafRange } from './manifest.js';

/** Neighbouring leaves of one kind. */
export interface LeafRun extends LeafRange {
  /** `data` where any byte of a leaf may be other than zero. */
  kind: 'data' | 'zero';
  /** Where any byte of a leaf changed; false where the reader does not track changes. */
  changed: boolean;
}

/**
 * Extents as whole leaves: a leaf that lies in several is data if one of them is, and changed if one of them is.
 * The extents begin at a multiple of 64 KiB.
 */
export async function* leafRuns(extents: AsyncIterable<Extent>): AsyncGenerator<LeafRun> {
  let run: LeafRun | null = null;
  for await (const { offsetBytes, lengthBytes, kind, changed = false } of extents) {
    let first = Math.floor(offsetBytes / LEAF_BYTES);
    const end = Math.ceil((offsetBytes + lengthBytes) / LEAF_BYTES);
    if (run && run.first + run.count > first) {
      // The last leaf of the run goes on in this extent: it gets a run of its own, of both kinds.
      const shared: LeafRun = {
        first,
        count: 1,
        kind: run.kind === 'data' || kind === 'data' ? 'data' : 'zero',
        changed: run.changed || changed,
      };
      if (run.count > 1) {
        run.count -= 1;
        if (!alike(run, shared)) {
          yield run;
          run = shared;
        } else run.count += 1;
      } else run = shared;
      first += 1;
    }
    if (first >= end) continue;
    const next: LeafRun = { first, count: end - first, kind, changed };
    if (run && alike(run, next)) run.count += next.count;
    else {
      if (run) yield run;
      run = next;
    }
  }
  if (run) yield run;
}

function alike(a: LeafRun, b: LeafRun): boolean {
  return a.kind === b.kind && a.changed === b.changed;
}

/** The leaves that `reader` says changed. */
export async function* changedLeaves(reader: BlockReader, signal?: AbortSignal): AsyncGenerator<LeafRange> {
  for await (const { first, count, changed } of leafRuns(reader.extents(0, reader.sizeBytes, signal))) {
    if (changed) yield { first, count };
  }
}

/** Asks, in ascending order of offsets, whether ranges of a disk are known to read as zeroes already. */
export class ZeroCursor {
  readonly #extents: AsyncIterator<Extent>;
  #current: Extent | null = null;

  constructor(reader: BlockReader, signal?: AbortSignal) {
    this.#extents = reader.extents(0, reader.sizeBytes, signal)[Symbol.asyncIterator]();
  }

  async isZero(offsetBytes: number, lengthBytes: number): Promise<boolean> {
    const end = offsetBytes + lengthBytes;
    let zero = true;
    for (;;) {
      const extent = this.#current;
      if (extent && extent.offsetBytes + extent.lengthBytes > offsetBytes) {
        if (extent.offsetBytes < end && extent.kind !== 'zero') zero = false;
        if (extent.offsetBytes + extent.lengthBytes >= end) return zero;
      }
      const next = await this.#extents.next();
      if (next.done) return zero;
      this.#current = next.value;
    }
  }
}
