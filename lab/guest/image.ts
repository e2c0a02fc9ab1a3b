import { createHash, randomBytes } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDirectory } from '../../src/config.js';
import { VmferryError } from '../../src/errors.js';
import { LocalHost } from '../../src/exec/local.js';
import { candidateVersions, dependencies, exists, unpackPackages } from '../debian.js';
import { firstCounter } from './counter.js';
import { buildInitramfs } from './initramfs.js';

/**
 * The guest's system disk: an MBR with GRUB for BIOS in the gap before the first partition, an EFI system partition with
 * GRUB for UEFI, and an ext4 file system with kernel and initramfs. Built without mounting anything; raw and sparse.
 */

const machine = new LocalHost();
const FILES = fileURLToPath(new URL('../../../lab/guest/files', import.meta.url));
const MIB = 1024 * 1024;
const ESP_START = 1 * MIB;
const ESP_SIZE = 7 * MIB;
const SYSTEM_START = ESP_START + ESP_SIZE;
const SYSTEM_SIZE = 56 * MIB;
const COMMON_MODULES = ['part_msdos', 'fat', 'ext2', 'normal', 'configfile', 'linux', 'search', 'search_label'];

/** Where the FAT partition with `guest.cfg` lies in the image. */
export const SETTINGS_OFFSET_BYTES = ESP_START;

/** `cloud` boots fastest and has virtio, IDE and NVMe; `generic` has SATA and e1000 as well. */
export type GuestKernel = 'cloud' | 'generic';

/** Packages that depend on the kernel of now, the first that apt knows: Debian's, then Ubuntu's. */
const KERNEL_PACKAGES: Record<GuestKernel, string[]> = {
  cloud: ['linux-image-cloud-amd64', 'linux-image-virtual', 'linux-image-kvm'],
  generic: ['linux-image-amd64', 'linux-image-generic'],
};

/** The packages of a kernel and of its modules, which Ubuntu keeps apart. */
async function kernelPackages(kernel: GuestKernel): Promise<string[]> {
  for (const name of KERNEL_PACKAGES[kernel]) {
    const image = (await dependencies(name)).find((each) => /^linux-image-(unsigned-)?\d/.test(each));
    if (!image) continue;
    const modules = (await dependencies(image)).filter((each) => /^linux-modules-(extra-)?\d/.test(each));
    return [image, ...modules];
  }
  throw new VmferryError(
    'ToolFailed',
    `cannot build the lab's guest: apt knows no ${KERNEL_PACKAGES[kernel].join(', ')}`,
    {
      remedy: 'Run `apt-get update`, and look at the sources of apt.',
    },
  );
}

/**
 * Path of the cached image, built where it is missing (some ten seconds). Its name is a digest of the recipe and of the
 * versions of everything that goes in, so a changed recipe or a newer kernel makes another image.
 */
