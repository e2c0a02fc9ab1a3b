import { VmferryError } from '../../errors.js';
import { filesOfDisk } from './disk-file.js';
import { checkManifest, parseManifest } from './manifest.js';
import { safeName } from './member-name.js';
import { readSmall, type Member } from './member.js';
import type { Package } from './package.js';
import { textOf } from './text.js';

const MOST_MANIFEST_BYTES = 4 * 1024 * 1024;

/** The manifest: called as the descriptor, with `.mf` (DSP0243, section 5.1), in whatever case. Null where there is none. */
async function manifestOf(from: Package, signal?: AbortSignal): Promise<Member | null> {
  if ((from.kind !== 'ova' && from.kind !== 'ovf') || from.descriptor === null) return null;
  for (const end of ['.mf', '.MF', '.Mf']) {
    const member = await from.files.open(from.descriptor.replace(/\.ovf$/i, end), signal);
    if (member) return member;
  }
  return null;
}

/**
 * Compares every file that the package's manifest names with its digest. Without a manifest there is nothing to compare.
 * @returns the files that were compared; null without a manifest
 * @throws VmferryError `HostileInput` naming the first file that differs or is missing.
 */
export async function checkPackage(from: Package, signal?: AbortSignal): Promise<ReadonlySet<string> | null> {
  const manifest = await manifestOf(from, signal);
  if (!manifest) return null;
  const members = new Map<string, Member>();
  try {
    const text = textOf(await readSmall(manifest, MOST_MANIFEST_BYTES, signal));
    const entries = parseManifest(text, manifest.name);
    for (const { file } of entries) {
      const member = members.has(file) ? null : await from.files.open(file, signal);
      if (member) members.set(file, member);
    }
    await checkManifest(entries, members, signal ? { signal } : {});
    const listed = new Set(members.keys());
    const names = [from.descriptor!];
    for (const disk of from.machines.flatMap(({ disks }) => disks)) {
      // What lies outside is never read.
      if (disk.reference !== null && safeName(disk.reference))
        names.push(...(await filesOfDisk(from.files, disk, signal)));
    }
    assertListed(from, listed, names);
    return listed;
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
