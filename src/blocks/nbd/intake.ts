const STAGE_BYTES = 64 * 1024;
/** Shorter rests go through the stage, so that the next header comes with them in one call. */
const DIRECT_BYTES = 16 * 1024;

type Want =
  | { kind: 'header'; bytes: number; then: (bytes: Buffer) => void }
  | { kind: 'fill'; into: Buffer; at: number; then: () => void };

/**
 * Incoming bytes of a socket, given out as the parser asks for them. Long payloads land straight in the buffer they
 * are meant for; only headers, and what arrives with them, are copied.
 */
export class Intake {
  readonly #stage = Buffer.allocUnsafeSlow(STAGE_BYTES);
  #start = 0;
  #end = 0;
  #want: Want | null = null;
  #direct = false;
  #running = false;

  /** Asks for `bytes` (at most 4096) in one piece; they are valid only during the call. One wish at a time. */
  header(bytes: number, then: (bytes: Buffer) => void): void {
    this.#want = { kind: 'header', bytes, then };
    this.#run();
  }

  /** Asks for `into` to be filled. */
  fill(into: Buffer, then: () => void): void {
    this.#want = { kind: 'fill', into, at: 0, then };
    this.#run();
  }

  /** Reads `bytes` and throws them away. */
  drop(bytes: number, then: () => void): void {
    if (bytes === 0) return then();
    const piece = Buffer.allocUnsafe(Math.min(bytes, STAGE_BYTES));
    this.fill(piece, () => this.drop(bytes - piece.length, then));
  }

  /** Where the socket has to put what it receives next. */
  next(): Buffer {
    const want = this.#want;
    this.#direct = want?.kind === 'fill' && want.into.length - want.at >= DIRECT_BYTES;
    if (this.#direct && want?.kind === 'fill') return want.into.subarray(want.at);
    if (this.#start === this.#end) this.#start = this.#end = 0;
    else if (this.#start > 0) {
      this.#stage.copy(this.#stage, 0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    return this.#stage.subarray(this.#end);
  }

  /** `bytes` were put where `next` said. */
  landed(bytes: number): void {
    if (this.#direct && this.#want?.kind === 'fill') this.#want.at += bytes;
    else this.#end += bytes;
    this.#run();
  }

  #run(): void {
    if (this.#running) return;
    this.#running = true;
    try {
      while (this.#want && this.#step(this.#want));
    } finally {
      this.#running = false;
    }
  }

  #step(want: Want): boolean {
    const have = this.#end - this.#start;
    if (want.kind === 'header') {
      if (have < want.bytes) return false;
      const bytes = this.#stage.subarray(this.#start, this.#start + want.bytes);
      this.#start += want.bytes;
      this.#want = null;
      want.then(bytes);
      return true;
    }
    const bytes = Math.min(have, want.into.length - want.at);
    this.#stage.copy(want.into, want.at, this.#start, this.#start + bytes);
    this.#start += bytes;
    want.at += bytes;
    if (want.at < want.into.length) return false;
    this.#want = null;
    want.then();
    return true;
  }
}
