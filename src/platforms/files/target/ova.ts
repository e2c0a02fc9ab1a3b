import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { BLOCK_BYTES } from '../tar-header.js';

/**
 * An OVA: a tar archive in the form "ustar" (POSIX.1-2017, pax) with the descriptor first, then the manifest, then the
 * files in the order of the descriptor's references (DSP0243 1.1, 5.3). A file of 8 GiB or more has its size in the
 * binary form of GNU tar, which VMware and VirtualBox write and read themselves.
 */

const CHUNK_BYTES = 1024 * 1024;
/** The largest that 11 octal digits hold. */
const MOST_OCTAL = 8 ** 11 - 1;

export interface Wait {
  onBytes(bytes: number): void;
  signal?: AbortSignal | undefined;
}

/** Writes files of `folder` into an archive, in that order. It is durable when this returns. */
export async function writeArchive(path: string, folder: string, names: readonly string[], wait: Wait): Promise<void> {
  const archive = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o644);
  try {
    for (const name of names) {
      const { size } = await stat(join(folder, name));
      await write(archive, tarHeader(name, size));
      let copied = 0;
      for await (const chunk of chunksOf(join(folder, name), wait.signal)) {
        await write(archive, chunk);
        copied += chunk.length;
        wait.onBytes(chunk.length);
      }
      if (copied !== size) throw new Error(`${name} changed while it was read`);
      await write(archive, Buffer.alloc(-size & (BLOCK_BYTES - 1)));
    }
    // Two blocks of zeroes end it.
    await write(archive, Buffer.alloc(2 * BLOCK_BYTES));
    await archive.sync();
  } finally {
    await archive.close();
  }
}

/** SHA-256 of a file, in hexadecimal. */
export async function digestFile(path: string, wait: Wait): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of chunksOf(path, wait.signal)) {
    hash.update(chunk);
    wait.onBytes(chunk.length);
  }
  return hash.digest('hex');
}

function chunksOf(path: string, signal?: AbortSignal): AsyncIterable<Buffer> {
  return createReadStream(path, { highWaterMark: CHUNK_BYTES, ...(signal ? { signal } : {}) });
}

async function write(archive: FileHandle, bytes: Buffer): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await archive.write(bytes, done, bytes.length - done)).bytesWritten;
  }
}

/** A member's header. Names of a package are ASCII and of 100 bytes at most (`fileStem`). */
export function tarHeader(name: string, sizeBytes: number): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`;
  if (Buffer.byteLength(name) > 100) throw new Error(`the name ${name} is too long for a tar archive`);
  header.write(name, 0, 100, 'utf8');
  header.write(octal(0o644, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  if (sizeBytes > MOST_OCTAL) {
    header.writeBigUInt64BE(BigInt(sizeBytes), 128);
    header[124] = 0x80;
  } else {
    header.write(octal(sizeBytes, 11), 124);
  }
  // The same bytes for the same content, whenever it is written.
  header.write(octal(0, 11), 136);
  header.fill(0x20, 148, 156);
  header.write('0', 156);
  header.write('ustar\x0000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}
