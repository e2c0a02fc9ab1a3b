import { VmferryError } from '../errors.js';
import type { BlockStore } from './block-device.js';
import { abortable } from './deferred.js';

/** 2048 digests: a page covers 128 MiB of disk. */
export const PAGE_BYTES = 65_536;

interface Page {
  bytes: Buffer;
  dirty: boolean;
}

/**
 * A small write-back cache of pages over a store; its size does not grow with the store. Calls run one after the
 * other, so that a page is never written and changed at once; for the same reason a write that has begun is not
 * cancelled: only its caller stops waiting.
 */
export class PageCache {
  readonly #store: BlockStore;
  readonly #capacity: number;
  /** The least recently used page first. */
  readonly #pages = new Map<number, Page>();
  #tail: Promise<unknown> = Promise.resolve();

  constructor(store: BlockStore, capacity: number) {
    this.#store = store;
    this.#capacity = capacity;
  }

  /** Runs `use` with the page's bytes; it says whether it changed them. */
  edit(index: number, use: (bytes: Buffer) => boolean, signal?: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      const page = this.#pages.get(index) ?? (await this.#load(index));
      this.#pages.delete(index);
      this.#pages.set(index, page);
      if (use(page.bytes)) page.dirty = true;
    }, signal);
  }

  /** Zeroes whole pages in the store. */
  clear(first: number, count: number, signal?: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      for (const index of this.#pages.keys()) if (index >= first && index < first + count) this.#pages.delete(index);
      const from = first * PAGE_BYTES;
      await this.#store.zero(from, Math.min(count * PAGE_BYTES, this.#store.sizeBytes - from));
    }, signal);
  }

  /** Hands every changed page to the store; not yet durable. */
  write(signal?: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      const dirty = [...this.#pages].filter(([, page]) => page.dirty);
      await Promise.all(dirty.map(([index, page]) => this.#write(index, page)));
    }, signal);
  }

  async #load(index: number): Promise<Page> {
    while (this.#pages.size >= this.#capacity) {
      const [oldest] = this.#pages;
      if (!oldest) break;
      if (oldest[1].dirty) await this.#write(...oldest);
      this.#pages.delete(oldest[0]);
    }
    const bytes = Buffer.alloc(Math.min(PAGE_BYTES, this.#store.sizeBytes - index * PAGE_BYTES));
    await this.#store.read(index * PAGE_BYTES, bytes);
    return { bytes, dirty: false };
  }

  async #write(index: number, page: Page): Promise<void> {
    await this.#store.write(index * PAGE_BYTES, page.bytes);
    page.dirty = false;
  }

  #inTurn(run: () => Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    const turn = this.#tail.then(() => (signal?.aborted ? undefined : run()));
    this.#tail = turn.catch(() => {});
    return abortable(turn, signal, () => new VmferryError('Cancelled', 'cannot use the manifest: cancelled'));
  }
}
