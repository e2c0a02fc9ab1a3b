import { Blake3Hasher } from '@napi-rs/blake-hash';
import { VmferryError } from '../errors.js';
import type { BlockStore } from './block-device.js';
import { DIGEST_BYTES, LEAF_BYTES, leafLength, leavesOf } from './digest.js';
import { PAGE_BYTES, PageCache } from './pages.js';

/** Leaves `first` to `first + count - 1`. */
export interface LeafRange {
  first: number;
  count: number;
}

const PAGE_LEAVES = PAGE_BYTES / DIGEST_BYTES;
const UNKNOWN = Buffer.alloc(DIGEST_BYTES);
const ROOT_MAGIC = Buffer.from('vmferry root v1\n', 'latin1');

/** The size of the file that holds the manifest of a disk: a digest a leaf, rounded up to whole pages of 4096 bytes. */
export function manifestFileBytes(diskSizeBytes: number): number {
  return Math.max(4096, Math.ceil((leavesOf(diskSizeBytes) * DIGEST_BYTES) / 4096) * 4096);
}

/**
 * The digests of a replica's leaves, kept beside it: leaf i at byte 32 * i, all zeroes while it is not known
 * (docs/manifest.md). What is set or marked is durable after `flush`. Memory is bounded whatever the disk's size.
 */
export class Manifest {
  readonly diskSizeBytes: number;
  readonly leafCount: number;
  readonly #store: BlockStore;
  readonly #pages: PageCache;

  /**
   * @param store the manifest's file, `manifestFileBytes` long at least; closed by whoever opened it
   * @param cachePages pages of 64 KiB held in memory. Default 16.
   */
  constructor(store: BlockStore, diskSizeBytes: number, cachePages = 16) {
    this.diskSizeBytes = diskSizeBytes;
    this.leafCount = leavesOf(diskSizeBytes);
    this.#store = store;
    this.#pages = new PageCache(store, cachePages);
    if (store.sizeBytes < this.leafCount * DIGEST_BYTES) {
      const needs = `${manifestFileBytes(diskSizeBytes)} bytes for a disk of ${diskSizeBytes}`;
      throw new VmferryError('Internal', `cannot use a manifest of ${store.sizeBytes} bytes: it needs ${needs}`);
    }
  }

