import type { BlockStore, Extent } from '../../src/blocks/index.js';

/** A disk in memory. Extents come in leaves of 64 KiB, so that zeroes and changes are seen; any byte may be written. */
export class MemoryDisk implements BlockStore {
  readonly alignmentBytes: number;
  readonly tracksChanges: boolean;
  readonly bytes: Buffer;
  readonly #changed: { offsetBytes: number; lengthBytes: number }[] | null;

  constructor(
    content: number | Buffer,
    options: { changed?: { offsetBytes: number; lengthBytes: number }[]; alignmentBytes?: number } = {},
  ) {
    this.bytes = typeof content === 'number' ? Buffer.alloc(content) : content;
    this.#changed = options.changed ?? null;
    this.tracksChanges = this.#changed !== null;
    this.alignmentBytes = options.alignmentBytes ?? 1;
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  async *extents(offsetBytes: number, lengthBytes: number): AsyncGenerator<Extent> {
    await Promise.resolve();
    const end = offsetBytes + lengthBytes;
    for (let at = offsetBytes; at < end;) {
      const next = Math.min(end, at - (at % 65_536) + 65_536);
      const kind = this.bytes.subarray(at, next).every((byte) => byte === 0) ? 'zero' : 'data';
      const changed = this.#changed?.some(
        (range) => range.offsetBytes < next && at < range.offsetBytes + range.lengthBytes,
      );
      yield { offsetBytes: at, lengthBytes: next - at, kind, ...(changed === undefined ? {} : { changed }) };
      at = next;
    }
  }

  read(offsetBytes: number, buffer: Buffer): Promise<void> {
    this.#check(offsetBytes, buffer.length, 1);
    this.bytes.copy(buffer, 0, offsetBytes, offsetBytes + buffer.length);
    return Promise.resolve();
  }

  write(offsetBytes: number, buffer: Buffer): Promise<void> {
    this.#check(offsetBytes, buffer.length, this.alignmentBytes);
    buffer.copy(this.bytes, offsetBytes);
    return Promise.resolve();
  }

  zero(offsetBytes: number, lengthBytes: number): Promise<void> {
    this.#check(offsetBytes, lengthBytes, this.alignmentBytes);
    this.bytes.fill(0, offsetBytes, offsetBytes + lengthBytes);
    return Promise.resolve();
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #check(offsetBytes: number, lengthBytes: number, alignment: number): void {
    const end = offsetBytes + lengthBytes;
    const aligned = offsetBytes % alignment === 0 && (lengthBytes % alignment === 0 || end === this.sizeBytes);
    if (!aligned || offsetBytes < 0 || end > this.sizeBytes)
      throw new Error(`out of bounds: ${lengthBytes} at ${offsetBytes}`);
  }
}
