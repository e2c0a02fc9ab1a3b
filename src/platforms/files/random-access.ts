import { VmferryError } from '../../errors.js';

/** Bytes that lie somewhere and are read by offset: a file, a part of an archive, something behind HTTP. */
export interface RandomAccess {
  /** How it is called in messages: a path or an address without secrets. */
  readonly name: string;
  readonly sizeBytes: number;
  /**
   * The bytes from `offsetBytes` on, as many as asked for.
   * @throws VmferryError `HostileInput` where it ends before, `Unreachable`.
   */
  read(offsetBytes: number, lengthBytes: number, signal?: AbortSignal): Promise<Buffer>;
}

/** A stretch of something else, with offsets of its own. @throws VmferryError `HostileInput` where it does not fit. */
export function slice(of: RandomAccess, offsetBytes: number, sizeBytes: number, name: string): RandomAccess {
  if (!fits(of, offsetBytes, sizeBytes)) throw endsBefore(name, offsetBytes, sizeBytes, of.sizeBytes);
  return {
    name,
    sizeBytes,
    read: async (at, length, signal) => {
      if (at < 0 || length < 0 || at + length > sizeBytes) throw endsBefore(name, at, length, sizeBytes);
      return await of.read(offsetBytes + at, length, signal);
    },
  };
}

/** Parts of any sizes, one after the other. */
export function joined(name: string, parts: readonly RandomAccess[]): RandomAccess {
  const starts: number[] = [];
  let sizeBytes = 0;
  for (const part of parts) {
    starts.push(sizeBytes);
    sizeBytes += part.sizeBytes;
  }
  return {
    name,
    sizeBytes,
    read: async (at, length, signal) => {
      const end = at + length;
      if (at < 0 || length < 0 || end > sizeBytes) throw endsBefore(name, at, length, sizeBytes);
      const pieces: Buffer[] = [];
      for (let nth = starts.findLastIndex((start) => start <= at); at < end; nth++) {
        const part = parts[nth]!;
        const within = at - starts[nth]!;
        const bytes = Math.min(end - at, part.sizeBytes - within);
        pieces.push(await part.read(within, bytes, signal));
        at += bytes;
      }
      return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, length);
    },
  };
}

/** Bytes in memory. */
export function fromBuffer(bytes: Buffer, name: string): RandomAccess {
  const all: RandomAccess = {
    name,
    sizeBytes: bytes.length,
    read: (at, length) =>
      fits(all, at, length)
        ? Promise.resolve(bytes.subarray(at, at + length))
        : Promise.reject(endsBefore(name, at, length, bytes.length)),
  };
  return all;
}

function fits(of: RandomAccess, offsetBytes: number, lengthBytes: number): boolean {
  return offsetBytes >= 0 && lengthBytes >= 0 && offsetBytes + lengthBytes <= of.sizeBytes;
}

/** What is said of something that is cut off. */
export function endsBefore(name: string, at: number, length: number, sizeBytes: number): VmferryError {
  return new VmferryError(
    'HostileInput',
    `cannot read ${name}: it ends at byte ${sizeBytes}, but bytes ${at} to ${at + length} are needed`,
    { platform: 'files', remedy: 'It is damaged or not whole; export or copy it again.' },
  );
}
