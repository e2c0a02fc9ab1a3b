import { VmferryError } from '../../errors.js';
import { readText } from '../../exec/files.js';
import type { LibvirtConnection } from './connect.js';
import { parseXml } from '../xml.js';

/** Where disks of VMs that come here lie: a pool of files, or a directory. */

const FILE_POOLS = ['dir', 'fs', 'netfs'];

export interface FilePool {
  name: string;
  path: string;
}

/** The pools of the site whose volumes are files. */
export async function filePools(at: LibvirtConnection, signal?: AbortSignal): Promise<FilePool[]> {
  const names = (await at.virsh.run(['pool-list', '--all', '--name'], { signal }))
    .split('\n')
    .map((each) => each.trim());
  const found: FilePool[] = [];
  for (const name of names.filter(Boolean)) {
    const path = await poolPath(at, name, signal);
    if (path) found.push({ name, path });
  }
  return found;
}

/** The directory of a pool's name or of a path; the site's default for null. @throws VmferryError `NotFound`, `NotSupported`. */
export async function storageDirectory(
  at: LibvirtConnection,
  storage: string | null,
  signal?: AbortSignal,
): Promise<string> {
  const wanted = storage ?? at.config.storage;
  if (wanted.startsWith('/')) return wanted.replace(/(.)\/+$/, '$1');
  const path = await poolPath(at, wanted, signal);
  if (path === undefined) {
    const names = (await filePools(at, signal)).map((pool) => pool.name);
    throw new VmferryError('NotFound', `cannot find the storage pool "${wanted}" at ${at.site}`, {
      platform: 'libvirt',
      remedy: `Pools there: ${names.join(', ') || 'none'}. An absolute directory does as well.`,
    });
  }
  if (path !== null) return path;
  throw new VmferryError('NotSupported', `cannot use the storage pool "${wanted}" at ${at.site}: it holds no files`, {
    platform: 'libvirt',
    remedy: 'Name a pool of type dir, fs or netfs, or an absolute directory.',
  });
}

/** Where it is written down which directories replicas were ever put in: a request may name one that is no pool's. */
export function storageRegistry(at: LibvirtConnection): string {
  return `${at.config.stateDir}/storages`;
}

/** The directories that are still there. */
export async function rememberedStorages(at: LibvirtConnection, signal?: AbortSignal): Promise<string[]> {
  const text = (await readText(at.host, storageRegistry(at), { signal })) ?? '';
  return [...new Set(text.split('\n').filter((line) => line.startsWith('/')))];
}

/** Lets libvirt see what came and went in a directory, where it is a pool's. Best effort: nothing depends on it. */
export async function refreshPools(
  at: LibvirtConnection,
  directories: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  for (const pool of await filePools(at, signal)) {
    if (directories.includes(pool.path)) await at.virsh.runOr(/./, ['pool-refresh', `--pool=${pool.name}`], { signal });
  }
}

/** `undefined` where there is no such pool, `null` where it holds no files. */
async function poolPath(at: LibvirtConnection, name: string, signal?: AbortSignal): Promise<string | null | undefined> {
  const missing = /pool not found|no storage pool with matching/i;
  const text = await at.virsh.runOr(missing, ['pool-dumpxml', `--pool=${name}`], { signal });
  if (text === null) return undefined;
  const pool = parseXml(text, `the storage pool ${name}`);
  return FILE_POOLS.includes(pool.get('type') ?? '') ? pool.text('target/path') : null;
}
