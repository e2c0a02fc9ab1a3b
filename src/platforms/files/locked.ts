import { LocalHost } from '../../exec/local.js';
import { blocking, type Finding } from '../../model/finding.js';
import { openForWriting } from '../open-for-writing.js';
import { filesOfDisk } from './disk-file.js';
import type { Machine } from './machines.js';
import { safeName } from './member-name.js';

/** Images of this machine's file system that another program writes to just now, so that what is read of them is torn. */
export async function lockedFindings(
  { from, foreign }: Machine,
  disks: readonly string[],
  signal?: AbortSignal,
): Promise<Finding[]> {
  const images: { disk: string; path: string; format: string }[] = [];
  for (const disk of foreign.disks) {
    if (!disks.includes(disk.id) || disk.reference === null || !safeName(disk.reference)) continue;
    for (const name of await filesOfDisk(from.files, disk, signal)) {
      const member = await from.files.open(name, signal);
      // Of a part of an archive, the archive.
      const path = member?.location?.path;
      await member?.close();
      // No tool reads a header of another format before ours did.
      if (path !== undefined) images.push({ disk: disk.id, path, format: 'raw' });
    }
  }
  const writers = await openForWriting(new LocalHost(), images, signal);
  return images.flatMap(({ disk, path }, index) => {
    const writer = writers[index];
    if (!writer) return [];
    return [
      {
        id: 'disk.locked',
        disk,
        ...blocking(
          `Disk ${disk}: ${writer} has ${path} open for writing; a copy would be torn.`,
          'See what it is, and end it or let it end. Or leave the disk behind with excludeDisks.',
        ),
      },
    ];
  });
}
