import { VmferryError } from '../errors.js';
import type { BlockWriter } from './block-device.js';
import { abortable, deferred, type Deferred } from './deferred.js';
import { DIGEST_BYTES } from './digest.js';
import type { LeafRange, Manifest } from './manifest.js';

/** Leaves whose data was written: `digests` one after the other, or a single one that holds for all. */
export interface Written extends LeafRange {
  digests: Buffer;
}

export interface CommitterOptions {
  replica: BlockWriter;
  manifest: Manifest;
  /** No more than this much is written and not recorded; commits begin well before, so that no writer waits in vain. */
  mostBytes: number;
  /** A commit begins when the last was this long ago. */
  everyMs: number;
  signal: AbortSignal;
  /** A commit that nobody waits for has failed. */
  onFailure: (error: unknown) => void;
}

/** A commit begins when this part of `mostBytes` was written since the last: storage is kept busy, writers go on. */
const BATCH_PART = 1 / 4;
/** Many small runs of leaves count as much as this many bytes, so that the list of them stays short. */
const MAX_PENDING = 4096;
/** Digests are made durable this often and at the end; before, they survive the end of this process all the same. */
const DURABLE_MS = 5_000;

/**
 * Records digests of written leaves, in batches, beside the copying: first the replica is flushed, then the digests of
 * what was written before the flush are handed to the manifest.
 */
export class Committer {
  readonly #options: CommitterOptions;
  readonly #batchBytes: number;
  readonly #timer: NodeJS.Timeout;
  #pending: Written[] = [];
  #pendingBytes = 0;
  #committingBytes = 0;
  #running: Promise<void> | null = null;
  #committed: Deferred<void> = deferred();
  #durableMs = performance.now();

  constructor(options: CommitterOptions) {
    this.#options = options;
    this.#batchBytes = options.mostBytes * BATCH_PART;
    this.#timer = setInterval(() => this.#kick(), options.everyMs).unref();
  }

  /** Notes leaves whose data the replica has taken. `bytes` would have to be copied again if they were forgotten. */
  add(written: Written, bytes: number): void {
    this.#pending.push(written);
    this.#pendingBytes += bytes;
    if (this.#pendingBytes >= this.#batchBytes || this.#pending.length >= MAX_PENDING) this.#kick();
  }

  /** Returns once there is room for more that is written and not recorded. */
  async room(): Promise<void> {
    const { mostBytes, signal } = this.#options;
    while (this.#pendingBytes + this.#committingBytes >= mostBytes || this.#pending.length >= 2 * MAX_PENDING) {
      this.#kick();
      await abortable(this.#committed.promise, signal, cancelled);
    }
  }

  /** Records everything durably. */
  async finish(): Promise<void> {
    clearInterval(this.#timer);
    while (this.#running) await this.#running;
    await this.#commit();
    await this.#options.manifest.flush(this.#options.signal);
  }

  /** Forgets what is not recorded, and waits until nothing is under way. */
  async abandon(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running?.catch(() => {});
  }

  #kick(): void {
    if (this.#running || this.#pending.length === 0 || this.#options.signal.aborted) return;
    this.#running = this.#commit()
      .catch(this.#options.onFailure)
      .finally(() => {
        this.#running = null;
        this.#committed.resolve();
        this.#committed = deferred();
        if (this.#pendingBytes >= this.#batchBytes) this.#kick();
      });
  }

  async #commit(): Promise<void> {
    const { replica, manifest, signal } = this.#options;
    const batch = this.#pending;
    this.#pending = [];
    this.#committingBytes = this.#pendingBytes;
    this.#pendingBytes = 0;
    await replica.flush(signal);
    for (const { first, count, digests } of batch) {
      if (count > 1 && digests.length === DIGEST_BYTES) await manifest.fill({ first, count }, digests, signal);
      else await manifest.set(first, digests, signal);
    }
    await manifest.write(signal);
    if (performance.now() - this.#durableMs > DURABLE_MS) {
      await manifest.flush(signal);
      this.#durableMs = performance.now();
    }
    this.#committingBytes = 0;
  }
}

function cancelled(): VmferryError {
  return new VmferryError('Cancelled', 'cannot go on: cancelled');
}

/** Runs `flush` for many callers at once: each call is covered by a run that began after it. */
export class SharedFlush {
  readonly #flush: () => Promise<void>;
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  constructor(flush: () => Promise<void>) {
    this.#flush = flush;
  }

  run(): Promise<void> {
    this.#next ??= this.#start(this.#running);
    return this.#next;
  }

  async #start(before: Promise<void> | null): Promise<void> {
    await before?.catch(() => {});
    this.#running = this.#next;
    this.#next = null;
    await this.#flush();
  }
}
