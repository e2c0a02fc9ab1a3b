import { posix } from 'node:path';
import { VmferryError } from '../../errors.js';
import type { Appliance } from '../appliance.js';
import type { GuestTree } from '../tree.js';

/** A kernel as it lies there, and the initramfs that belongs to it. */
export interface KernelImage {
  /** What `uname -r` says of it, which names its modules' folder; null where it cannot be told. */
  version: string | null;
  path: string;
  initramfs: string | null;
}

/** Where kernels lie, whatever is mounted there. */
export const KERNEL_PLACES = ['/boot', '/efi', '/boot/efi'];
const MOST_IMAGES = 50;
const MOST_FOLDERS = 50;
/** The set-up part of an image, where its version stands, has at most 64 sectors. */
const SETUP_BYTES = 65 * 512;
const MOST_VERSION_CHARS = 100;

/**
 * Kernels by the ways that distributions name them: after their version (`vmlinuz-6.1.0-1-amd64`), after their flavour as
 * Alpine and Arch do (`vmlinuz-lts`, `vmlinuz-linux`: of those the image itself says its version), and in a folder of their
 * own (Boot Loader Specification, type 1: `<machine>/<version>/linux`). The first of each version counts.
 */
export async function kernelImages(
  appliance: Appliance,
  tree: GuestTree,
  versions: ReadonlySet<string>,
): Promise<KernelImage[]> {
  const found: KernelImage[] = [];
  for (const place of KERNEL_PLACES) {
    const names = await tree.list(place);
    const images = names.filter((name) => /^(vmlinuz|vmlinux|bzImage|kernel)-/.test(name) && !/rescue/.test(name));
    for (const name of images.slice(0, MOST_IMAGES)) {
      const after = name.slice(name.indexOf('-') + 1);
      const path = posix.join(place, name);
      const version = versions.has(after) ? after : await versionIn(appliance, path);
      found.push({ version, path, initramfs: initramfsOf(place, names, after) });
    }
    found.push(...(await inFolders(tree, place, names, versions)));
  }
  return found;
}

/** Debian's, Red Hat's and Arch's, SUSE's, Alpine's. */
function initramfsOf(place: string, names: readonly string[], after: string): string | null {
  const name = [`initrd.img-${after}`, `initramfs-${after}.img`, `initrd-${after}`, `initramfs-${after}`].find((each) =>
    names.includes(each),
  );
  return name === undefined ? null : posix.join(place, name);
}

async function inFolders(
  tree: GuestTree,
  place: string,
  names: readonly string[],
  versions: ReadonlySet<string>,
): Promise<KernelImage[]> {
  const found: KernelImage[] = [];
  const others = names.filter((name) => !/^(efi|loader|grub2?|lost\+found)$/i.test(name) && !name.includes('.'));
  for (const folder of others.filter((name) => !/^(vmlinuz|initr|System|config)/.test(name)).slice(0, MOST_FOLDERS)) {
    for (const version of (await tree.list(posix.join(place, folder))).filter((name) => versions.has(name))) {
      const within = posix.join(place, folder, version);
      const files = await tree.list(within);
      const image = files.find((name) => /^(linux|vmlinuz)(-|$)/.test(name));
      if (image === undefined) continue;
      const initramfs = files.filter((name) => /^(initrd|initramfs)/.test(name));
      // Of several, nobody knows here which one is started.
      const one = initramfs.length === 1 ? posix.join(within, initramfs[0] ?? '') : null;
      found.push({ version, path: posix.join(within, image), initramfs: one });
    }
  }
  return found;
}

/** Of a kernel for PCs (Linux, Documentation/arch/x86/boot.rst: "HdrS" at 0x202, kernel_version at 0x20e). */
async function versionIn(appliance: Appliance, path: string): Promise<string | null> {
  if ((await appliance.fileBytes(path)) === null) return null;
  const head = await appliance.piece(path, 0, SETUP_BYTES).catch(unreadable);
  if (head === null || head.length < 0x210 || head.toString('latin1', 0x202, 0x206) !== 'HdrS') return null;
  const at = head.readUInt16LE(0x20e) + 0x200;
  const text = head.toString('latin1', at, at + MOST_VERSION_CHARS);
  return at === 0x200 ? null : (/^([\w.+~-]+)[ \0]/.exec(text)?.[1] ?? null);
}

function unreadable(error: unknown): null {
  if (error instanceof VmferryError && error.code === 'GuestUnreadable') return null;
  throw error;
}
