import { posix } from 'node:path';
import { DRIVERS } from '../../model/drivers.js';
import type { DriverState, GuestKernel } from '../../model/guest.js';
import type { Appliance } from '../appliance.js';
import type { GuestTree } from '../tree.js';
import { initramfsNames } from './initramfs.js';

const MAX_KERNELS = 10;
const MAX_VERSION_CHARS = 100;

/** Kernels of a Linux guest that have modules, the newest name last, and what they can drive. */
export async function findKernels(
  appliance: Appliance,
  tree: GuestTree,
  notSeen: string[],
  signal?: AbortSignal,
): Promise<GuestKernel[]> {
  const boot = new Set(await tree.list('/boot'));
  const versions = (await tree.list('/lib/modules')).filter(
    (name) => name.length <= MAX_VERSION_CHARS && /^[\w.+~-]+$/.test(name) && boot.has(`vmlinuz-${name}`),
  );
  versions.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  if (versions.length > MAX_KERNELS) notSeen.push(`kernels older than the ${MAX_KERNELS} newest`);
  const kernels: GuestKernel[] = [];
  for (const version of versions.slice(-MAX_KERNELS)) {
    const modules = posix.join('/lib/modules', version);
    const builtin = driversIn(await tree.read(posix.join(modules, 'modules.builtin')));
    const present = driversIn(await tree.read(posix.join(modules, 'modules.dep')));
    // Debian, Red Hat and SUSE.
    const names = [`initrd.img-${version}`, `initramfs-${version}.img`, `initrd-${version}`];
    const name = names.find((each) => boot.has(each));
    const path = name === undefined ? null : `/boot/${name}`;
    const listed = path === null ? null : await initramfsNames(appliance, path, signal);
    if (typeof listed === 'string') notSeen.push(`what the initramfs of ${version} holds: ${listed}`);
    const early = listed instanceof Set ? listed : null;
    const state = (driver: string): DriverState => {
      if (builtin.has(driver)) return 'built-in';
      if (early?.has(driver)) return 'initramfs';
      return present.has(driver) ? 'module' : 'none';
    };
    const drivers = Object.fromEntries(DRIVERS.map((driver) => [driver, state(driver)]));
    kernels.push({
      version,
      initramfs: path,
      initramfsRead: early !== null,
      drivers: drivers as GuestKernel['drivers'],
    });
  }
  return kernels;
}

function driversIn(text: string | null): Set<string> {
  const paths = (text ?? '').split('\n').map((line) => line.split(':', 1)[0] ?? '');
  return new Set(paths.map(moduleName));
}

/** Modules are named with `_` or `-` alike, and may be compressed. */
export function moduleName(path: string): string {
  return posix
    .basename(path)
    .replace(/\.ko(\.\w+)?$/, '')
    .replaceAll('-', '_');
}
