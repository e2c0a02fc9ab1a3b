import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { crc32c } from '../../../src/platforms/files/image-crc32c.js';
import { checksum } from '../../../src/platforms/files/image-vhd.js';
import { fromBuffer, type RandomAccess } from '../../../src/platforms/files/random-access.js';

/** Real images made by `qemu-img`, and ways of changing them so that only what was meant is wrong with them. */

const run = promisify(execFile);

export const MIB = 2 ** 20;

/** Runs a test with a folder of its own. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-image-'));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** `qemu-img` with these arguments, in that folder. */
export async function qemuImg(folder: string, ...args: string[]): Promise<string> {
  return (await run('qemu-img', args, { cwd: folder })).stdout;
}

/** The size that QEMU shows. */
export async function sizeByQemu(folder: string, format: string, name: string): Promise<number> {
  const shown: unknown = JSON.parse(await qemuImg(folder, 'info', '--output=json', '-f', format, name));
  return z.object({ 'virtual-size': z.number() }).parse(shown)['virtual-size'];
}

export interface Counting extends RandomAccess {
  readBytes: number;
  reads: number;
}

/** Counts what is read of it. */
export function counting(of: RandomAccess): Counting {
  const all: Counting = {
    ...{ name: of.name, sizeBytes: of.sizeBytes, readBytes: 0, reads: 0 },
    read: async (at, length, signal) => {
      all.readBytes += length;
      all.reads += 1;
      return await of.read(at, length, signal);
    },
  };
  return all;
}

export function inMemory(bytes: Buffer, name = 'disk'): Counting {
  return counting(fromBuffer(bytes, name));
}

/** A copy of an image, changed in place. */
export function changed(bytes: Buffer, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(bytes);
  change(copy);
  return copy;
}

/** Makes the checksum of a VHD's footer right again. */
export function sealVhd(footer: Buffer): void {
  footer.writeUInt32BE(checksum(footer.subarray(0, 512), 64), 64);
}

/** Makes the checksum of a VHD's dynamic header right again. */
export function sealVhdHeader(header: Buffer): void {
  header.writeUInt32BE(checksum(header.subarray(0, 1024), 36), 36);
}

/** Makes the checksums of a VHDX's headers and its table of regions right again. */
export function sealVhdx(bytes: Buffer): void {
  for (const [at, length] of [
    [65536, 4096],
    [131072, 4096],
    [196608, 65536],
  ] as const) {
    if (bytes.length < at + length) return;
    bytes.writeUInt32LE(0, at + 4);
    bytes.writeUInt32LE(crc32c(bytes.subarray(at, at + length)), at + 4);
  }
}

/**
 * A stream-optimized VMDK as VMware writes it, with its directory named by a footer, from one by QEMU, which writes
 * none.
 */
export function withFooter(image: Buffer): Buffer {
  const start = changed(image, (copy) => copy.writeBigUInt64LE(2n ** 64n - 1n, 56));
  const padding = Buffer.alloc((512 - (image.length % 512)) % 512);
  const marker = changed(Buffer.alloc(512), (sector) => sector.writeUInt32LE(3, 12));
  return Buffer.concat([start, padding, marker, image.subarray(0, 512), Buffer.alloc(512)]);
}