  /** The digests of a range, one after the other; those of unknown leaves are all zeroes. */
  async get(first: number, count: number, signal?: AbortSignal): Promise<Buffer> {
    const digests = Buffer.alloc(count * DIGEST_BYTES);
    await this.#edit(
      first,
      count,
      (slots, leaf) => {
        slots.copy(digests, (leaf - first) * DIGEST_BYTES);
        return false;
      },
      signal,
    );
    return digests;
  }

  /** Records the digests of neighbouring leaves, one after the other. Only for data that is durable. */
  async set(first: number, digests: Buffer, signal?: AbortSignal): Promise<void> {
    await this.#edit(
      first,
      digests.length / DIGEST_BYTES,
      (slots, leaf) => {
        digests.copy(slots, 0, (leaf - first) * DIGEST_BYTES);
        return true;
      },
      signal,
    );
  }

  /** Records one digest for all leaves of a range. */
  async fill({ first, count }: LeafRange, digest: Buffer, signal?: AbortSignal): Promise<void> {
    await this.#edit(
      first,
      count,
      (slots) => {
        slots.fill(digest);
        return true;
      },
      signal,
    );
  }

  /** Marks all leaves of a range as unknown. */
  async markUnknown({ first, count }: LeafRange, signal?: AbortSignal): Promise<void> {
    const firstWhole = Math.ceil(first / PAGE_LEAVES);
    const wholePages = Math.floor((first + count) / PAGE_LEAVES) - firstWhole;
    if (wholePages < 2) return this.fill({ first, count }, UNKNOWN, signal);
    const end = (firstWhole + wholePages) * PAGE_LEAVES;
    await this.fill({ first, count: firstWhole * PAGE_LEAVES - first }, UNKNOWN, signal);
    await this.#pages.clear(firstWhole, wholePages, signal);
    await this.fill({ first: end, count: first + count - end }, UNKNOWN, signal);
  }

  /** The leaf ranges that are unknown, in order, from `from` on. Leaves set meanwhile may still be told. */
  async *unknown(from = 0, signal?: AbortSignal): AsyncGenerator<LeafRange> {
    let range: LeafRange | null = null;
    for await (const { first, count, digests } of this.#scan(from, signal)) {
      for (let i = 0; i < count; i++) {
        const whole = digests === null;
        if (whole || isUnknown(digests, i)) {
          const more: number = whole ? count : 1;
          if (range && range.first + range.count === first + i) range.count += more;
          else {
            if (range) yield range;
            range = { first: first + i, count: more };
          }
        }
        if (whole) break;
      }
      if (digests !== null && range) {
        yield range;
        range = null;
      }
    }
    if (range) yield range;
  }

  /** How many bytes of the disk are in unknown leaves. */
  async unknownBytes(signal?: AbortSignal): Promise<number> {
    let bytes = 0;
    for await (const range of this.unknown(0, signal)) bytes += this.bytesOf(range);
    return bytes;
  }

  /** The bytes of the disk that a range of leaves covers. */
  bytesOf({ first, count }: LeafRange): number {
    return count === 0 ? 0 : (count - 1) * LEAF_BYTES + leafLength(this.diskSizeBytes, first + count - 1);
  }

  /** Hands changes to the store, not yet durable: enough to survive the end of this process. */
  write(signal?: AbortSignal): Promise<void> {
    return this.#pages.write(signal);
  }

  /** Makes all changes durable. */
  async flush(signal?: AbortSignal): Promise<void> {
    await this.write(signal);
    await this.#store.flush(signal);
  }

  /**
   * The name of the disk's content, as hex: BLAKE3-256 over a version, the disk's size and the digests of all its
   * leaves in order (docs/manifest.md).
   * @throws VmferryError `VerifyFailed` while a leaf is unknown.
   */
  async rootDigest(signal?: AbortSignal): Promise<string> {
    const header = Buffer.alloc(32);
    ROOT_MAGIC.copy(header);
    header.writeBigUInt64LE(BigInt(this.diskSizeBytes), 16);
    header.writeBigUInt64LE(BigInt(LEAF_BYTES), 24);
    const hasher = new Blake3Hasher().update(header);
    for await (const { first, count, digests } of this.#scan(0, signal)) {
      for (let i = 0; i < count; i++) {
        if (digests !== null && !isUnknown(digests, i)) continue;
        const why = `leaf ${first + i} is not known`;
        throw new VmferryError('VerifyFailed', `cannot give the root digest of a disk that is not whole: ${why}`);
      }
      if (digests) hasher.update(digests);
    }
    return hasher.digestBuffer().toString('hex');
  }

  /** All leaves in order, in pieces of at most a page; `digests` is null for a stretch that is wholly unknown. */
  async *#scan(from: number, signal?: AbortSignal): AsyncGenerator<LeafRange & { digests: Buffer | null }> {
    await this.write(signal);
    const start = from * DIGEST_BYTES;
    const pages = this.#store.extents(start, this.leafCount * DIGEST_BYTES - start, signal);
    let leaf = from;
    for await (const { offsetBytes, lengthBytes, kind } of pages) {
      const end = offsetBytes + lengthBytes;
      const endLeaf = Math.floor(end / DIGEST_BYTES);
      while (leaf < endLeaf) {
        if (kind === 'zero') {
          // A leaf that straddles two extents is read with the second.
          const firstWhole = Math.ceil(offsetBytes / DIGEST_BYTES);
          if (leaf >= firstWhole) {
            yield { first: leaf, count: endLeaf - leaf, digests: null };
            leaf = endLeaf;
            continue;
          }
        }
        const count = Math.min(endLeaf - leaf, PAGE_LEAVES - (leaf % PAGE_LEAVES));
        yield { first: leaf, count, digests: await this.get(leaf, count, signal) };
        leaf += count;
      }
    }
  }

  /** Visits the slots of a range page by page. */
  async #edit(
    first: number,
    count: number,
    visit: (slots: Buffer, leaf: number) => boolean,
    signal?: AbortSignal,
  ): Promise<void> {
    if (first < 0 || first + count > this.leafCount) {
      throw new VmferryError(
        'Internal',
        `cannot reach leaves ${first} to ${first + count}: there are ${this.leafCount}`,
      );
    }
    let leaf = first;
    while (leaf < first + count) {
      const slot = leaf % PAGE_LEAVES;
      const slots = Math.min(PAGE_LEAVES - slot, first + count - leaf);
      const at = leaf;
      const use = (bytes: Buffer): boolean =>
        visit(bytes.subarray(slot * DIGEST_BYTES, (slot + slots) * DIGEST_BYTES), at);
      await this.#pages.edit(Math.floor(leaf / PAGE_LEAVES), use, signal);
      leaf += slots;
    }
  }
}

function isUnknown(digests: Buffer, index: number): boolean {
  const at = index * DIGEST_BYTES;
  return digests.readInt32LE(at) === 0 && UNKNOWN.compare(digests, at, at + DIGEST_BYTES) === 0;
}
