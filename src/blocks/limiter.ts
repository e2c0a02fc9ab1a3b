import { VmferryError } from '../errors.js';
import { deferred } from './deferred.js';

/** At most this much at once after a pause. */
const BURST_MS = 250;

/** What a copy needs of a limit. */
export type Limiter = Pick<RateLimiter, 'take'>;

/**
 * A bandwidth limit shared by everything that it is given to; the rate may change at any time. A token bucket: who
 * comes takes his bytes and waits until they are paid for, in order.
 */
export class RateLimiter {
  #rate: number | null;
  /** Bytes that may go at once; below zero while somebody waits. */
  #credit = 0;
  #countedMs = performance.now();
  #changed = deferred();

  /** @param bytesPerSecond null for no limit */
  constructor(bytesPerSecond: number | null) {
    this.#rate = bytesPerSecond;
  }

  get bytesPerSecond(): number | null {
    return this.#rate;
  }

  /** Takes effect at once, also for who waits. */
  setRate(bytesPerSecond: number | null): void {
    this.#count();
    this.#rate = bytesPerSecond;
    this.#changed.resolve();
    this.#changed = deferred();
  }

  /** Returns when `bytes` may go. @throws VmferryError `Cancelled`. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    if (this.#rate === null) return;
    this.#count();
    this.#credit -= bytes;
    let owed = -this.#credit;
    while (owed > 0 && this.#rate !== null) {
      const [startedMs, rate] = [performance.now(), this.#rate];
      await this.#pause((owed / rate) * 1000, signal);
      owed -= ((performance.now() - startedMs) / 1000) * rate;
    }
  }

  #count(): void {
    const nowMs = performance.now();
    if (this.#rate === null) this.#credit = 0;
    else {
      const earned = ((nowMs - this.#countedMs) / 1000) * this.#rate;
      this.#credit = Math.min(this.#credit + earned, (this.#rate * BURST_MS) / 1000);
    }
    this.#countedMs = nowMs;
  }

  async #pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const over = deferred();
    const cancelled = (): void => over.reject(new VmferryError('Cancelled', 'cannot go on: cancelled'));
    const timer = setTimeout(over.resolve, Math.min(Math.max(ms, 1), 60_000));
    if (signal?.aborted) cancelled();
    signal?.addEventListener('abort', cancelled, { once: true });
    try {
      await Promise.race([over.promise, this.#changed.promise]);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', cancelled);
    }
  }
}
