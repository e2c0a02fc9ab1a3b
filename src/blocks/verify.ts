import { VmferryError } from '../errors.js';
import type { BlockReader } from './block-device.js';
import { DATA_LEAVES, IN_FLIGHT } from './copy-tasks.js';
import { tiedController } from './deferred.js';
import { DIGEST_BYTES, LEAF_BYTES, leafDigest, leafLength, ZERO_LEAF_DIGEST } from './digest.js';
import type { Limiter } from './limiter.js';
import type { LeafRange, Manifest } from './manifest.js';
import { runPipeline } from './pipeline.js';
import { ExtentCursor, leafRuns } from './plan.js';
import { Meter, type Progress } from './progress.js';

export interface VerifyOptions {
  /** Opened past the page cache by whoever opened it (`qemu-nbd --cache=none`), so that the storage itself is read. */
  replica: BlockReader;
  manifest: Manifest;
  /** Only these leaves, in ascending order: what a pass wrote is `changedLeaves` of its layer. Default: all. */
  only?: AsyncIterable<LeafRange> | Iterable<LeafRange>;
  /** For progress: how much `only` covers. Default: the disk's size. */
  totalBytes?: number;
  /** Mark leaves that do not match as unknown, durably, so that the next pass copies them again. Default false. */
  markMismatches?: boolean;
  limiter?: Limiter;
  /** Called twice a second, and at the end. */
  onProgress?: (progress: Progress) => void;
  /** Requests of 512 KiB under way at once. Default 16. */
  inFlight?: number;
  signal?: AbortSignal;
}

export interface VerifyResult {
  /** No mismatch, and no unknown leaf. */
  passed: boolean;
  bytesRead: number;
  leavesChecked: number;
  /** How many leaves do not match their digest. */
  mismatches: number;
  /** The first of them, 100 at most. */
  mismatching: number[];
  /** Leaves that could not be checked because their digest is not known. */
  unknown: number;
  durationMs: number;
}

const MAX_LISTED = 100;
/** Zeroes are not read: their digests are compared in pieces of 128 MiB of disk. */
const ZERO_LEAVES = 2048;

interface Task extends LeafRange {
  kind: 'data' | 'zero';
}

/**
 * Reads a replica back and compares it with its manifest. Stretches that the replica's own format says are zeroes are
 * compared without being read.
 * @throws VmferryError `Cancelled` within a second of the signal, and what the replica throws; a mismatch is no error.
 */
export async function verifyReplica(options: VerifyOptions): Promise<VerifyResult> {
  const { manifest } = options;
  const startedMs = performance.now();
  const { controller, release } = tiedController(options.signal);
  const meter = new Meter(0, options.totalBytes ?? manifest.diskSizeBytes, options.onProgress);
  const checker = new Checker(options, meter, controller.signal);
  try {
    const work = (task: Task): Promise<void> => checker.check(task);
    await runPipeline(tasks(options, controller.signal), options.inFlight ?? IN_FLIGHT, work, () => controller.abort());
    if (options.markMismatches && checker.result.mismatches > 0) await manifest.flush(controller.signal);
  } catch (error) {
    if (!options.signal?.aborted) throw error;
    throw new VmferryError('Cancelled', 'cannot finish the verification: it was cancelled', { cause: error });
  } finally {
    meter.stop();
    release();
  }
  const { result } = checker;
  result.mismatching.sort((a, b) => a - b);
  const passed = result.mismatches === 0 && result.unknown === 0;
  return { passed, ...result, durationMs: Math.round(performance.now() - startedMs) };
}

async function* tasks({ replica, manifest, only }: VerifyOptions, signal: AbortSignal): AsyncGenerator<Task> {
  const cursor = new ExtentCursor(replica, signal);
  for await (const range of only ?? [{ first: 0, count: manifest.leafCount }]) {
    const extents = cursor.within(range.first * LEAF_BYTES, manifest.bytesOf(range));
    for await (const { first, count, kind } of leafRuns(extents)) {
      const most = kind === 'data' ? DATA_LEAVES : ZERO_LEAVES;
      for (let done = 0; done < count; done += most) {
        yield { first: first + done, count: Math.min(most, count - done), kind };
      }
    }
  }
}

class Checker {
  readonly result = { bytesRead: 0, leavesChecked: 0, mismatches: 0, mismatching: [] as number[], unknown: 0 };
  readonly #options: VerifyOptions;
  readonly #meter: Meter;
  readonly #signal: AbortSignal;
  readonly #free: Buffer[] = [];

  constructor(options: VerifyOptions, meter: Meter, signal: AbortSignal) {
    this.#options = options;
    this.#meter = meter;
    this.#signal = signal;
  }

  async check(task: Task): Promise<void> {
    const { replica, manifest, limiter } = this.#options;
    const bytes = manifest.bytesOf(task);
    if (task.kind === 'zero') {
      await this.#compare(task, (leaf) => {
        const length = leafLength(manifest.diskSizeBytes, leaf);
        return length === LEAF_BYTES ? ZERO_LEAF_DIGEST : leafDigest(Buffer.alloc(length));
      });
    } else {
      const buffer = this.#free.pop() ?? Buffer.allocUnsafeSlow(DATA_LEAVES * LEAF_BYTES);
      await limiter?.take(bytes, this.#signal);
      await replica.read(task.first * LEAF_BYTES, buffer.subarray(0, bytes), this.#signal);
      this.result.bytesRead += bytes;
      await this.#compare(task, (leaf) => {
        const at = (leaf - task.first) * LEAF_BYTES;
        return leafDigest(buffer.subarray(at, Math.min(at + LEAF_BYTES, bytes)));
      });
      this.#free.push(buffer);
    }
    this.#meter.add(bytes, task.kind === 'data');
  }

  async #compare({ first, count }: LeafRange, digestOf: (leaf: number) => Buffer): Promise<void> {
    const known = await this.#options.manifest.get(first, count, this.#signal);
    for (let i = 0; i < count; i++) {
      const digest = known.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES);
      if (digest.every((byte) => byte === 0)) this.result.unknown += 1;
      else {
        this.result.leavesChecked += 1;
        if (!digest.equals(digestOf(first + i))) await this.#mismatch(first + i);
      }
    }
  }

  async #mismatch(leaf: number): Promise<void> {
    this.result.mismatches += 1;
    if (this.result.mismatching.length < MAX_LISTED) this.result.mismatching.push(leaf);
    if (this.#options.markMismatches) {
      await this.#options.manifest.markUnknown({ first: leaf, count: 1 }, this.#signal);
    }
  }
}
