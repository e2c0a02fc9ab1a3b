import { bootFiles, DEVICE_ARGUMENT } from './boot-arguments.js';
import { isBusName } from './bus-names.js';
import { ConfigFiles } from './config-files.js';
import { fieldsOf } from './fstab.js';
import type { GuestTree } from './tree.js';

/** More than a guest has disks and partitions. */
const MOST = 1000;

/** What a guest's own configuration says of the names that its disks have. */
export interface DiskNames {
  /** Names of the root file system. */
  roots: string[];
  /** Names that the guest does not boot without, so that they are there at the source. */
  needed: string[];
  /** Those, and names that may be left over from another time. */
  all: string[];
}

/** Names that hang on the bus, in fstab(5), crypttab(5) and the kernel's arguments. */
export async function diskNames(tree: GuestTree): Promise<DiskNames> {
  const files = new ConfigFiles(tree);
  const names = { roots: new Set<string>(), needed: new Set<string>(), all: new Set<string>() };
  const use = (device: string | undefined, needed: boolean, root = false) => {
    if (device === undefined || !isBusName(device) || names.all.size >= MOST) return;
    names.all.add(device);
    if (needed) names.needed.add(device);
    if (root) names.roots.add(device);
  };
  for (const [path, field] of [
    ['/etc/fstab', 0],
    ['/etc/crypttab', 1],
  ] as const) {
    for (const line of ((await files.read(path)) ?? '').split('\n')) {
      const fields = line.trimStart().startsWith('#') ? [] : fieldsOf(line, 0).map(({ value }) => value);
      const optional = (fields[3] ?? '').split(',').some((each) => each === 'nofail' || each === 'noauto');
      use(fields[field], !optional, field === 0 && fields[1] === '/');
    }
  }
  for (const file of await bootFiles(files)) {
    for (const { raw, kind } of file.arguments) {
      // Entries are what was booted; defaults may wait for their first use.
      const entry = !kind.endsWith('defaults') && kind !== 'command-line';
      for (const [, key = '', device] of raw.matchAll(DEVICE_ARGUMENT)) {
        const root = entry && key.startsWith('root');
        use(device, root, root);
      }
    }
  }
  return { roots: [...names.roots], needed: [...names.needed], all: [...names.all] };
}
