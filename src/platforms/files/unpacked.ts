import { mkdir, open, rm, statfs, writeFile } from 'node:fs/promises';
import { VmferryError } from '../../errors.js';
import { formatBytes } from '../../model/format.js';
import { unpack } from './compression.js';
import type { Compression } from './foreign.js';
import { MAX_DISK_BYTES } from './image-header.js';
import type { Member } from './member.js';
import { memberStream } from './member-stream.js';
import { openFile } from './local-file.js';
import { telling } from './telling.js';
import { ownPath, removeLeft } from './own-files.js';

/** Where what cannot be read in place is unpacked to. */
export interface Scratch {
  /** Absolute directory. */
  dir: string;
  /** Left free there, whatever is unpacked. */
  reserveBytes: number;
  /** The most that may come out of one file; where it is not given, what is declared decides, or the packed size. */
  limitBytes?: number;
  /** Is told in a line what takes long. */
  tell?: (line: string) => void;
}

/** Images hold tables beside the disk, and may hold snapshots. */
const TIMES_DECLARED = 2;
const BESIDE_BYTES = 64 * 2 ** 20;
/** Of a disk that is all zeroes a thousandth is left by gzip. Where so little is packed that it says nothing, this much may come. */
const TIMES_PACKED = 1000;
const ALWAYS_BYTES = 32 * 2 ** 30;

/**
 * The most that may come out of a file, so that a small one does not keep a worker busy for hours.
 * @param declaredBytes size of the disk that the descriptor says, 0 where none is said.
 */
export function mostUnpacked({ limitBytes }: Scratch, packedBytes: number, declaredBytes: number): number {
  if (limitBytes !== undefined) return limitBytes;
  const most =
    declaredBytes > 0
      ? TIMES_DECLARED * declaredBytes + BESIDE_BYTES
      : Math.max(ALWAYS_BYTES, TIMES_PACKED * packedBytes);
  return Math.min(most, MAX_DISK_BYTES);
}

/** A local file of our own. */
export interface Copy {
  path: string;
  remove(): Promise<void>;
}

/**
 * What comes out of a compressed file, as a file of its own in the scratch directory; closing it removes it. Never more
 * comes out than there is room for, nor than fits what is declared.
 * @param declaredBytes size of the disk that the descriptor says, 0 where none is said.
 * @throws VmferryError `NoSpace`, `HostileInput` (damaged).
 */
export async function unpackedMember(
  packed: Member,
  how: Compression,
  scratch: Scratch,
  declaredBytes: number,
  signal?: AbortSignal,
): Promise<Member> {
  const path = await ownPath(scratch.dir);
  try {
    await mkdir(scratch.dir, { recursive: true });
    await removeLeft(scratch.dir);
    await unpackInto(path, packed, how, scratch, mostUnpacked(scratch, packed.sizeBytes, declaredBytes), signal);
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
    location: { path, offsetBytes: 0, sizeBytes: null },
    stamp: packed.stamp,
    close: async () => {
      await opened.close();
      await rm(path, { force: true });
    },
  };
}

/**
 * A copy of a file that no tool could be sent to, such as one in an archive; closing it removes it.
 * @throws VmferryError `NoSpace`, before anything is copied.
 */
export async function copiedMember(member: Member, scratch: Scratch, signal?: AbortSignal): Promise<Copy> {
  const path = await ownPath(scratch.dir);
  const remove = () => rm(path, { force: true });
  try {
    await mkdir(scratch.dir, { recursive: true });
    await removeLeft(scratch.dir);
    await assertRoom(scratch, member.sizeBytes, `copy ${member.name}`);
    await writeFile(path, memberStream(member, signal), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    await remove();
    throw error;
  }
  return { path, remove };
}

async function unpackInto(
  path: string,
  packed: Member,
  how: Compression,
  scratch: Scratch,
  maxBytes: number,
  signal?: AbortSignal,
): Promise<void> {
  const file = await open(path, 'wx+', 0o600);
  const tell = telling(scratch.tell);
  const reserveBytes = async (unpackedBytes: number) => {
    tell(() => `Unpacking ${packed.name} into ${scratch.dir}: ${formatBytes(unpackedBytes)} so far.`);
    await assertRoom(scratch, 0, `unpack ${packed.name}`);
  };
  const remedy =
    'If it is to be that large: raise unpackLimit of the site in vmferry.yaml, or unpack it yourself and use what comes out.';
  try {
    await unpack(packed, how, file, { maxBytes, remedy, reserveBytes }, signal ? { signal } : {});
  } finally {
    await file.close();
  }
}

/** @param wantedBytes that are still to be written. @param what completes `cannot …`. */
async function assertRoom(scratch: Scratch, wantedBytes: number, what: string): Promise<void> {
  const { bavail, bsize } = await statfs(scratch.dir);
  if (bavail * bsize > scratch.reserveBytes + wantedBytes) return;
  throw new VmferryError('NoSpace', `cannot ${what}: no more room is left in ${scratch.dir}`, {
    platform: 'files',
    remedy: `Make room in ${scratch.dir}, or give the site another scratchDir.`,
  });
}
