import { VmferryError } from '../errors.js';

/** Reads answers off a stream, of which each ends with a line of its own that nobody can guess. */
export class AnswerReader {
  private readonly chunks: AsyncIterator<Buffer>;
  private held: Buffer[] = [];

  /** `keepBytes`: of a longer answer only this much is kept, from its beginning. */
  constructor(
    stream: AsyncIterable<Buffer>,
    private readonly keepBytes = Infinity,
  ) {
    this.chunks = stream[Symbol.asyncIterator]();
  }

  /** What comes before `marker` stands alone in a line; null where the stream ends first. @throws `ToolFailed` beyond `maxBytes`. */
  async until(marker: string, maxBytes: number): Promise<Buffer | null> {
    const ending = Buffer.from(`\n${marker}\n`);
    const kept: Buffer[] = [];
    let keptBytes = 0;
    let tail = Buffer.alloc(0);
    this.held = kept;
    for (;;) {
      const next = await this.chunks.next();
      if (next.done === true) return null;
      // The last bytes are held back until it is clear that they are not the ending.
      const text = Buffer.concat([tail, next.value]);
      const ends = text.subarray(-ending.length).equals(ending);
      const plain = text.subarray(0, Math.max(0, text.length - ending.length));
      tail = ends ? Buffer.alloc(0) : text.subarray(plain.length);
      if (keptBytes < this.keepBytes) kept.push(plain);
      keptBytes += plain.length;
      if (keptBytes > maxBytes) {
        throw new VmferryError('ToolFailed', `cannot read the appliance's answer: it is longer than ${maxBytes} bytes`);
      }
      if (ends) return Buffer.concat(kept);
    }
  }

  /** What came since the last answer, as far as it was kept. */
  rest(): string {
    return Buffer.concat(this.held).toString('utf8');
  }
}
