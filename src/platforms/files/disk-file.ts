import { VmferryError } from '../../errors.js';
import type { ForeignDisk } from './foreign.js';
import type { Folder, Member } from './member.js';
import { joined } from './random-access.js';

/**
 * The file that a disk's descriptor names, as it lies there: in one piece, or in parts of `ovf:chunkSize` bytes each but
 * the last, called `NAME.000000000` on (DSP0243 1.1, 7.1).
 */

/** 8 TiB in parts of 2 GiB, which is what tools cut. All are open at once. */
const MOST_PARTS = 4096;

/**
 * @throws VmferryError `NotFound` where it or a part of it is missing, `HostileInput` where the parts do not make the size
 * that the descriptor says, are more than it says, or are of other sizes than it says.
 */
export async function openDiskFile(files: Folder, disk: ForeignDisk, signal?: AbortSignal): Promise<Member> {
  const name = disk.reference ?? '';
  if (disk.chunkBytes !== null) return await openParts(files, name, disk.chunkBytes, disk.fileBytes, signal);
  const member = await files.open(name, signal);
  if (member) return member;
  throw missing(files, name);
}

/** What a manifest has to name for the disk's file. */
export async function filesOfDisk(files: Folder, disk: ForeignDisk, signal?: AbortSignal): Promise<string[]> {
  if (disk.reference === null) return [];
  if (disk.chunkBytes === null) return [disk.reference];
  const names: string[] = [];
  for (
    let name = partName(disk.reference, 0);
    names.length <= MOST_PARTS;
    name = partName(disk.reference, names.length)
  ) {
    const part = await files.open(name, signal);
    if (!part) break;
    await part.close();
    names.push(name);
  }
  return names.length > 0 ? names : [partName(disk.reference, 0)];
}

function partName(name: string, nth: number): string {
  return `${name}.${String(nth).padStart(9, '0')}`;
}

async function openParts(
  files: Folder,
  name: string,
  chunkBytes: number,
  fileBytes: number | null,
  signal?: AbortSignal,
): Promise<Member> {
  const wanted = fileBytes === null ? null : Math.max(1, Math.ceil(fileBytes / chunkBytes));
  if (wanted !== null && wanted > MOST_PARTS) throw refused(files, name, `it would have ${wanted} parts`);
  const parts: Member[] = [];
  try {
    for (;;) {
      const part = await files.open(partName(name, parts.length), signal);
      if (!part) break;
      parts.push(part);
      if (parts.length > (wanted ?? MOST_PARTS)) {
        throw refused(files, name, `there is a part ${partName(name, parts.length - 1)}, which is one too many`);
      }
    }
    if (parts.length < (wanted ?? 1)) throw missing(files, partName(name, parts.length));
    for (const [nth, { sizeBytes }] of parts.entries()) {
      const last = nth === parts.length - 1;
      const right = last && fileBytes !== null ? fileBytes - nth * chunkBytes : chunkBytes;
      const fits = last && fileBytes === null ? sizeBytes <= chunkBytes && sizeBytes > 0 : sizeBytes === right;
      if (!fits) {
        throw refused(files, name, `its part ${partName(name, nth)} has ${sizeBytes} bytes, and ${right} are expected`);
      }
    }
    return {
      ...joined(`${files.name}/${name}`, parts),
      location: null,
      stamp: parts.map(({ stamp }) => stamp).join('\n'),
      close: async () => {
        for (const part of parts) await part.close();
      },
    };
  } catch (error) {
    for (const part of parts) await part.close();
    throw error;
  }
}

function missing(files: Folder, name: string): VmferryError {
  return new VmferryError('NotFound', `cannot open ${files.name}/${name}: there is no such file`, {
    platform: 'files',
    remedy: 'Put the file there, or leave the disk behind with excludeDisks.',
  });
}

function refused(files: Folder, name: string, why: string): VmferryError {
  return new VmferryError('HostileInput', `cannot read ${files.name}/${name}: ${why}`, {
    platform: 'files',
    remedy: 'Its parts are not as the descriptor says (ovf:size, ovf:chunkSize): copy or export all of them again.',
  });
}
