import { readdir, realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { VmferryError } from '../../errors.js';
import { whyFile } from '../../file-trouble.js';
import { openFile } from './local-file.js';
import { namesUnder, type Folder, type Member } from './member.js';
import { safeName } from './member-name.js';

/** More files than any set of exported machines has. */
const MOST_FILES = 20_000;

/** A directory of this machine. Links in it are not followed: they could lead anywhere. */
export async function openLocalFolder(path: string): Promise<Folder> {
  const root = await realpath(resolve(path)).catch((cause: unknown) => {
    throw new VmferryError('NotFound', `cannot open ${path}: ${whyFile(cause)}`, { platform: 'files', cause });
  });
  return {
    name: root,
    list: () => listed(root),
    names: async (under) => {
      if (under !== '' && !safeName(under.slice(0, -1))) throw leadsOut(root, under, 'it is no plain relative name');
      return namesUnder(await listed(root, under, false), under);
    },
    open: (name) => opened(root, name),
    close: () => Promise.resolve(),
  };
}

/**
 * Files of the directory and of the directories in it, in order. Hidden ones are left out; one of the directories that
 * cannot be read stands there by its name with a `/`, so that the others are found all the same.
 */
async function listed(root: string, from = '', deeper = true): Promise<string[]> {
  const names: string[] = [];
  const look = async (under: string, deeper: boolean) => {
    const entries = await readdir(join(root, under), { withFileTypes: true }).catch((cause: unknown) => {
      if (under !== from) return null;
      throw new VmferryError('Denied', `cannot list ${join(root, under)}: ${whyFile(cause)}`, {
        platform: 'files',
        cause,
      });
    });
    if (entries === null) names.push(under);
    for (const entry of (entries ?? []).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const name = under + entry.name;
      if (entry.name.startsWith('.') || !safeName(name)) continue;
      if (entry.isFile()) names.push(name);
      else if (entry.isDirectory() && deeper) await look(`${name}/`, false);
      if (names.length > MOST_FILES) {
        throw new VmferryError('NotSupported', `cannot list ${root}: it holds more than ${MOST_FILES} files`, {
          platform: 'files',
          remedy: 'Name the directory of the exported machines, not one above it.',
        });
      }
    }
  };
  await look(from, deeper);
  return names;
}

async function opened(root: string, name: string): Promise<Member | null> {
  if (!safeName(name)) throw leadsOut(root, name, 'it is no plain relative name');
  const path = join(root, name);
  let real: string;
  try {
    real = await realpath(path);
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR')) return null;
    throw new VmferryError('Denied', `cannot open ${path}: ${whyFile(cause)}`, { platform: 'files', cause });
  }
  if (real !== path) throw leadsOut(root, name, 'it is a link, or lies behind one');
  const file = await openFile(path);
  const { ino, dev, size, mtimeNs } = await stat(path, { bigint: true });
  return { ...file, location: { path, offsetBytes: 0, sizeBytes: null }, stamp: `${dev}:${ino} ${size} ${mtimeNs}` };
}

function leadsOut(root: string, name: string, why: string): VmferryError {
  return new VmferryError('HostileInput', `cannot open ${JSON.stringify(name)} in ${root}: ${why}`, {
    platform: 'files',
    remedy: 'Only files of the directory itself are opened; put the file itself there.',
  });
}
