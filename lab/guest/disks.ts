import { copyFile, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LocalHost } from '../../src/exec/local.js';
import { firstCounter } from './counter.js';
import { guestImage, SETTINGS_OFFSET_BYTES, type GuestKernel } from './image.js';

/** Makes the disks of one guest, on the machine that holds the lab: paths are the same inside a lab host. */

export type DiskFormat = 'qcow2' | 'raw';

export interface DataDisk {
  /** Default 1 GiB. */
  sizeBytes?: number;
  /** Default qcow2. */
  format?: DiskFormat;
  /** Random data put in before the first boot. Default none: about a MiB is allocated. */
  fillBytes?: number;
}

const GIB = 1024 ** 3;
const machine = new LocalHost();

/** The system disk, with the guest's settings (kernel parameters, see guest/files/init) on its small partition. */
export async function makeSystemDisk(
  path: string,
  format: DiskFormat,
  kernel: GuestKernel,
  settings: Record<string, string>,
): Promise<void> {
  const work = await mkdtemp(`${path}.`);
  try {
    const raw = join(work, 'disk');
    await machine.run('cp', ['--sparse=always', '--', await guestImage(kernel), raw]);
    const words = Object.entries(settings).map(([name, value]) => `vmferry.${name}=${value}`);
    await writeFile(join(work, 'guest.cfg'), `set vmferry_options='${words.join(' ')}'\n`);
    const partition = `${raw}@@${SETTINGS_OFFSET_BYTES}`;
    await machine.run('mcopy', ['-o', '-i', partition, join(work, 'guest.cfg'), '::/guest.cfg']);
    await convert(raw, path, format);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** A data disk: an ext4 file system with the counter, labelled with its letter (a, b, …), on the whole disk. */
export async function makeDataDisk(path: string, letter: string, disk: DataDisk): Promise<void> {
  const work = await mkdtemp(`${path}.`);
  try {
    const raw = join(work, 'disk');
    const content = join(work, 'content');
    await mkdir(content);
    await writeFile(join(content, 'counter'), firstCounter());
    if (disk.fillBytes) {
      const fill = 'exec head -c "$1" /dev/urandom > "$2"';
      const args = ['-c', fill, 'sh', String(disk.fillBytes), join(content, 'fill')];
      await machine.run('sh', args, { timeoutMs: 600_000 });
    }
    await machine.run('truncate', ['-s', String(disk.sizeBytes ?? GIB), '--', raw]);
    // Few inodes, all written now: the guest's kernel would otherwise go on writing tables for minutes.
    const options = ['-q', '-t', 'ext4', '-L', `vmferry-${letter}`, '-d', content, '-N', '1024', '-J', 'size=8'];
    await machine.run('mke2fs', [...options, '-E', 'lazy_itable_init=0', '--', raw], { timeoutMs: 600_000 });
    await convert(raw, path, disk.format ?? 'qcow2');
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** An empty store of UEFI variables. */
export async function makeVariables(path: string, template: string): Promise<void> {
  await copyFile(template, path);
}

async function convert(raw: string, path: string, format: DiskFormat): Promise<void> {
  if (format === 'raw') await rename(raw, path);
  else {
    await machine.run('qemu-img', ['convert', '-f', 'raw', '-O', format, '--', raw, path], { timeoutMs: 600_000 });
  }
}
