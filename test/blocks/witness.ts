import { setTimeout as sleep } from 'node:timers/promises';
import {
  DIGEST_BYTES,
  interceptStore,
  LEAF_BYTES,
  manifestFileBytes,
  type BlockStore,
} from '../../src/blocks/index.js';
import { MemoryDisk } from './memory-disk.js';

/**
 * A replica and a manifest file on storage that loses, when the power fails, all that was not flushed. Watches at every
 * write what a power failure in that moment would leave: `breaches` says where a digest would hold for data that is not
 * there, or would still hold for data that is being overwritten. Calls take a while, some longer than others.
 */
export class Witness {
  readonly breaches: string[] = [];
  readonly replica: BlockStore;
  readonly manifestStore: BlockStore;
  /** Calls that began. */
  calls = 0;
  /** Leaves that were written and not flushed since, with the number of the last write. */
  readonly #volatile = new Map<number, number>();
  /** The manifest as a power failure would leave it. */
  #durable: Buffer;
  #writes = 0;
  #delay = 1;

  constructor(replicaDisk: MemoryDisk, manifestDisk = new MemoryDisk(manifestFileBytes(replicaDisk.sizeBytes))) {
    this.#durable = Buffer.from(manifestDisk.bytes);
    this.replica = interceptStore(replicaDisk, async ({ name, offsetBytes, lengthBytes }, run) => {
      this.calls += 1;
      if (name === 'read') return run();
      if (name === 'flush') return this.#replicaFlush(run);
      const leaves = leavesIn(offsetBytes, lengthBytes);
      for (const leaf of leaves) {
        if (isKnown(this.#durable, leaf)) this.breaches.push(`leaf ${leaf} is overwritten, its digest holds`);
        this.#volatile.set(leaf, ++this.#writes);
      }
      await this.#while();
      await run();
      // What lands while a flush runs is not covered by it.
      for (const leaf of leaves) this.#volatile.set(leaf, ++this.#writes);
    });
    this.manifestStore = interceptStore(manifestDisk, async ({ name }, run) => {
      this.calls += 1;
      if (name === 'read') return run();
      if (name === 'flush') {
        const flushed = Buffer.from(manifestDisk.bytes);
        await this.#while();
        await run();
        this.#durable = flushed;
        return;
      }
      await run();
      for (const leaf of this.#volatile.keys()) {
        if (isKnown(manifestDisk.bytes, leaf))
          this.breaches.push(`the digest of leaf ${leaf} is recorded, its data not`);
      }
    });
  }

  async #replicaFlush(run: () => Promise<void>): Promise<void> {
    const covered = new Map(this.#volatile);
    await this.#while();
    await run();
    for (const [leaf, write] of covered) if (this.#volatile.get(leaf) === write) this.#volatile.delete(leaf);
  }

  async #while(): Promise<void> {
    this.#delay = (this.#delay * 7) % 11;
    await sleep(this.#delay);
  }
}

function leavesIn(offsetBytes: number, lengthBytes: number): number[] {
  const first = Math.floor(offsetBytes / LEAF_BYTES);
  const end = Math.ceil((offsetBytes + lengthBytes) / LEAF_BYTES);
  return Array.from({ length: end - first }, (_, index) => first + index);
}

function isKnown(manifest: Buffer, leaf: number): boolean {
  return manifest.subarray(leaf * DIGEST_BYTES, (leaf + 1) * DIGEST_BYTES).some((byte) => byte !== 0);
}
