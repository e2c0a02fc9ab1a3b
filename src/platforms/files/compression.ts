import type { FileHandle } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { VmferryError } from '../../errors.js';
import { streamLocal } from '../../exec/stream.js';
import type { Compression } from './foreign.js';
import { memberStream } from './member-stream.js';
import { slice, type RandomAccess } from './random-access.js';
import { SparseWriter } from './sparse-writer.js';

/** Files that are compressed as a whole, beside what an image format does by itself. */

/**
 * How each begins: RFC 1952, 2.3.1; bzip2(1) with the magic of its first block, or of its end where it is empty; the
 * .xz file format, 2.1.1.1; RFC 8878, 3.1.1.
 */
const BEGINNINGS: readonly [Compression, RegExp][] = [
  ['gzip', /^\x1f\x8b\x08/],
  ['bzip2', /^BZh[1-9](?:1AY&SY|\x17rE8P\x90)/],
  ['xz', /^\xfd7zXZ\0/],
  ['zstd', /^\x28\xb5\x2f\xfd/],
];
const BEGINNING_BYTES = 10;

const ENDINGS: readonly [Compression, RegExp][] = [
  ['gzip', /\.t?gz$/i],
  ['bzip2', /\.t?bz2$/i],
  ['xz', /\.t?xz$/i],
  ['zstd', /\.zst$/i],
];

/** Filters from standard input to standard output, with one thread, and bounds for the memory that a header asks for. */
const TOOLS: Record<Exclude<Compression, 'gzip'>, readonly [string, ...string[]]> = {
  bzip2: ['bzip2', '--decompress', '--stdout'],
  // `xz -9` needs 65 MiB to read.
  xz: ['xz', '--decompress', '--stdout', '--format=xz', '--threads=1', '--memlimit-decompress=256MiB'],
  zstd: ['zstd', '--decompress', '--stdout', '--quiet', '--memory=128MiB'],
};

/** bzip2(1), xz(1) and zstd(1): what they end with when they cannot read what they were given. */
const DAMAGED_EXIT_CODES = [1, 2];
const MORE_BEHIND = 'something else follows what is compressed';

const RESERVE_EVERY_BYTES = 64 * 1024 * 1024;
const GUNZIP_CHUNK_BYTES = 256 * 1024;

/** How something is compressed by its first bytes; null where it is not, or in a way that is not read. */
export async function compressionOf(image: RandomAccess, signal?: AbortSignal): Promise<Compression | null> {
  const begins = await image.read(0, Math.min(BEGINNING_BYTES, image.sizeBytes), signal);
  const text = begins.toString('latin1');
  return BEGINNINGS.find(([, pattern]) => pattern.test(text))?.[0] ?? null;
}

/** How a disk's file is compressed by its name, where its descriptor does not say. In a `.tgz` is no disk but an archive. */
export function compressionOfDisk(name: string): Compression | null {
  return /\.t[a-z0-9]+$/i.test(name) ? null : compressionOfName(name);
}

/** How a file is compressed by its name. */
export function compressionOfName(name: string): Compression | null {
  return ENDINGS.find(([, pattern]) => pattern.test(name))?.[0] ?? null;
}

export interface UnpackLimits {
  /** More than this must not come out. */
  maxBytes: number;
  /** What a person can do about that, as a sentence. */
  remedy?: string;
  /** Called before the first byte and after every 64 MiB that came out; throws where there is no room left. */
  reserveBytes?: (unpackedBytes: number) => Promise<void>;
}

export interface UnpackOptions {
  signal?: AbortSignal;
  /** Compressed bytes read so far, of `from.sizeBytes`. */
  onProgress?: (readBytes: number) => void;
}

/**
 * Writes what `from` holds into a file, from its beginning, with holes where there are zeroes; what was in the file is
 * lost. Needs some MiB of memory, however much there is, and the programs `bzip2`, `xz` and `zstd` for these.
 * @returns how many bytes came out.
 * @throws VmferryError `HostileInput` (not compressed so, damaged, cut off, or more than allowed comes out), `NoSpace`,
 * `ToolFailed`, what `from` and `reserveBytes` throw; and the signal's reason, when no program runs any more.
 */
export async function unpack(
  from: RandomAccess,
  how: Compression,
  into: FileHandle,
  limits: UnpackLimits,
  options: UnpackOptions = {},
): Promise<number> {
  const { signal, onProgress } = options;
  const writer = new SparseWriter(into);
  let reservedBytes = 0;
  const take = async (chunk: Buffer) => {
    if (writer.sizeBytes + chunk.length > limits.maxBytes) {
      const why = `more than the ${limits.maxBytes} bytes that are allowed come out`;
      throw hostile(from, why, undefined, limits.remedy);
    }
    if (writer.sizeBytes >= reservedBytes) {
      await limits.reserveBytes?.(writer.sizeBytes);
      reservedBytes = writer.sizeBytes + RESERVE_EVERY_BYTES;
    }
    await writer.write(chunk);
  };
  const input = async function* () {
    let readBytes = 0;
    for await (const chunk of memberStream(from, signal)) {
      readBytes += chunk.length;
      onProgress?.(readBytes);
      yield chunk;
    }
  };
  try {
    await into.truncate(0);
    await unpackTo(take, from, how, input(), signal);
    await writer.end();
    return writer.sizeBytes;
  } catch (error) {
    signal?.throwIfAborted();
    throw full(error) ? noSpace(from, error) : error;
  }
}

