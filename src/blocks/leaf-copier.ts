import type { BlockReader, BlockStore } from './block-device.js';
import { SharedFlush, type Committer } from './committer.js';
import { DATA_LEAVES, type CopyTask } from './copy-tasks.js';
import { DIGEST_BYTES, isZero, LEAF_BYTES, leafDigest, leafLength, ZERO_LEAF_DIGEST } from './digest.js';
import type { Limiter } from './limiter.js';
import type { LeafRange, Manifest } from './manifest.js';
import type { Meter } from './progress.js';

export const CHUNK_BYTES = DATA_LEAVES * LEAF_BYTES;

export interface LeafCopierParts {
  source: BlockReader;
  replica: BlockStore;
  manifest: Manifest;
  limiter: Limiter | undefined;
  committer: Committer;
  meter: Meter;
  /** Write only the leaves whose digest differs from the manifest's. */
  compare: boolean;
  signal: AbortSignal;
}

/** Leaves to be written, with their digests and whether they are zeroes. */
interface Run extends LeafRange {
  zero: boolean;
}

/** Copies the leaves of one task after the other; several at once share it. */
export class LeafCopier {
  readonly stats = { bytesRead: 0, bytesWritten: 0, bytesZeroed: 0, leavesCopied: 0 };
  readonly #parts: LeafCopierParts;
  readonly #free: Buffer[] = [];
  readonly #marks: SharedFlush;
  readonly #padToBytes: number;

  constructor(parts: LeafCopierParts) {
    this.#parts = parts;
    this.#marks = new SharedFlush(() => parts.manifest.flush(parts.signal));
    this.#padToBytes = parts.replica.alignmentBytes;
  }

  async copy(task: CopyTask): Promise<void> {
    const { manifest, meter } = this.#parts;
    const bytes = manifest.bytesOf(task);
    if (task.kind === 'zero') await this.#copyZeroes(task);
    else {
      const buffer = this.#free.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
      await this.#copyData(task, buffer);
      // Not given back after an error: a cancelled request may still use it.
      this.#free.push(buffer);
    }
    meter.add(bytes, task.kind === 'data');
  }

  async #copyZeroes(task: CopyTask): Promise<void> {
    const { manifest, compare, signal } = this.#parts;
    const known = compare ? await manifest.get(task.first, task.count, signal) : null;
    const runs = differing(task, known, (leaf) => this.#zeroDigest(leaf)).map((run) => ({ ...run, zero: true }));
    await this.#mark(runs, task.first, known);
    for (const run of runs) {
      await this.#write(run, null, task.replicaZero);
      this.#noteZeroes(run);
    }
  }

  async #copyData(task: CopyTask, buffer: Buffer): Promise<void> {
    const { source, manifest, limiter, compare, signal } = this.#parts;
    const bytes = manifest.bytesOf(task);
    await limiter?.take(bytes, signal);
    await source.read(task.first * LEAF_BYTES, buffer.subarray(0, bytes), signal);
    this.stats.bytesRead += bytes;
    const digests = Buffer.allocUnsafe(task.count * DIGEST_BYTES);
    const zero: boolean[] = [];
    for (let i = 0; i < task.count; i++) {
      const leaf = buffer.subarray(i * LEAF_BYTES, Math.min((i + 1) * LEAF_BYTES, bytes));
      zero[i] = isZero(leaf);
      const digest = zero[i] ? this.#zeroDigest(task.first + i) : leafDigest(leaf);
      digest.copy(digests, i * DIGEST_BYTES);
    }
    const digestOf = (leaf: number): Buffer => slice(digests, leaf - task.first, 1);
    const known = compare ? await manifest.get(task.first, task.count, signal) : null;
    const runs = differing(task, known, digestOf).flatMap((run) =>
      splitByZero(run, (leaf) => zero[leaf - task.first] ?? false),
    );
    await this.#mark(runs, task.first, known);
    await Promise.all(
      runs.map((run) => this.#write(run, buffer.subarray((run.first - task.first) * LEAF_BYTES), task.replicaZero)),
    );
    for (const run of runs) {
      const written = {
        first: run.first,
        count: run.count,
        digests: slice(digests, run.first - task.first, run.count),
      };
      this.#note(run, written.digests, run.zero);
    }
  }

