import type { FileHandle } from 'node:fs/promises';

/** Zeroes are left out in pieces of this size, at multiples of it. */
const PIECE_BYTES = 64 * 1024;
const BUFFER_BYTES = 16 * PIECE_BYTES;
const ZEROES = Buffer.alloc(PIECE_BYTES);

/** Writes a stream to an empty file, with holes where there are zeroes. Holds 1 MiB. */
export class SparseWriter {
  readonly #buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  #heldBytes = 0;
  /** Of the file, where the buffer begins: a multiple of its size. */
  #at = 0;

  constructor(private readonly into: FileHandle) {}

  /** What was given so far, written or held. */
  get sizeBytes(): number {
    return this.#at + this.#heldBytes;
  }

  async write(chunk: Buffer): Promise<void> {
    for (let taken = 0; taken < chunk.length;) {
      const copied = chunk.copy(this.#buffer, this.#heldBytes, taken);
      taken += copied;
      this.#heldBytes += copied;
      if (this.#heldBytes === BUFFER_BYTES) await this.#flush();
    }
  }

  /** Writes what is held, and gives the file its size: a hole at its end is not written either. */
  async end(): Promise<void> {
    await this.#flush();
    await this.into.truncate(this.#at);
  }

  /** Every run of pieces that are not zero is one write. */
  async #flush(): Promise<void> {
    const bytes = this.#buffer.subarray(0, this.#heldBytes);
    let from = 0;
    for (let piece = 0; piece < bytes.length; piece += PIECE_BYTES) {
      const end = Math.min(piece + PIECE_BYTES, bytes.length);
      if (!bytes.subarray(piece, end).equals(ZEROES.subarray(0, end - piece))) continue;
      await this.#put(bytes.subarray(from, piece), this.#at + from);
      from = end;
    }
    await this.#put(bytes.subarray(from), this.#at + from);
    this.#at += bytes.length;
    this.#heldBytes = 0;
  }

  /** A write may take less than it was given (write(2)). */
  async #put(bytes: Buffer, at: number): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      done += (await this.into.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
    }
  }
}
