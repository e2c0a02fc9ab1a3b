import { readdir, realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { VmferryError } from '../../errors.js';
import { whyFile } from '../../file-trouble.js';
import { openFile } from './local-file.js';
import { namesUnder, type Folder, type LeftOut, type Member } from './member.js';
import { safeName } from './member-name.js';

/** More files than any set of exported machines has. */
const MOST_FILES = 20_000;

/** A directory of this machine, looked through once. Links in it are not followed: they could lead anywhere. */
export async function openLocalFolder(path: string): Promise<Folder> {
  const root = await realpath(resolve(path)).catch((cause: unknown) => {
    throw new VmferryError('NotFound', `cannot open ${path}: ${whyFile(cause)}`, { platform: 'files', cause });
  });
  let found: ReturnType<typeof walked> | null = null;
  const all = () => (found ??= walked(root));
  return {
    name: root,
    list: async () => (await all()).names,
    leftOut: async () => {
      const { leftOut } = await all();
      return await Promise.all(
        leftOut.map(async (each) => ({
          ...each,
          name: (await leadsToDirectory(root, each)) ? `${each.name}/` : each.name,
        })),
      );
    },
    names: async (under) => {
      if (under !== '' && !safeName(under.slice(0, -1))) throw leadsOut(root, under, 'it is no plain relative name');
      return namesUnder((await walked(root, under, false)).names, under);
    },
    open: (name) => opened(root, name),
    close: () => Promise.resolve(),
  };
}

/**
 * Files of the directory and of the directories in it, in order. Hidden ones are left out; one of the directories that
 * cannot be read stands there by its name with a `/`, so that the others are found all the same.
 */
async function walked(root: string, from = '', deeper = true): Promise<{ names: string[]; leftOut: LeftOut[] }> {
  const names: string[] = [];
  const leftOut: LeftOut[] = [];
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
      if (entry.name.startsWith('.')) continue;
      if (entry.isSymbolicLink()) leftOut.push({ name, why: 'it is a link' });
      else if (!entry.isFile() && !entry.isDirectory()) leftOut.push({ name, why: 'it is no plain file' });
      else if (!safeName(name)) leftOut.push({ name, why: 'its name could be taken for something else than a file' });
      else if (entry.isFile()) names.push(name);
      else if (deeper) await look(`${name}/`, false);
      if (names.length + leftOut.length > MOST_FILES) {
        throw new VmferryError('NotSupported', `cannot list ${root}: it holds more than ${MOST_FILES} files`, {
          platform: 'files',
          remedy: 'Name the directory of the exported machines, not one above it.',
        });
      }
    }
  };
  await look(from, deeper);
  return { names, leftOut };
}

/** For what is said of it alone. */
async function leadsToDirectory(root: string, { name }: LeftOut): Promise<boolean> {
  const found = await stat(join(root, name)).catch(() => null);
  return found?.isDirectory() ?? false;
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
