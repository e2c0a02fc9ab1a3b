import { bootFiles, DEVICE_ARGUMENT, otherDevices } from './boot-arguments.js';
import { isBusName, isRemovable } from './bus-names.js';
import { ConfigFiles } from './config-files.js';
import { fieldsOf } from './fstab.js';
import { mountedByUnits } from './mount-units.js';
import type { GuestTree } from './tree.js';

/** More places than a guest has that name a disk. */
const MOST = 1000;

/** A name that hangs on the bus, where it stands. */
interface NamedDisk {
  file: string;
  device: string;
  /** The guest does not boot without it, so that it is there at the source. */
  needed: boolean;
  /** It is of the root file system. */
  root: boolean;
}

/** All names in fstab(5), crypttab(5), systemd.mount(5), systemd.swap(5) and the kernel's arguments. */
export async function namedDisks(files: ConfigFiles): Promise<NamedDisk[]> {
  const found: NamedDisk[] = [];
  const use = (file: string, device: string | undefined, needed = false, root = false, type?: string) => {
    if (device !== undefined && found.length < MOST && isBusName(device) && !isRemovable(device, type))
      found.push({ file, device, needed, root });
  };
  for (const [file, field] of [
    ['/etc/fstab', 0],
    ['/etc/crypttab', 1],
  ] as const) {
    for (const line of ((await files.read(file)) ?? '').split('\n')) {
      const fields = line.trimStart().startsWith('#') ? [] : fieldsOf(line, 0).map(({ value }) => value);
      const optional = (fields[3] ?? '').split(',').some((each) => each === 'nofail' || each === 'noauto');
      use(file, fields[field], !optional, field === 0 && fields[1] === '/', fields[2]);
    }
  }
  for (const { file, device } of await mountedByUnits(files)) use(file, device);
  for (const { path, arguments: all } of await bootFiles(files)) {
    for (const { raw, kind } of all) {
      // Entries are what was booted; defaults may wait for their first use.
      const entry = !kind.endsWith('defaults') && kind !== 'command-line';
      for (const [, key = '', device] of raw.matchAll(DEVICE_ARGUMENT)) {
        const root = entry && key.startsWith('root');
        use(path, device, root, root);
      }
      for (const device of otherDevices(raw)) use(path, device);
    }
  }
  return found;
}

/** What a guest's own configuration says of the names that its disks have. */
export interface DiskNames {
  /** Names of the root file system. */
  roots: string[];
  /** Names that the guest does not boot without. */
  needed: string[];
  /** Those, and names that may be left over from another time. */
  all: string[];
}

export async function diskNames(tree: GuestTree): Promise<DiskNames> {
  const found = await namedDisks(new ConfigFiles(tree));
  const names = (some: readonly NamedDisk[]) => [...new Set(some.map(({ device }) => device))];
  return {
    roots: names(found.filter(({ root }) => root)),
    needed: names(found.filter(({ needed }) => needed)),
    all: names(found),
  };
}
