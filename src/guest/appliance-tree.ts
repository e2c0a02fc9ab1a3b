import { posix } from 'node:path';
import type { Appliance } from './appliance.js';
import { textOf } from './text.js';
import type { GuestTree } from './tree.js';

/** More than any configuration file needs. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;
/** What is remembered; a guest made of large files is read again rather than held. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;
const MAX_LIST_BYTES = 4 * 1024 * 1024;

export type ReadableFiles = Pick<Appliance, 'fileBytes' | 'download' | 'maybe'>;

/**
 * The files of the guest that is mounted in an appliance, each read once as long as nobody writes. A file that is too
 * large for configuration reads as none.
 */
export function applianceTree(appliance: ReadableFiles): GuestTree {
  const texts = new Map<string, string | null>();
  const lists = new Map<string, string[]>();
  let heldBytes = 0;
  return {
    async read(given) {
      const path = posix.normalize(given);
      const known = texts.get(path);
      if (known !== undefined) return known;
      const sizeBytes = await appliance.fileBytes(path);
      const bytes = sizeBytes === null || sizeBytes > MAX_FILE_BYTES ? null : await content(appliance, path);
      const text = bytes === null ? null : textOf(bytes);
      if (heldBytes + (text?.length ?? 0) <= MAX_HELD_BYTES) {
        heldBytes += text?.length ?? 0;
        texts.set(path, text);
      }
      return text;
    },
    async list(given) {
      const dir = posix.normalize(given);
      const known = lists.get(dir);
      if (known) return known;
      const names = await namesIn(appliance, dir);
      if (lists.size < 10_000) lists.set(dir, names);
      return names;
    },
  };
}

/** Null also where the file system gives an error for it. */
async function content(appliance: ReadableFiles, path: string): Promise<Buffer | null> {
  return await appliance.download(path, MAX_FILE_BYTES).catch((error: unknown) => unreadable(error));
}

/** Names are given with a zero byte after each, so that a name may hold a line break. */
async function namesIn(appliance: ReadableFiles, dir: string): Promise<string[]> {
  if ((await appliance.maybe(['is-dir', dir, 'followsymlinks:true']))?.trim() !== 'true') return [];
  const listed = await appliance.maybe(['ls0', dir, '/dev/stdout'], { maxOutputBytes: MAX_LIST_BYTES });
  return (listed ?? '').split('\0').filter((name) => name !== '' && name !== '.' && name !== '..');
}

function unreadable(error: unknown): null {
  if (error instanceof Error && error.name === 'GuestUnreadable') return null;
  throw error;
}
