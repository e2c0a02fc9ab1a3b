import type { InspectedGuest } from '../../model/guest.js';
import type { Appliance } from '../appliance.js';
import { DYNAMIC_DISK, type Partitions } from './partitions.js';

const MOST = 500;
const MOST_CHARS = 200;

type Layouts = InspectedGuest['layouts'];
type Filesystem = InspectedGuest['filesystems'][number];

/** Partition tables, by disk. */
export async function partitionTables(appliance: Appliance): Promise<InspectedGuest['disks']> {
  const disks: InspectedGuest['disks'] = [];
  for (const [id, device] of appliance.devices) {
    const table = (await appliance.maybe(['part-get-parttype', device]))?.trim() ?? null;
    disks.push({ id, device, table: table === 'unknown' ? null : table });
  }
  return disks;
}

/** What lies between the partitions and the file systems. */
export async function layoutsOf(
  appliance: Appliance,
  filesystems: readonly Filesystem[],
  partitions: Partitions,
): Promise<Layouts> {
  const types = new Set(filesystems.map(({ type }) => type));
  const listed = async (command: string) => ((await appliance.maybe([command])) ?? '').split('\n').filter(Boolean);
  const some = async (command: string) => (await listed(command)).length > 0;
  // What is no file system is not among those that libguestfs lists.
  const places = [...(await listed('list-devices')), ...(await listed('list-partitions')), ...(await listed('lvs'))];
  for (const device of places.slice(0, MOST)) types.add((await appliance.maybe(['vfs-type', device]))?.trim() ?? '');
  const found: [Layouts[number], boolean][] = [
    ['lvm', types.has('LVM2_member') || (await some('pvs'))],
    ['raid', types.has('linux_raid_member') || (await some('list-md-devices'))],
    ['btrfs', types.has('btrfs')],
    ['luks', types.has('crypto_LUKS')],
    ['bitlocker', types.has('BitLocker')],
    ['dynamic-disks', [...partitions.values()].flat().some(({ type }) => DYNAMIC_DISK.includes(type))],
    ['zfs', types.has('zfs_member')],
  ];
  return found.filter(([, there]) => there).map(([layout]) => layout);
}

/** File systems, swap spaces and containers, without what is on them. */
export async function filesystemsOf(appliance: Appliance, notSeen: string[]): Promise<Filesystem[]> {
  const lines = ((await appliance.maybe(['list-filesystems'])) ?? '').split('\n').filter(Boolean);
  if (lines.length > MOST) notSeen.push(`file systems beyond the first ${MOST}`);
  const found: Filesystem[] = [];
  for (const line of lines.slice(0, MOST)) {
    const at = line.lastIndexOf(': ');
    const device = line.slice(0, at);
    const type = line.slice(at + 2);
    found.push({
      device,
      type,
      label: type === 'unknown' ? null : await word(appliance, 'vfs-label', device),
      uuid: type === 'unknown' ? null : await word(appliance, 'vfs-uuid', device),
      ...{ mountpoint: null, sizeBytes: null, freeBytes: null, inodes: null, freeInodes: null },
    });
  }
  return found;
}

async function word(appliance: Appliance, command: string, device: string): Promise<string | null> {
  return (await appliance.maybe([command, device]))?.trim().slice(0, MOST_CHARS) || null;
}

/** Size and room of a file system that is mounted there (statvfs(3)). */
export async function roomOf(
  appliance: Appliance,
  mountpoint: string,
): Promise<Pick<Filesystem, 'sizeBytes' | 'freeBytes' | 'inodes' | 'freeInodes'> | null> {
  const text = await appliance.maybe(['statvfs', mountpoint]);
  if (text === null) return null;
  const values = new Map([...text.matchAll(/^(\w+): (\d{1,16})$/gm)].map(([, key, value]) => [key, Number(value)]));
  const of = (key: string) => values.get(key) ?? 0;
  const fixed = of('files') > 0;
  return {
    sizeBytes: of('blocks') * of('frsize'),
    freeBytes: of('bavail') * of('frsize'),
    inodes: fixed ? of('files') : null,
    freeInodes: fixed ? of('ffree') : null,
  };
}
