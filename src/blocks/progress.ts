/** How far a copy or a check of one disk has come. */
export interface Progress {
  doneBytes: number;
  totalBytes: number;
  /** Over the last few seconds; stretches of zeroes, which need no transfer, are left out. */
  rateBytesPerSecond: number;
}

const WINDOW_MS = 5_000;

/** Counts bytes and tells `onProgress` twice a second, and once at the end. */
export class Meter {
  readonly #progress: Progress;
  readonly #onProgress: ((progress: Progress) => void) | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  #moved = 0;
  #samples: { atMs: number; moved: number }[] = [{ atMs: performance.now(), moved: 0 }];

  constructor(doneBytes: number, totalBytes: number, onProgress: ((progress: Progress) => void) | undefined) {
    this.#progress = { doneBytes, totalBytes, rateBytesPerSecond: 0 };
    this.#onProgress = onProgress;
    if (onProgress) this.#timer = setInterval(() => this.#tell(), 500).unref();
  }

  /** `bytes` of the disk are done; `moved` says whether they were transferred. */
  add(bytes: number, moved: boolean): void {
    this.#progress.doneBytes += bytes;
    if (moved) this.#moved += bytes;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#tell();
  }

  #tell(): void {
    const atMs = performance.now();
    this.#samples = this.#samples.filter(
      (sample, i) => i === this.#samples.length - 1 || atMs - sample.atMs < WINDOW_MS,
    );
    const [oldest] = this.#samples;
    const tookMs = atMs - (oldest?.atMs ?? atMs);
    const rateBytesPerSecond = tookMs > 0 ? Math.round(((this.#moved - (oldest?.moved ?? 0)) / tookMs) * 1000) : 0;
    this.#samples.push({ atMs, moved: this.#moved });
    this.#onProgress?.({ ...this.#progress, rateBytesPerSecond });
  }
}