  /** Durably marks leaves that are about to be overwritten, unless they are unknown already. */
  async #mark(runs: readonly Run[], first: number, known: Buffer | null): Promise<void> {
    if (!known) return;
    const stale = runs.filter((run) => !isZero(slice(known, run.first - first, run.count)));
    if (stale.length === 0) return;
    for (const run of stale) await this.#parts.manifest.markUnknown(run, this.#parts.signal);
    await this.#marks.run();
  }

  /** Writes a run, from the front of `data` or as zeroes; the disk's end is padded as the replica needs it. */
  async #write(run: Run, data: Buffer | null, replicaZero: boolean): Promise<void> {
    const { replica, manifest, signal } = this.#parts;
    const bytes = manifest.bytesOf(run);
    const offset = run.first * LEAF_BYTES;
    if (run.zero && replicaZero) return;
    const padded = Math.min(Math.ceil(bytes / this.#padToBytes) * this.#padToBytes, replica.sizeBytes - offset);
    if (run.zero || !data) await replica.zero(offset, padded, signal);
    else {
      if (padded > bytes) data.fill(0, bytes, padded);
      await replica.write(offset, data.subarray(0, padded), signal);
      this.stats.bytesWritten += bytes;
    }
  }

  #note({ first, count }: LeafRange, digests: Buffer, zero: boolean): void {
    const bytes = this.#parts.manifest.bytesOf({ first, count });
    this.stats.leavesCopied += count;
    if (zero) this.stats.bytesZeroed += bytes;
    this.#parts.committer.add({ first, count, digests }, zero ? 0 : bytes);
  }

  #noteZeroes({ first, count }: LeafRange): void {
    const last = first + count - 1;
    const short = leafLength(this.#parts.manifest.diskSizeBytes, last) < LEAF_BYTES;
    const whole = short ? count - 1 : count;
    if (whole > 0) this.#note({ first, count: whole }, ZERO_LEAF_DIGEST, true);
    if (short) this.#note({ first: last, count: 1 }, this.#zeroDigest(last), true);
  }

  #zeroDigest(leaf: number): Buffer {
    const length = leafLength(this.#parts.manifest.diskSizeBytes, leaf);
    return length === LEAF_BYTES ? ZERO_LEAF_DIGEST : leafDigest(Buffer.alloc(length));
  }
}

function slice(digests: Buffer, index: number, count: number): Buffer {
  return digests.subarray(index * DIGEST_BYTES, (index + count) * DIGEST_BYTES);
}

/** The runs of a range whose digests are not the known ones; all of it where nothing is compared. */
function differing({ first, count }: LeafRange, known: Buffer | null, digestOf: (leaf: number) => Buffer): LeafRange[] {
  if (!known) return [{ first, count }];
  return runsOf(first, count, (leaf) => (slice(known, leaf - first, 1).equals(digestOf(leaf)) ? null : true));
}

function splitByZero({ first, count }: LeafRange, zero: (leaf: number) => boolean): Run[] {
  return runsOf(first, count, zero).map((run) => ({ ...run, zero: zero(run.first) }));
}

/** Neighbouring leaves of one value; those of value null are left out. */
function runsOf(first: number, count: number, value: (leaf: number) => boolean | null): LeafRange[] {
  const runs: LeafRange[] = [];
  let current: { range: LeafRange; value: boolean } | null = null;
  for (let leaf = first; leaf < first + count; leaf++) {
    const here = value(leaf);
    if (current && here === current.value) current.range.count += 1;
    else {
      current = here === null ? null : { range: { first: leaf, count: 1 }, value: here };
      if (current) runs.push(current.range);
    }
  }
  return runs;
}
