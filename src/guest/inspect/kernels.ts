import { posix } from 'node:path';
import { DRIVERS } from '../../model/drivers.js';
import type { DriverState, GuestKernel } from '../../model/guest.js';
import type { Appliance } from '../appliance.js';
import { shown } from '../config-files.js';
import type { GuestTree } from '../tree.js';
import { initramfsNames } from './initramfs.js';
import { KERNEL_PLACES, kernelImages } from './kernel-images.js';

const MAX_KERNELS = 10;
const MAX_FOLDERS = 100;
const SOME = 5;
const MAX_VERSION_CHARS = 100;

/**
 * Kernels of a Linux guest that have modules, the newest name last, and what they can drive. `unified`: names of its unified
 * kernel images on system partitions. Where there is any, it may be what the guest starts, with an initramfs of its own: then
 * none counts as read.
 */
export async function findKernels(
  appliance: Appliance,
  tree: GuestTree,
  unified: readonly string[],
  notSeen: string[],
  signal?: AbortSignal,
): Promise<GuestKernel[]> {
  const versions = await modulesIn(tree);
  const images = await kernelImages(appliance, tree, new Set(versions));
  for (const { path, version } of images) {
    if (version === null) notSeen.push(`what ${shown(path)} can drive: it does not say its version`);
    else if (!versions.includes(version))
      notSeen.push(`what ${shown(path)} can drive: it has no modules in /lib/modules`);
  }
  const kept = versions.filter((version) => images.some((each) => each.version === version));
  const lost = versions.filter((version) => !kept.includes(version));
  if (lost.length > 0)
    notSeen.push(`the kernels of the modules of ${lost.slice(-SOME).join(', ')}: no image was found`);
  if (versions.length === 0 && images.length === 0) notSeen.push('its kernels: none was found');
  if (kept.length > MAX_KERNELS) notSeen.push(`kernels older than the ${MAX_KERNELS} newest`);
  const whole = await unifiedImages(tree, unified);
  if (whole.length > 0)
    notSeen.push(
      `what unified kernel images can drive, which are not looked into: ${whole.slice(0, SOME).map(shown).join(', ')}`,
    );
  const kernels: GuestKernel[] = [];
  for (const version of kept.slice(-MAX_KERNELS)) {
    const modules = posix.join('/lib/modules', version);
    const builtin = driversIn(await tree.read(posix.join(modules, 'modules.builtin')));
    const present = driversIn(await tree.read(posix.join(modules, 'modules.dep')));
    const path = images.find((each) => each.version === version && each.initramfs !== null)?.initramfs ?? null;
    const listed = path === null || whole.length > 0 ? null : await initramfsNames(appliance, path, signal);
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

/** Those, and others on a boot partition of their own. */
async function unifiedImages(tree: GuestTree, unified: readonly string[]): Promise<string[]> {
  const found = new Set(unified);
  for (const place of KERNEL_PLACES)
    for (const name of await tree.list(posix.join(place, 'EFI/Linux'))) if (/\.efi$/i.test(name)) found.add(name);
  return [...found].sort();
}

/** Versions that have modules; folders that a removed kernel left have no list of them. */
async function modulesIn(tree: GuestTree): Promise<string[]> {
  const names = (await tree.list('/lib/modules')).filter(
    (name) => name.length <= MAX_VERSION_CHARS && /^[\w.+~-]+$/.test(name),
  );
  names.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  const found: string[] = [];
  for (const name of names.slice(-MAX_FOLDERS))
    if ((await tree.list(posix.join('/lib/modules', name))).includes('modules.dep')) found.push(name);
  return found;
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
