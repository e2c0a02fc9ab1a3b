import type { OwnedResource } from '../platform.js';
import { listReplicas } from '../replica/list.js';
import { allDomains } from './all-domains.js';
import type { LibvirtConnection } from './connect.js';
import { hardDisks } from './describe-disks.js';
import { markOf } from './mark.js';
import { filePools, rememberedStorages, storageDirectory } from './storage.js';

/**
 * Everything at a libvirt site that carries our mark: domains, and the working folders of replicas with their disks. Read
 * with a few commands, however many VMs and replicas there are.
 */
export async function listOwned(at: LibvirtConnection, signal?: AbortSignal): Promise<OwnedResource[]> {
  const used = new Map<string, string>();
  const found: OwnedResource[] = [];
  for (const { name, domain } of await allDomains(at, signal)) {
    const runs = domain.get('id') !== null;
    for (const disk of hardDisks(domain)) for (const file of chain(disk)) used.set(file, name);
    const mark = markOf(domain);
    if (!mark) continue;
    const { role, ...owner } = mark;
    const inUse = runs ? `the VM "${name}" is running` : null;
    found.push({ kind: `libvirt-${role}`, name, migrationId: mark.migrationId, owner, sizeBytes: null, inUse });
  }
  const where = { host: at.host, platform: 'libvirt', directories: await directories(at, signal) };
  return [...found, ...(await listReplicas(where, used, signal))];
}

/** Files of a disk and of what it stands on, as libvirt tells. */
export function chain(disk: ReturnType<typeof hardDisks>[number]): string[] {
  const files: string[] = [];
  for (let layer: typeof disk | null = disk; layer; layer = layer.at('backingStore')) {
    const file = layer.at('source')?.get('file');
    if (file) files.push(file);
  }
  return files;
}

/** Where replicas may lie. */
async function directories(at: LibvirtConnection, signal?: AbortSignal): Promise<string[]> {
  const found = new Set((await filePools(at, signal)).map((pool) => pool.path));
  for (const each of await rememberedStorages(at, signal)) found.add(each);
  // A default storage that is gone holds nothing, and must not hide the others.
  const own = await storageDirectory(at, null, signal).catch(() => null);
  if (own !== null) found.add(own);
  return [...found];
}