export async function guestImage(
  kernel: GuestKernel = 'cloud',
  onBuild: () => void = () => undefined,
): Promise<string> {
  const packages = { kernel: await kernelPackages(kernel), agent: ['qemu-guest-agent'], grub: GRUB_PACKAGES };
  const names = [...Object.values(packages).flat(), 'busybox-static'];
  const key = await recipeDigest([...names, ...(await candidateVersions(names))]);
  const image = join(cacheDirectory(), 'guest', `${kernel}-${key}.img`);
  if (await exists(image)) return image;
  onBuild();
  await mkdir(dirname(image), { recursive: true });
  const work = await mkdtemp(`${image}.`);
  try {
    const unpacked = (name: keyof typeof packages) => join(work, name);
    for (const name of ['kernel', 'agent', 'grub'] as const) await unpackPackages(packages[name], unpacked(name));
    const boot = join(work, 'system', 'boot');
    await mkdir(boot, { recursive: true });
    const kernelFile = (await readdir(join(unpacked('kernel'), 'boot'))).find((name) => name.startsWith('vmlinuz'));
    await copyFile(join(unpacked('kernel'), 'boot', kernelFile ?? 'vmlinuz'), join(boot, 'vmlinuz'));
    const parts = { files: FILES, kernel: unpacked('kernel'), agent: unpacked('agent') };
    await buildInitramfs(parts, join(work, 'initramfs'), join(boot, 'initrd'));
    await copyFile(join(FILES, 'grub.cfg'), join(boot, 'grub.cfg'));
    await writeFile(join(work, 'system', 'counter'), firstCounter());
    const built = join(work, 'image');
    await assembleDisk(built, join(work, 'system'), unpacked('grub'), work, {
      earlyConfig: join(FILES, 'early.cfg'),
      prefix: '/boot',
      label: 'vmferry-system',
      systemBytes: SYSTEM_SIZE,
    });
    await rename(built, image);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return image;
}

async function recipeDigest(versions: string[]): Promise<string> {
  const digest = createHash('sha256').update(versions.join('\n'));
  const sources = ['image.js', 'initramfs.js'].map((name) => fileURLToPath(new URL(name, import.meta.url)));
  const files = (await readdir(FILES)).sort().map((name) => join(FILES, name));
  for (const file of [...sources, ...files]) digest.update(`\0${file.split('/').pop()}\0`).update(await readFile(file));
  return digest.digest('hex').slice(0, 16);
}

/** How a system disk is made: where GRUB looks for its configuration, and the size of the file system with the label. */
export interface DiskPlan {
  earlyConfig: string;
  prefix: string;
  label: string;
  systemBytes: number;
}

export const GRUB_PACKAGES = ['grub-common', 'grub-pc-bin', 'grub-efi-amd64-bin'];

/** Makes the raw disk from a folder that is its file system, with GRUB out of unpacked packages. */
export async function assembleDisk(
  image: string,
  system: string,
  grub: string,
  work: string,
  plan: DiskPlan,
): Promise<void> {
  const bios = join(work, 'core.img');
  const efi = join(work, 'BOOTX64.EFI');
  await grubImage(grub, 'i386-pc', bios, ['biosdisk'], plan);
  await grubImage(grub, 'x86_64-efi', efi, [], plan);
  await machine.run('truncate', ['-s', String(SYSTEM_START + plan.systemBytes), '--', image]);
  const bootSector = await readFile(join(grub, 'usr/lib/grub/i386-pc/boot.img'));
  await writeBootSectors(image, bootSector, await readFile(bios), plan.systemBytes);

  const esp = `${image}@@${ESP_START}`;
  const label = ['-v', 'VMFERRY', '-N', randomBytes(4).toString('hex')];
  await machine.run('mformat', ['-i', esp, '-T', String(ESP_SIZE / 512), '-h', '16', '-s', '63', ...label, '::']);
  await machine.run('mmd', ['-i', esp, '::/EFI', '::/EFI/BOOT']);
  await machine.run('mcopy', ['-i', esp, efi, '::/EFI/BOOT/BOOTX64.EFI']);

  const options = ['-q', '-t', 'ext4', '-L', plan.label, '-d', system, '-E', `offset=${SYSTEM_START}`];
  await machine.run('mke2fs', [...options, '--', image, `${plan.systemBytes / 1024}k`], { timeoutMs: 300_000 });
}

async function grubImage(
  grub: string,
  format: string,
  output: string,
  modules: string[],
  { earlyConfig, prefix }: DiskPlan,
): Promise<void> {
  const folder = join(grub, 'usr/lib/grub', format);
  const libraries = `LD_LIBRARY_PATH=${join(grub, 'usr/lib/x86_64-linux-gnu')}`;
  const options = ['-O', format, '-d', folder, '-c', earlyConfig, '-p', prefix, '-o', output];
  const program = join(grub, 'usr/bin/grub-mkimage');
  await machine.run('env', [libraries, program, ...options, ...COMMON_MODULES, ...modules]);
}

/**
 * GRUB's boot sector with a partition table of two, and its core image in the sectors behind. Both expect exactly this:
 * boot.img loads the core from sector 1, and grub-mkimage lets the core's first sector load the rest from sector 2.
 */
async function writeBootSectors(image: string, bootSector: Buffer, core: Buffer, systemBytes: number): Promise<void> {
  const sector = Buffer.alloc(512);
  bootSector.copy(sector, 0, 0, 440);
  randomBytes(4).copy(sector, 440);
  partitionEntry(0xef, ESP_START, ESP_SIZE).copy(sector, 446);
  partitionEntry(0x83, SYSTEM_START, systemBytes).copy(sector, 462);
  sector.writeUInt16LE(0xaa55, 510);
  const file = await open(image, 'r+');
  try {
    await file.write(Buffer.concat([sector, core]), 0, undefined, 0);
  } finally {
    await file.close();
  }
}

/** One entry of an MBR; places beyond the reach of cylinders and heads are given as 0xfeffff. */
function partitionEntry(type: number, startBytes: number, sizeBytes: number): Buffer {
  const entry = Buffer.from([0, 0xfe, 0xff, 0xff, type, 0xfe, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
  entry.writeUInt32LE(startBytes / 512, 8);
  entry.writeUInt32LE(sizeBytes / 512, 12);
  return entry;
}