/** What comes out first: so much, or a little more; all where it is less. @throws as `unpack`, of what was read until then. */
export async function unpackedStart(
  from: RandomAccess,
  how: Compression,
  wantedBytes: number,
  signal?: AbortSignal,
): Promise<Buffer> {
  const parts: Buffer[] = [];
  const enough = new Error('enough came out');
  let bytes = 0;
  const take = (chunk: Buffer) => {
    parts.push(chunk);
    bytes += chunk.length;
    return bytes < wantedBytes ? Promise.resolve() : Promise.reject(enough);
  };
  try {
    await unpackTo(take, from, how, memberStream(from, signal), signal);
  } catch (error) {
    signal?.throwIfAborted();
    if (error !== enough) throw error;
  }
  return Buffer.concat(parts);
}

type Take = (chunk: Buffer) => Promise<void>;

async function unpackTo(
  take: Take,
  from: RandomAccess,
  how: Compression,
  input: AsyncIterable<Buffer>,
  signal: AbortSignal | undefined,
): Promise<void> {
  if ((await compressionOf(from, signal)) !== how) throw hostile(from, `it does not begin as ${how} does`);
  await (how === 'gzip' ? gunzip(from, input, take, signal) : runTool(how, from, input, take, signal));
}

/** All members of a gzip file, one after the other (RFC 1952, 2.2). */
async function gunzip(
  from: RandomAccess,
  input: AsyncIterable<Buffer>,
  take: Take,
  signal: AbortSignal | undefined,
): Promise<void> {
  const engine = createGunzip({ chunkSize: GUNZIP_CHUNK_BYTES });
  const feed = async function* () {
    let fedBytes = 0;
    for await (const chunk of input) {
      yield chunk;
      fedBytes += chunk.length;
      // It has ended within this piece (or this is the last, and small): what a next one holds must not come out of it.
      if (engine.bytesWritten < fedBytes) return;
    }
  };
  let taking = Promise.resolve();
  const write = (chunk: Buffer, _encoding: string, done: (error?: Error) => void) => {
    taking = take(chunk);
    taking.then(() => done(), done);
  };
  try {
    await pipeline(feed, engine, new Writable({ write }), { ...(signal ? { signal } : {}) });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (error instanceof Error && code.startsWith('Z_')) throw hostile(from, error.message, error);
    throw error;
  } finally {
    // A pipeline that is cancelled does not wait for what is being written.
    await taking.catch(() => undefined);
  }
  // The engine ends at the first member that is none: zeroes fill up a tape, anything else would be lost.
  const rest = slice(from, engine.bytesWritten, from.sizeBytes - engine.bytesWritten, from.name);
  for await (const chunk of memberStream(rest, signal)) {
    if (chunk.some((byte) => byte !== 0)) throw hostile(from, MORE_BEHIND);
  }
}

async function runTool(
  how: Exclude<Compression, 'gzip'>,
  from: RandomAccess,
  input: AsyncIterable<Buffer>,
  take: Take,
  signal: AbortSignal | undefined,
): Promise<void> {
  const [tool, ...args] = TOOLS[how];
  const options = { signal, okExitCodes: [0, ...DAMAGED_EXIT_CODES] };
  const { exitCode, stderr } = await streamLocal(tool, args, input, take, options);
  if (exitCode !== 0) throw hostile(from, stderr || `${tool} ended with status ${exitCode}`);
  // bzip2 ends well all the same; the others do not.
  if (/trailing garbage/.test(stderr)) throw hostile(from, MORE_BEHIND);
}

function full(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}

function noSpace(from: RandomAccess, cause: unknown): VmferryError {
  return new VmferryError('NoSpace', `cannot unpack ${from.name}: no space is left where it is unpacked to`, {
    platform: 'files',
    remedy: 'Make room there, then resume.',
    cause,
  });
}

const DAMAGED = 'It is damaged, not whole, or not what it is said to be; export or copy it again.';

function hostile(from: RandomAccess, why: string, cause?: unknown, remedy: string = DAMAGED): VmferryError {
  return new VmferryError('HostileInput', `cannot unpack ${from.name}: ${why}`, {
    platform: 'files',
    remedy,
    ...(cause === undefined ? {} : { cause }),
  });
}
