import { VmferryError } from '../../errors.js';
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
 * @returns how many files were compared; null without a manifest
 * @throws VmferryError `HostileInput` naming the first file that differs or is missing.
 */
export async function checkPackage(from: Package, signal?: AbortSignal): Promise<number | null> {
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
    const names = from.machines.flatMap(({ disks }) => disks.flatMap(({ reference }) => reference ?? []));
    // What lies outside is never read.
    const disks = names.filter(safeName);
    const unlisted = [from.descriptor!, ...disks].find((each) => !members.has(each));
    if (unlisted === undefined) return entries.length;
    throw new VmferryError(
      'HostileInput',
      `cannot trust ${from.files.name}/${unlisted}: its manifest does not name it`,
      {
        platform: 'files',
        remedy: 'Export the machine again; a manifest names every file of its package.',
      },
    );
  } finally {
    await manifest.close();
    for (const member of members.values()) await member.close();
  }
}
