import { LocalHost } from '../../exec/local.js';
import { blocking, type Finding } from '../../model/finding.js';
import { openForWriting } from '../open-for-writing.js';
import type { Machine } from './machines.js';
import type { Location } from './member.js';
import { safeName } from './member-name.js';

/** Images of this machine's file system that another program writes to just now, so that what is read of them is torn. */
export async function lockedFindings(
  { from, foreign }: Machine,
  disks: readonly string[],
  signal?: AbortSignal,
): Promise<Finding[]> {
  const images: { disk: string; path: string; format: string }[] = [];
  for (const { id, reference } of foreign.disks) {
    if (!disks.includes(id) || reference === null || !safeName(reference)) continue;
    const member = await from.files.open(reference, signal);
    const path = member && fileOf(member.location);
    await member?.close();
    // No tool reads a header of another format before ours did.
    if (path) images.push({ disk: id, path, format: 'raw' });
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

/** Of a part of an archive the archive; null for what lies elsewhere. */
function fileOf(location: Location): string | null {
  if (location.kind === 'part') return fileOf(location.of);
  return location.kind === 'file' ? location.path : null;
}
