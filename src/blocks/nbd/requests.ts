import type { VmferryError } from '../../errors.js';
import { Command, REQUEST_MAGIC, violation } from './protocol.js';

const NAMES: Record<number, string> = {
  [Command.READ]: 'read',
  [Command.WRITE]: 'write',
  [Command.FLUSH]: 'flush',
  [Command.TRIM]: 'discard',
  [Command.WRITE_ZEROES]: 'zero',
  [Command.BLOCK_STATUS]: 'get the extents of',
};

/** One request on the wire. */
export interface RequestParts {
  command: number;
  offsetBytes: number;
  lengthBytes: number;
  /** What to write. */
  payload?: Buffer;
  /** Where read bytes land. */
  into?: Buffer;
}

/** A request in flight, and what of its answer has arrived. */
export class PendingRequest {
  readonly parts: RequestParts;
  /** Block status: context id -> descriptors as sent. */
  readonly status = new Map<number, Buffer>();
  readonly sentMs = performance.now();
  error: VmferryError | null = null;
  /** Its caller has gone; the answer is awaited and thrown away. */
  abandoned = false;
  readonly settle: (error: VmferryError | null) => void;
  /** Read ranges that were answered, by start; neighbours are joined. */
  #covered: { start: number; end: number }[] = [];

  constructor(parts: RequestParts, settle: (error: VmferryError | null) => void) {
    this.parts = parts;
    this.settle = settle;
  }

  /** Takes note that a part of a read was answered. Ranges outside the request, or answered twice, break the protocol. */
  cover(peer: string, offsetBytes: number, lengthBytes: number): void {
    const start = offsetBytes - this.parts.offsetBytes;
    const end = start + lengthBytes;
    if (lengthBytes <= 0 || start < 0 || end > this.parts.lengthBytes) {
      throw violation(peer, `it sent ${lengthBytes} bytes at ${offsetBytes}, which were not asked for`);
    }
    const last = this.#covered.at(-1);
    if (last?.end === start) last.end = end;
    else this.#covered.push({ start, end });
    if (this.#covered.length === 1) return;
    if (this.#covered.length > 64) {
      this.#covered.sort((a, b) => a.start - b.start);
      this.#covered = joined(this.#covered);
      if (this.#covered.length > 32) throw violation(peer, 'a read answered in too many scattered pieces');
    }
    const overlaps = this.#covered.some((range, i) =>
      this.#covered.some((other, j) => j > i && range.start < other.end && other.start < range.end),
    );
    if (overlaps) throw violation(peer, 'it sent the same bytes twice');
  }

  get wholeCovered(): boolean {
    return this.#covered.reduce((sum, { start, end }) => sum + end - start, 0) === this.parts.lengthBytes;
  }
}

function joined(sorted: { start: number; end: number }[]): { start: number; end: number }[] {
  const ranges: { start: number; end: number }[] = [];
  for (const range of sorted) {
    const last = ranges.at(-1);
    if (last?.end === range.start) last.end = range.end;
    else ranges.push(range);
  }
  return ranges;
}

/** `cannot read 512 bytes at 0 of …`. */
export function describeRequest(peer: string, { command, offsetBytes, lengthBytes }: RequestParts): string {
  const name = NAMES[command] ?? 'ask';
  return command === Command.FLUSH
    ? `cannot flush ${peer}`
    : `cannot ${name} ${lengthBytes} bytes at ${offsetBytes} of ${peer}`;
}

/** The header of a request (specification, "Request message"). */
export function encodeRequest({ command, offsetBytes, lengthBytes }: RequestParts, cookie: number): Buffer {
  const header = Buffer.allocUnsafe(28);
  header.writeUInt32BE(REQUEST_MAGIC, 0);
  header.writeUInt16BE(0, 4);
  header.writeUInt16BE(command, 6);
  header.writeBigUInt64BE(BigInt(cookie), 8);
  header.writeBigUInt64BE(BigInt(offsetBytes), 16);
  header.writeUInt32BE(lengthBytes, 24);
  return header;
}
