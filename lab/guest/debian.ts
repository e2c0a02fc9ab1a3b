import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDirectory } from '../../src/config.js';
import { LocalHost } from '../../src/exec/local.js';
import { candidateVersions, exists, unpackPackages } from '../debian.js';
import { assembleDisk, GRUB_PACKAGES } from './image.js';

/**
 * A Debian as its installer leaves it, with systemd, GRUB and ifupdown: its files name its disk and its network card as VMware
 * or libvirt give them to it, and it has the tools of both. For conversions and preparation; it boots in half a minute.
 */

const machine = new LocalHost();
const FILES = fileURLToPath(new URL('../../../lab/guest/debian', import.meta.url));
const SUITE = 'bookworm';
const PACKAGES = [
  ...['systemd-sysv', 'udev', 'dbus', 'kmod', 'ifupdown', 'iproute2', 'linux-image-amd64', 'grub-pc'],
  ...['qemu-guest-agent', 'open-vm-tools'],
];
const SYSTEM_BYTES = 800 * 1024 * 1024;

export interface DebianSettings {
  hostname: string;
  /** With the prefix length. */
  address: string;
  gateway: string;
  /** `most`: the initramfs has the drivers of nearly all disks, as the installer makes it; `old`: only of VMware's. */
  drivers: 'most' | 'old';
  /** For whose devices its files have names: VMware's, or those that libvirt gives with that bus. Default `vmware`. */
  devices?: keyof typeof NAMES;
}

/** Disk and network card. */
const NAMES = { vmware: ['sda', 'ens33'], sata: ['sda', 'enp1s0'], virtio: ['vda', 'enp1s0'] } as const;

/** Makes its disk as a raw, sparse file. The first one of all takes some two minutes, which the cache saves later. */
export async function makeDebianDisk(path: string, settings: DebianSettings): Promise<void> {
  const tree = await debianTree();
  const work = await mkdtemp(`${path}.`);
  try {
    const root = join(work, 'root');
    await mkdir(root);
    await machine.run('tar', ['-C', root, '-xf', tree], { timeoutMs: 300_000 });
    const { hostname, address, gateway, drivers, devices = 'vmware' } = settings;
    const args = [join(FILES, 'prepare'), root, hostname, address, gateway, drivers, ...NAMES[devices]];
    await machine.run('sh', args, { timeoutMs: 600_000 });
    const grub = join(work, 'grub');
    await unpackPackages(GRUB_PACKAGES, grub);
    const disk = join(work, 'disk');
    const early = join(FILES, 'early.cfg');
    const plan = { earlyConfig: early, prefix: '/boot/grub', label: 'vmferry-debian', systemBytes: SYSTEM_BYTES };
    await assembleDisk(disk, root, grub, work, plan);
    await rename(disk, path);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** A tar archive of the installed system, made by debootstrap(8). */
async function debianTree(): Promise<string> {
  const key = createHash('sha256')
    .update(await readFile(fileURLToPath(import.meta.url)))
    .update(await readFile(join(FILES, 'trim')))
    .update((await candidateVersions(['linux-image-amd64'])).join())
    .digest('hex')
    .slice(0, 16);
  const tree = join(cacheDirectory(), 'guest', `debian-${key}.tar`);
  if (await exists(tree)) return tree;
  await mkdir(dirname(tree), { recursive: true });
  const work = await mkdtemp(`${tree}.`);
  try {
    const root = join(work, 'root');
    const options = ['--variant=minbase', `--include=${PACKAGES.join(',')}`];
    await machine.run('debootstrap', [...options, SUITE, root], { timeoutMs: 1_200_000 });
    await machine.run('sh', [join(FILES, 'trim'), root], { timeoutMs: 120_000 });
    await machine.run('tar', ['-C', root, '-cf', join(work, 'tree.tar'), '.'], { timeoutMs: 300_000 });
    await rename(join(work, 'tree.tar'), tree);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return tree;
}
