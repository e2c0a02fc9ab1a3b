import { mkdir, mkdtemp, open, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LocalHost } from '../../../src/exec/local.js';

/** A Linux guest's disk, made of files: as much of it as an inspection looks at, and no program that could run. */
export interface GuestImage {
  /** Files by absolute path. */
  files: Record<string, string>;
  /** Whether the first sector holds code, as where a boot loader is installed for a BIOS. */
  bootCode: boolean;
  /** Modules of the one kernel, and those of them that are in its initramfs. */
  modules: string[];
  early: string[];
  /** More of mke2fs' options, such as how many inodes there are. */
  options?: string[];
  sizeMib?: number;
  /** Changes the files once more, by the folder that holds them. */
  shape?: (root: string) => Promise<void>;
  /** Commands of debugfs(8) for the file system that was made. */
  debugfs?: string[];
  /** Packs the initramfs, from standard input to standard output. */
  pack?: string;
}

const machine = new LocalHost();
export const KERNEL = '6.1.0-1-amd64';
const START_BYTES = 1024 * 1024;

/** Writes a raw disk with one partition. */
export async function makeGuestImage(path: string, image: GuestImage): Promise<void> {
  const work = await mkdtemp(`${path}.`);
  const root = join(work, 'root');
  try {
    const modules = image.modules.map((name) => `kernel/drivers/x/${name}.ko: `).join('\n');
    const files: Record<string, string> = {
      [`/boot/vmlinuz-${KERNEL}`]: 'kernel',
      [`/lib/modules/${KERNEL}/modules.dep`]: `${modules}\n`,
      [`/lib/modules/${KERNEL}/modules.builtin`]: 'kernel/fs/ext4/ext4.ko\n',
      ...image.files,
    };
    for (const folder of ['bin', 'etc', 'usr', 'var', 'boot']) await mkdir(join(root, folder), { recursive: true });
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(root, name)), { recursive: true });
      await writeFile(join(root, name), text);
    }
    await makeInitramfs(work, join(root, `boot/initrd.img-${KERNEL}`), image);
    await symlink('round', join(root, 'etc', 'round'));
    await image.shape?.(root);
    await machine.run('truncate', ['-s', `${image.sizeMib ?? 40}M`, '--', path]);
    await machine.run('sfdisk', ['--quiet', '--', path], { input: 'label: dos\nstart=2048, type=83\n' });
    const size = `${(image.sizeMib ?? 40) - 1}M`;
    const options = ['-q', '-F', '-t', 'ext4', '-E', `offset=${START_BYTES}`, '-d', root, ...(image.options ?? [])];
    await machine.run('mke2fs', [...options, '--', path, size], { timeoutMs: 120_000 });
    const target = `${path}?offset=${START_BYTES}`;
    for (const each of image.debugfs ?? []) await machine.run('debugfs', ['-w', '-R', each, target]);
    if (image.bootCode) {
      const file = await open(path, 'r+');
      await file.write(Buffer.from([0xeb, 0x63]), 0, 2, 0);
      await file.close();
    }
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** As initramfs-tools writes them: microcode first, as it is, then the rest, packed. */
async function makeInitramfs(work: string, output: string, { early, pack = 'gzip -1' }: GuestImage): Promise<void> {
  const [microcode, main] = [join(work, 'microcode'), join(work, 'main')];
  await mkdir(join(microcode, 'kernel/x86/microcode'), { recursive: true });
  await writeFile(join(microcode, 'kernel/x86/microcode/GenuineIntel.bin'), Buffer.alloc(5000, 1));
  const modules = join(main, 'usr/lib/modules', KERNEL, 'kernel/drivers');
  await mkdir(modules, { recursive: true });
  for (const name of early) await writeFile(join(modules, `${name}.ko`), Buffer.alloc(3001, 2));
  await writeFile(join(main, 'zz'), 'x');
  const script =
    'cpio() { (cd -- "$1" && find . | sort | busybox cpio -o -H newc 2>/dev/null); }; { cpio "$1"; cpio "$2" | $4; } >"$3"';
  await machine.run('sh', ['-c', script, 'sh', microcode, main, output, pack]);
}
