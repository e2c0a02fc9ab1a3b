import { VmferryError } from '../../errors.js';
import { formatBytes } from '../../model/format.js';
import { filesOfDisk } from './disk-file.js';
import { checkManifest, MOST_MANIFEST_BYTES, parseManifest } from './manifest.js';
import { manifestFiles } from './manifest-files.js';
import { safeName } from './member-name.js';
import { readSmall, type Member } from './member.js';
import type { Package } from './package.js';
import { telling } from './telling.js';
import { textOf } from './text.js';

/**
 * Compares every file that the package's manifests name with its digest. Without one there is nothing to compare.
 * @param tell is told in a line how far it is.
 * @returns the files that were compared; null without a manifest
 * @throws VmferryError `HostileInput` naming the first file that differs or is missing.
 */
export async function checkPackage(
  from: Package,
  signal?: AbortSignal,
  tell?: (line: string) => void,
): Promise<ReadonlySet<string> | null> {
  const { used } = await manifestFiles(from, signal);
  if (used.length === 0) return null;
  const listed = new Set<string>();
  for (const name of used) {
    for (const each of await checkedBy(from, name, signal, tell)) listed.add(each);
  }
  const names = [from.descriptor!];
  for (const disk of from.machines.flatMap(({ disks }) => disks)) {
    // What lies outside is never read.
    if (disk.reference !== null && safeName(disk.reference))
      names.push(...(await filesOfDisk(from.files, disk, signal)));
  }
  assertListed(from, listed, names);
  return listed;
}

/** The files that one manifest names, which are as it says. */
async function checkedBy(
  from: Package,
  name: string,
  signal?: AbortSignal,
  tell?: (line: string) => void,
): Promise<string[]> {
  const manifest = await from.files.open(name, signal);
  if (!manifest) return [];
  const members = new Map<string, Member>();
  try {
    const text = textOf(await readSmall(manifest, MOST_MANIFEST_BYTES, signal));
    const entries = parseManifest(text, manifest.name);
    for (const { file } of entries) {
      const member = members.has(file) ? null : await from.files.open(file, signal);
      if (member) members.set(file, member);
    }
    const totalBytes = [...members.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const say = telling(tell);
    const onProgress = (readBytes: number) =>
      say(() => `Comparing with ${name}: ${formatBytes(readBytes)} of ${formatBytes(totalBytes)}.`);
    await checkManifest(entries, members, { onProgress, ...(signal ? { signal } : {}) });
    return [...members.keys()];
  } finally {
    await manifest.close();
    for (const member of members.values()) await member.close();
  }
}

/** @throws VmferryError `HostileInput` where the manifest leaves one of these files of the package out. */
export function assertListed(from: Package, listed: ReadonlySet<string>, names: readonly string[]): void {
  const unlisted = names.find((each) => !listed.has(each));
  if (unlisted === undefined) return;
  throw new VmferryError('HostileInput', `cannot trust ${from.files.name}/${unlisted}: its manifest does not name it`, {
    platform: 'files',
    remedy: 'Export the machine again; a manifest names every file of its package.',
  });
}
