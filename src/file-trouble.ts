import { access, constants, mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { VmferryError } from './errors.js';

/** What the operating system says of a file or a folder that a person named: errno(3), in words. */
const WORDS: Record<string, string> = {
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  EEXIST: 'there is a file of that name',
  EISDIR: 'it is a folder',
  ELOOP: 'its symbolic links lead in a circle',
  ENAMETOOLONG: 'the name is too long',
  ENOSPC: 'the disk is full',
  ENOTDIR: 'what should be a folder on the way there is a file',
  EROFS: 'the file system is read-only',
};

/** Why a file could not be read or written. @param missing what it means that there is none. */
export function whyFile(error: unknown, missing = 'there is no such file'): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return code === 'ENOENT' ? missing : (WORDS[code] ?? error.message);
}

/** The error for a file or folder that cannot be written. */
export function cannotWrite(path: string, cause: unknown, remedy: string): VmferryError {
  return new VmferryError('Denied', `cannot write ${path}: ${whyFile(cause, 'there is no such folder')}`, {
    remedy,
    cause,
  });
}

/** Writes `path` by `write`; what the operating system refuses is told as `cannotWrite` does. */
export async function explainingWrites<T>(path: string, remedy: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    throw cause instanceof Error && 'syscall' in cause ? cannotWrite(path, cause, remedy) : cause;
  }
}

/**
 * Looks, before any work, whether files can be written into a folder or the folder can be made. Nothing is made.
 * @throws VmferryError `Denied`.
 */
export async function checkFolder(folder: string, remedy: string): Promise<void> {
  const wanted = resolve(folder);
  for (let at = wanted; ; at = dirname(at)) {
    try {
      const found = await stat(at);
      if (!found.isDirectory())
        throw Object.assign(new Error(`${at} is no folder`), { code: at === wanted ? 'EEXIST' : 'ENOTDIR' });
      return await access(at, constants.W_OK | constants.X_OK);
    } catch (cause) {
      const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
      if (!missing || at === dirname(at)) throw cannotWrite(wanted, cause, remedy);
    }
  }
}

/**
 * Makes a folder and those above it that are missing. Node 20's own `recursive` never ends where a folder that is there
 * answers that it is not, as those of /proc do.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null;
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await mkdir(path);
  }
}
