import { constants } from 'node:fs';
import { open, readFile, type FileHandle } from 'node:fs/promises';
import { VmferryError, type ErrorCode } from '../../errors.js';
import { endsBefore, type RandomAccess } from './random-access.js';

export interface OpenOptions {
  /** Whether a block device will do as well; false by default. */
  blockDevice?: boolean;
}

const CODES: Record<string, ErrorCode> = { ENOENT: 'NotFound', ENOTDIR: 'NotFound', EACCES: 'Denied', EPERM: 'Denied' };

/**
 * A local file, for reading. Its last component must not be a symbolic link, which could lead anywhere; that the
 * folder is the right one is the caller's part.
 * @throws VmferryError `NotFound`, `Denied`, `HostileInput` for what is no regular file.
 */
export async function openFile(
  path: string,
  options: OpenOptions = {},
): Promise<RandomAccess & { close(): Promise<void> }> {
  let file: FileHandle;
  try {
    // Without O_NONBLOCK, opening a pipe waits for someone to write into it.
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    throw refused(path, cause);
  }
  try {
    const sizeBytes = await sizeOf(file, path, options.blockDevice ?? false);
    return {
      name: path,
      sizeBytes,
      read: async (at, length, signal) => {
        signal?.throwIfAborted();
        if (at < 0 || length < 0 || at + length > sizeBytes) throw endsBefore(path, at, length, sizeBytes);
        return await readAll(file, path, at, length);
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readAll(file: FileHandle, path: string, at: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, at + done).catch((cause: unknown) => {
      throw refused(path, cause);
    });
    // It became shorter since it was opened.
    if (bytesRead === 0) throw endsBefore(path, at, length, at + done);
    done += bytesRead;
  }
  return bytes;
}

async function sizeOf(file: FileHandle, path: string, blockDevice: boolean): Promise<number> {
  const stat = await file.stat();
  if (stat.isFile()) return stat.size;
  if (!stat.isBlockDevice() || !blockDevice) throw notAFile(path);
  // A device has no size of its own; the kernel tells it in sectors of 512 bytes (Linux, Documentation/block/stat.rst).
  const major = (stat.rdev >> 8) & 0xfff;
  const minor = (stat.rdev & 0xff) | ((stat.rdev >> 12) & 0xfff00);
  try {
    return Number(await readFile(`/sys/dev/block/${major}:${minor}/size`, 'utf8')) * 512;
  } catch (cause) {
    throw refused(path, cause);
  }
}

function refused(path: string, cause: unknown): VmferryError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  // ELOOP is what O_NOFOLLOW gives; ENXIO comes from a socket.
  if (code === 'ELOOP' || code === 'ENXIO') return notAFile(path);
  const why = cause instanceof Error ? cause.message : String(cause);
  return new VmferryError(CODES[code] ?? 'Unreachable', `cannot read ${path}: ${why}`, { platform: 'files', cause });
}

function notAFile(path: string): VmferryError {
  return new VmferryError('HostileInput', `cannot read ${path}: it is no regular file but a link, folder or device`, {
    platform: 'files',
    remedy: 'Name the file itself.',
  });
}
