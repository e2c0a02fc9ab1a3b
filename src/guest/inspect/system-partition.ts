import type { Appliance } from '../appliance.js';
import { applianceTree } from '../appliance-tree.js';
import { SYSTEM_PARTITION, type Partitions } from './partitions.js';

/** A folder below \EFI with its programs, all names as they are written there; FAT knows no case. */
export interface LoaderFolder {
  path: string;
  loaders: string[];
}

export interface SystemPartition {
  device: string;
  folders: LoaderFolder[];
}

const MOST_FOLDERS = 100;

/**
 * The EFI system partitions of all disks, whether or not the guest mounts them. Each is mounted by itself, read-only, and
 * nothing is mounted after. `unread`: those that could not be.
 */
export async function systemPartitions(
  appliance: Appliance,
  partitions: Partitions,
): Promise<{ found: SystemPartition[]; unread: string[] }> {
  const found: SystemPartition[] = [];
  const unread: string[] = [];
  for (const { device, type } of [...partitions.values()].flat()) {
    if (!SYSTEM_PARTITION.includes(type)) continue;
    if ((await appliance.maybe(['mount-ro', device, '/'])) === null) unread.push(device);
    else found.push({ device, folders: await loadersIn(appliance) });
    await appliance.command(['umount-all']);
  }
  return { found, unread };
}

async function loadersIn(appliance: Appliance): Promise<LoaderFolder[]> {
  const tree = applianceTree(appliance);
  const efi = (await tree.list('/')).find((name) => name.toLowerCase() === 'efi');
  if (efi === undefined) return [];
  const folders: LoaderFolder[] = [];
  const look = async (path: string) => {
    const names = await tree.list(path);
    folders.push({ path, loaders: names.filter((name) => /\.efi$/i.test(name)) });
    return names;
  };
  for (const vendor of (await tree.list(`/${efi}`)).slice(0, MOST_FOLDERS)) {
    const names = await look(`/${efi}/${vendor}`);
    // Where Windows has its own.
    const deeper =
      vendor.toLowerCase() === 'microsoft' ? names.find((name) => name.toLowerCase() === 'boot') : undefined;
    if (deeper !== undefined) await look(`/${efi}/${vendor}/${deeper}`);
  }
  return folders;
}

/** What firmware of 64-bit PCs starts from a disk that its variables say nothing of (UEFI 2.10, 3.5.1.1). */
export function fallbackOf({ folders }: SystemPartition): string | null {
  for (const { path, loaders } of folders) {
    if (!/^\/efi\/boot$/i.test(path)) continue;
    const name = loaders.find((each) => each.toLowerCase() === 'bootx64.efi');
    if (name !== undefined) return `${path}/${name}`;
  }
  return null;
}
