import { VmferryError } from '../errors.js';
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

/** Nearer ranges are reached by going on, farther ones by asking anew. */
const JUMP_BYTES = 2 ** 30;

/** The extents of many ranges of a disk, asked for in ascending order: neighbours cost one question, not one each. */
export class ExtentCursor {
  readonly #reader: BlockReader;
  readonly #signal: AbortSignal | undefined;
  #rest: AsyncIterator<Extent> | null = null;
  #current: Extent = { offsetBytes: 0, lengthBytes: 0, kind: 'data' };

  constructor(reader: BlockReader, signal?: AbortSignal) {
    this.#reader = reader;
    this.#signal = signal;
  }

  /** The extents of a range that begins no earlier than the last one did. */
  async *within(offsetBytes: number, lengthBytes: number): AsyncGenerator<Extent> {
    const end = offsetBytes + lengthBytes;
    for (let at = offsetBytes; at < end;) {
      const extent = await this.#holding(at);
      const next = Math.min(end, endOf(extent));
      yield { ...extent, offsetBytes: at, lengthBytes: next - at };
      at = next;
    }
  }

  /** Whether the range is known to read as zeroes. */
  async isZero(offsetBytes: number, lengthBytes: number): Promise<boolean> {
    for await (const { kind } of this.within(offsetBytes, lengthBytes)) if (kind !== 'zero') return false;
    return true;
  }

  async #holding(offsetBytes: number): Promise<Extent> {
    const { sizeBytes } = this.#reader;
    if (!this.#rest || offsetBytes - endOf(this.#current) > JUMP_BYTES) {
      const extents = this.#reader.extents(offsetBytes, sizeBytes - offsetBytes, this.#signal);
      this.#rest = extents[Symbol.asyncIterator]();
      this.#current = { offsetBytes, lengthBytes: 0, kind: 'data' };
    }
    while (endOf(this.#current) <= offsetBytes) {
      const next = await this.#rest.next();
      if (next.done)
        throw new VmferryError('Internal', `cannot get the extents at ${offsetBytes} of ${sizeBytes} bytes`);
      this.#current = next.value;
    }
    return this.#current;
  }
}

function endOf({ offsetBytes, lengthBytes }: Extent): number {
  return offsetBytes + lengthBytes;
}
