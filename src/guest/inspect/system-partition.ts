import type { Appliance } from '../appliance.js';
import { applianceTree } from '../appliance-tree.js';
import { SYSTEM_PARTITION, type Partitions } from './partitions.js';

/** The top folder, or one below \EFI, with what lies in it, as it is written there; FAT knows no case. */
export interface LoaderFolder {
  path: string;
  files: string[];
}

export interface SystemPartition {
  device: string;
  folders: LoaderFolder[];
}

/** `unread`: those that could not be mounted. */
export interface SystemPartitions {
  found: SystemPartition[];
  unread: string[];
}

const MOST_FOLDERS = 100;

/**
 * The EFI system partitions of all disks, whether or not the guest mounts them. Each is mounted by itself, read-only, and
 * nothing is mounted after.
 */
export async function systemPartitions(appliance: Appliance, partitions: Partitions): Promise<SystemPartitions> {
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
  const folders: LoaderFolder[] = [];
  const look = async (path: string) => {
    const files = await tree.list(path);
    folders.push({ path, files });
    return files;
  };
  const efi = (await look('/')).find((name) => name.toLowerCase() === 'efi');
  if (efi === undefined) return folders;
  for (const vendor of (await tree.list(`/${efi}`)).slice(0, MOST_FOLDERS)) {
    const names = await look(`/${efi}/${vendor}`);
    // Where Windows has its own.
    const deeper =
      vendor.toLowerCase() === 'microsoft' ? names.find((name) => name.toLowerCase() === 'boot') : undefined;
    if (deeper !== undefined) await look(`/${efi}/${vendor}/${deeper}`);
  }
  return folders;
}

/** Whether firmware can start something there: what says so by its name, or a kernel, which is such a program as well. */
export function startsSomething({ folders }: SystemPartition): boolean {
  return folders.some(({ files }) => files.some((name) => /\.efi$|^(vmlinuz|bzimage)/i.test(name)));
}

/** Unified kernel images: a kernel and its initramfs in one program (Boot Loader Specification, type 2). */
export function unifiedIn({ folders }: SystemPartition): string[] {
  const own = folders.filter(({ path }) => /^\/efi\/linux$/i.test(path));
  return own.flatMap(({ files }) => files.filter((name) => /\.efi$/i.test(name)));
}

/** What firmware of 64-bit PCs starts from a disk that its variables say nothing of (UEFI 2.10, 3.5.1.1). */
export function fallbackOf({ folders }: SystemPartition): string | null {
  for (const { path, files } of folders) {
    if (!/^\/efi\/boot$/i.test(path)) continue;
    const name = files.find((each) => each.toLowerCase() === 'bootx64.efi');
    if (name !== undefined) return `${path}/${name}`;
  }
  return null;
}
