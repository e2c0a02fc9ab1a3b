import type { Extent } from '../block-device.js';
import { violation } from './protocol.js';

/** Which bit or value of a context's descriptors counts. */
export interface StatusContext {
  id: number;
  /** Makes of a descriptor's flags whether it holds: reads as zeroes, is changed. */
  holds(flags: number): boolean;
}

/** Descriptors of one context, walked from the front: pairs of 32-bit length and flags, as sent. */
class Descriptors {
  #at = 0;
  readonly #bytes: Buffer;
  readonly #context: StatusContext;
  readonly #peer: string;
  left = 0;
  holds = false;

  constructor(bytes: Buffer, context: StatusContext, peer: string) {
    this.#bytes = bytes;
    this.#context = context;
    this.#peer = peer;
  }

  /** Goes on to the next descriptor when this one is used up; false at the end. */
  ready(): boolean {
    if (this.left > 0) return true;
    if (this.#at >= this.#bytes.length) return false;
    this.left = this.#bytes.readUInt32BE(this.#at);
    this.holds = this.#context.holds(this.#bytes.readUInt32BE(this.#at + 4));
    this.#at += 8;
    if (this.left === 0) throw violation(this.#peer, 'an extent without a length');
    return true;
  }
}

/**
 * The extents that one answer to a block status request tells of: as far as all contexts reach, at most `lengthBytes`,
 * neighbours of one kind joined.
 */
export function* mergeStatus(
  peer: string,
  status: ReadonlyMap<number, Buffer>,
  zero: StatusContext | null,
  changed: StatusContext | null,
  offsetBytes: number,
  lengthBytes: number,
): Generator<Extent> {
  const open = (context: StatusContext | null): Descriptors | null => {
    if (!context) return null;
    const bytes = status.get(context.id);
    if (!bytes) throw violation(peer, 'it left out a meta context');
    return new Descriptors(bytes, context, peer);
  };
  const [zeroes, changes] = [open(zero), open(changed)];
  const all = [zeroes, changes].filter((one) => one !== null);
  let at = offsetBytes;
  const end = offsetBytes + lengthBytes;
  let extent: Extent | null = null;
  while (at < end && all.every((one) => one.ready())) {
    const bytes = Math.min(end - at, ...all.map(({ left }) => left));
    const kind = zeroes?.holds ? 'zero' : 'data';
    if (extent && extent.kind === kind && extent.changed === changes?.holds) extent.lengthBytes += bytes;
    else {
      if (extent) yield extent;
      extent = { offsetBytes: at, lengthBytes: bytes, kind, ...(changes ? { changed: changes.holds } : {}) };
    }
    for (const one of all) one.left -= bytes;
    at += bytes;
  }
  if (extent) yield extent;
}
