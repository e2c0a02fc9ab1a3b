import { constants } from 'node:fs';
import { mkdir, open, rm, statfs } from 'node:fs/promises';
import { VmferryError } from '../../errors.js';
import { unpack } from './compression.js';
import type { Compression } from './foreign.js';
import { MAX_DISK_BYTES } from './image-header.js';
import type { Member } from './member.js';
import { openFile } from './local-file.js';
import { ownPath, removeLeft } from './own-files.js';

/** Where what cannot be read in place is unpacked to. */
export interface Scratch {
  /** Absolute directory. */
  dir: string;
  /** Left free there, whatever is unpacked. */
  reserveBytes: number;
}

/**
 * What comes out of a compressed file, as a file of its own in the scratch directory; closing it removes it. Never more
 * comes out than there is room for.
 * @throws VmferryError `NoSpace`, `HostileInput` (damaged).
 */
export async function unpackedMember(
  packed: Member,
  how: Compression,
  scratch: Scratch,
  signal?: AbortSignal,
): Promise<Member> {
  const path = await ownPath(scratch.dir);
  try {
    await mkdir(scratch.dir, { recursive: true });
    await removeLeft(scratch.dir);
    await unpackInto(path, packed, how, scratch, signal);
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await packed.close();
  }
  const opened = await openFile(path);
  return {
    ...opened,
    name: packed.name,
    location: { kind: 'file', path },
    stamp: packed.stamp,
    close: async () => {
      await opened.close();
      await rm(path, { force: true });
    },
  };
}

async function unpackInto(
  path: string,
  packed: Member,
  how: Compression,
  scratch: Scratch,
  signal?: AbortSignal,
): Promise<void> {
  const file = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
  const reserveBytes = async () => {
    const { bavail, bsize } = await statfs(scratch.dir);
    if (bavail * bsize > scratch.reserveBytes) return;
    throw new VmferryError('NoSpace', `cannot unpack ${packed.name}: no more room is left in ${scratch.dir}`, {
      platform: 'files',
      remedy: `Make room in ${scratch.dir}, or give the site another scratchDir.`,
    });
  };
  try {
    await unpack(packed, how, file, { maxBytes: MAX_DISK_BYTES, reserveBytes }, signal ? { signal } : {});
  } finally {
    await file.close();
  }
}
