import { VmferryError } from '../../errors.js';
import type { Appliance } from '../appliance.js';
import type { GuestDevice } from '../bus-names.js';
import { shellAssignments } from '../shell-assignments.js';
import type { GuestTree } from '../tree.js';
import type { Drivers } from './decide.js';

/** What a conversion has to know of a guest; by libguestfs' inspection (guestfs(3), "INSPECTION"). */
export interface Inside {
  /** The device that its root is on. */
  root: string;
  kind: 'linux' | 'windows' | 'other';
  /** `Debian GNU/Linux 12 (bookworm)`. */
  name: string;
  mounts: { path: string; device: string }[];
  devices: GuestDevice[];
}

const MOST_FILE_BYTES = 1024 * 1024;
const MOST_DEVICES = 200;
const MOST_NAMES = 20_000;

/** Null where no operating system was found, or several, of which nobody knows which one boots. */
export async function lookInside(appliance: Appliance): Promise<Inside | null> {
  const lines = async (words: [string, ...string[]]) => (await appliance.command(words)).split('\n').filter(Boolean);
  const [root, ...others] = await lines(['inspect-os']);
  if (root === undefined || others.length > 0) return null;
  const type = (await appliance.command(['inspect-get-type', root])).trim();
  const mounts = (await lines(['inspect-get-mountpoints', root])).flatMap((line) => {
    const [, path, device] = /^(\/[^:]*): (\S+)$/.exec(line) ?? [];
    return path === undefined || device === undefined ? [] : [{ path, device }];
  });
  const devices: GuestDevice[] = [];
  for (const path of [...(await lines(['list-devices'])), ...(await lines(['list-partitions']))].slice(
    0,
    MOST_DEVICES,
  )) {
    const said = async (what: string) => (await appliance.maybe([what, path]))?.trim() || null;
    devices.push({ path, uuid: await said('vfs-uuid'), label: await said('vfs-label') });
  }
  return {
    root,
    kind: type === 'linux' || type === 'windows' ? type : 'other',
    name: (await appliance.maybe(['inspect-get-product-name', root]))?.trim() || type,
    mounts: mounts.sort((one, other) => one.path.length - other.path.length),
    devices,
  };
}

/** As it calls itself (os-release(5)); libguestfs gives only a number for some. */
export async function nameOf(tree: GuestTree, { name }: Inside): Promise<string> {
  const text = (await tree.read('/etc/os-release')) ?? (await tree.read('/usr/lib/os-release')) ?? '';
  const given =
    shellAssignments(text)
      .find(({ key }) => key === 'PRETTY_NAME')
      ?.value.trim() ?? '';
  return given === '' ? name : given.slice(0, 100);
}

/** Mounts its file systems for writing, the root first. @throws VmferryError `GuestUnreadable` where the root cannot be. */
export async function mountAll(appliance: Appliance, { mounts }: Inside): Promise<void> {
  await appliance.command(['umount-all']);
  for (const { path, device } of mounts) {
    const mounted = await appliance.maybe(['mount', device, path]);
    if (mounted === null && path === '/') {
      throw new VmferryError('GuestUnreadable', `cannot mount the guest's root file system ${device} for writing`, {
        remedy: 'It was not unmounted cleanly, or Windows hibernates on it: shut the guest down, and try again.',
      });
    }
  }
}

/** The files of a guest whose file systems are mounted. Each is read once. */
export function applianceTree(appliance: Appliance): GuestTree {
  const texts = new Map<string, Promise<string | null>>();
  const folders = new Map<string, Promise<string[]>>();
  const once = <T>(known: Map<string, Promise<T>>, path: string, read: () => Promise<T>) => {
    const value = known.get(path) ?? read();
    known.set(path, value);
    return value;
  };
  return {
    read: (path) =>
      once(texts, path, async () => (await appliance.download(path, MOST_FILE_BYTES))?.toString('utf8') ?? null),
    list: (dir) =>
      once(folders, dir, async () =>
        ((await appliance.maybe(['ls', dir])) ?? '').split('\n').filter(Boolean).slice(0, MOST_NAMES),
      ),
  };
}

/** Drivers of the kernel that boots: the first in GRUB's menu, else the newest. Null where none is found. */
export async function driversOf(appliance: Appliance, tree: GuestTree): Promise<Drivers | null> {
  const kernels = (await tree.list('/lib/modules')).sort((one, other) => byVersion(other, one));
  const menu = (await tree.read('/boot/grub/grub.cfg')) ?? (await tree.read('/boot/grub2/grub.cfg')) ?? '';
  const first = /^\s*linux\S*\s+\S*\/vmlinu[xz]-(\S+)/m.exec(menu)?.[1];
  const kernel = first !== undefined && kernels.includes(first) ? first : kernels[0];
  if (kernel === undefined) return null;
  const names = (text: string) =>
    [...text.matchAll(/([^/\s:]+)\.ko\b/g)].map(([, name = '']) => name.replaceAll('_', '-'));
  const both = (all: readonly string[]) => new Set(all.flatMap((name) => [name, name.replaceAll('-', '_')]));
  const builtin = names((await tree.read(`/lib/modules/${kernel}/modules.builtin`)) ?? '');
  const modules = names((await tree.read(`/lib/modules/${kernel}/modules.dep`)) ?? '');
  const image = (await tree.list('/boot')).find(
    (name) => name === `initrd.img-${kernel}` || name === `initramfs-${kernel}.img` || name === `initrd-${kernel}`,
  );
  const listed = image === undefined ? null : await initramfsFiles(appliance, `/boot/${image}`);
  return {
    boot: listed === null ? null : both([...builtin, ...names(listed)]),
    run: both([...builtin, ...modules]),
  };
}

/** By the guest's own program, inside the appliance. */
async function initramfsFiles(appliance: Appliance, path: string): Promise<string | null> {
  const options = { timeoutMs: 300_000 };
  return (
    (await appliance.maybe(['command', ['lsinitramfs', path]], options)) ??
    (await appliance.maybe(['command', ['lsinitrd', path]], options))
  );
}

function byVersion(one: string, other: string): number {
  return one.localeCompare(other, 'en', { numeric: true });
}
