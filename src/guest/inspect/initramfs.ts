import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { VmferryError } from '../../errors.js';
import { streamLocal } from '../../exec/stream.js';
import { DRIVERS } from '../../model/drivers.js';
import type { Appliance } from '../appliance.js';
import { CpioNames } from './cpio-names.js';
import { moduleName } from './kernels.js';

/** More than an initramfs has; generic ones of today take some 100 MiB, unpacked some 400. */
const MAX_PACKED_BYTES = 512 * 1024 * 1024;
const MAX_UNPACKED_BYTES = 2 * 1024 * 1024 * 1024;
/** Of millions of names, those that nobody asks for are not kept. */
const WANTED = new Set<string>(DRIVERS);

/** How the main archive begins (Linux, lib/decompress.c), and what unpacks it. */
const TOOLS: readonly [Buffer, readonly [string, ...string[]]][] = [
  [Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), ['zstd', '--decompress', '--stdout', '--quiet', '--memory=128MiB']],
  [Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a]), ['xz', '--decompress', '--stdout', '--threads=1', '--memlimit=256MiB']],
  [Buffer.from('BZh'), ['bzip2', '--decompress', '--stdout']],
  // The frame of its early days, which Ubuntu's initramfs-tools took by default until 21.04.
  [Buffer.from([0x02, 0x21, 0x4c, 0x18]), ['lz4', '--decompress', '--stdout', '--quiet']],
  [Buffer.from([0x5d, 0x00, 0x00]), ['xz', '--format=lzma', '--decompress', '--stdout', '--memlimit=256MiB']],
  [Buffer.from([0x89, 0x4c, 0x5a, 0x4f]), ['lzop', '--decompress', '--stdout', '--quiet']],
];

/**
 * Which of `DRIVERS` an initramfs has as modules, read out of the guest without running anything of it.
 * @returns why not, where it cannot be read.
 */
export async function initramfsNames(
  appliance: Appliance,
  path: string,
  signal?: AbortSignal,
): Promise<Set<string> | string> {
  const sizeBytes = await appliance.fileBytes(path);
  if (sizeBytes === null) return 'it is no file';
  if (sizeBytes > MAX_PACKED_BYTES) return `it has ${sizeBytes} bytes`;
  const names = new Set<string>();
  const take = (path: string) => {
    const name = moduleName(path);
    if (WANTED.has(name) && /\.ko(\.\w+)?$/.test(path)) names.add(name);
  };
  const archive = () => new CpioNames(take);
  try {
    const plain = archive();
    const start = await skipPlain(appliance, path, sizeBytes, plain);
    if (start === sizeBytes) return plain.ended ? names : 'it was cut off';
    const head = await appliance.piece(path, start, 8);
    const pieces = piecesOf(appliance, path, start, sizeBytes);
    const main = archive();
    let unpackedBytes = 0;
    const takeBytes = (chunk: Buffer): Promise<void> => {
      unpackedBytes += chunk.length;
      if (unpackedBytes > MAX_UNPACKED_BYTES)
        throw new VmferryError('HostileInput', 'cannot go on: it unpacks to too much');
      main.take(chunk);
      return Promise.resolve();
    };
    if (head.readUInt16BE(0) === 0x1f8b) {
      for await (const chunk of gunzipped(pieces)) await takeBytes(chunk);
    } else {
      const tool = TOOLS.find(([magic]) => head.subarray(0, magic.length).equals(magic))?.[1];
      if (!tool) return 'it is compressed in a way that is not read here';
      await streamLocal(tool[0], tool.slice(1), pieces, takeBytes, { signal });
    }
    return main.ended ? names : 'it was cut off';
  } catch (error) {
    if (error instanceof VmferryError && ['Cancelled', 'Timeout', 'Unreachable'].includes(error.code)) throw error;
    return error instanceof Error ? error.message : String(error);
  }
}

/** Archives that are not compressed come first (microcode, and Debian's kernel modules); returns where they end. */
async function skipPlain(appliance: Appliance, path: string, sizeBytes: number, names: CpioNames): Promise<number> {
  let at = 0;
  while (at < sizeBytes && !names.over) {
    const piece = await appliance.piece(path, at, sizeBytes - at);
    if (piece.length === 0) break;
    const used = names.take(piece);
    at += used;
    if (used < piece.length) break;
  }
  return at;
}

async function* piecesOf(appliance: Appliance, path: string, from: number, to: number): AsyncGenerator<Buffer> {
  for (let at = from; at < to;) {
    const piece = await appliance.piece(path, at, to - at);
    if (piece.length === 0) return;
    yield piece;
    at += piece.length;
  }
}

async function* gunzipped(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const engine = createGunzip();
  const feeding = pipeline(pieces, engine);
  // Its error also ends the loop below.
  feeding.catch(() => undefined);
  for await (const chunk of engine) yield chunk as Buffer;
  await feeding;
}
