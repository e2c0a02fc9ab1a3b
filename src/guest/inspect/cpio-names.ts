import { VmferryError } from '../../errors.js';

const HEADER_BYTES = 110;
const MAX_NAME_BYTES = 4096;

/** Reads the names out of cpio archives as they come ("newc", Linux's early-userspace/buffer-format), one after the other. */
export class CpioNames {
  /** An archive ended, and nothing but zeroes came since. */
  ended = false;
  /** Something came between two archives that is none. */
  over = false;
  private held: Buffer = Buffer.alloc(0);
  private skipBytes = 0;

  constructor(private readonly onName: (name: string) => void) {}

  /** Returns how many of these bytes belong to archives. @throws VmferryError `HostileInput`. */
  take(chunk: Buffer): number {
    if (this.over) return 0;
    const before = this.held.length;
    let data = before === 0 ? chunk : Buffer.concat([this.held, chunk]);
    let used = 0;
    const advance = (bytes: number) => {
      data = data.subarray(bytes);
      used += bytes;
    };
    for (;;) {
      const skipped = Math.min(this.skipBytes, data.length);
      this.skipBytes -= skipped;
      advance(skipped);
      if (this.skipBytes > 0) break;
      if (this.ended || used + before === 0) {
        const zeroes = data.findIndex((byte) => byte !== 0);
        advance(zeroes === -1 ? data.length : zeroes);
      }
      if (data.length < 6) break;
      if (!/^07070[12]$/.test(data.toString('latin1', 0, 6))) {
        this.over = true;
        if (this.ended || used === 0) return used - before;
        throw new VmferryError('HostileInput', 'cannot read a cpio archive: a header is none');
      }
      if (data.length < HEADER_BYTES) break;
      const sizeBytes = hex(data, 54);
      const nameBytes = hex(data, 94);
      if (!(nameBytes > 0 && nameBytes <= MAX_NAME_BYTES && sizeBytes >= 0)) {
        throw new VmferryError('HostileInput', 'cannot read a cpio archive: a name has an absurd length');
      }
      if (data.length < HEADER_BYTES + nameBytes) break;
      const name = data.toString('utf8', HEADER_BYTES, HEADER_BYTES + nameBytes - 1);
      advance(HEADER_BYTES + nameBytes);
      // Both the name with its header and the content end at a multiple of four.
      this.skipBytes = pad(HEADER_BYTES + nameBytes) + sizeBytes + pad(sizeBytes);
      this.ended = name === 'TRAILER!!!';
      if (!this.ended) this.onName(name);
    }
    this.held = Buffer.from(data);
    return chunk.length;
  }
}

function hex(data: Buffer, at: number): number {
  return parseInt(data.toString('latin1', at, at + 8), 16);
}

function pad(bytes: number): number {
  return (4 - (bytes % 4)) % 4;
}
