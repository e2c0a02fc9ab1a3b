import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { after, before } from 'node:test';
import { execa } from 'execa';
import type { Appliance } from '../../../src/guest/appliance.js';
import { findKernels } from '../../../src/guest/inspect/kernels.js';
import { memoryTree } from '../../../src/guest/tree.js';

/**
 * Kernels as distributions lay them out, with initramfs files that the real packers wrote. The appliance is a few lines over
 * files in memory: what libguestfs itself does is tried in inspect.test.ts.
 */

let work: string;
before(async () => {
  work = await mkdtemp(join(tmpdir(), 'vmferry-kernels-'));
});
after(() => rm(work, { recursive: true, force: true }));

/** A cpio archive with these modules, packed by a command. */
async function initramfs(pack: string, modules: readonly string[] = ['virtio_pci', 'virtio_blk']): Promise<Buffer> {
  const folder = await mkdtemp(join(work, 'early-'));
  for (const name of modules) {
    const path = join(folder, 'lib/modules/x/kernel/drivers', `${name}.ko`);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, Buffer.alloc(3001, 2));
  }
  const script = `cd -- "$1" && find . | sort | busybox cpio -o -H newc 2>/dev/null | ${pack}`;
  return (await execa('sh', ['-c', script, 'sh', folder], { encoding: 'buffer' })).stdout as unknown as Buffer;
}

/** As a kernel for PCs begins: its set-up part with its version (Linux, Documentation/arch/x86/boot.rst). */
function image(version: string): Buffer {
  const bytes = Buffer.alloc(0x4000);
  bytes.write('MZ', 0);
  bytes.writeUInt16LE(0xaa55, 0x1fe);
  bytes.write('HdrS', 0x202);
  bytes.writeUInt16LE(0x20f, 0x206);
  bytes.writeUInt16LE(0x3140 - 0x200, 0x20e);
  bytes.write(`${version} (builder@host) #1 SMP PREEMPT_DYNAMIC\0`, 0x3140);
  return bytes;
}

const DEP = ['virtio_pci', 'virtio_blk', 'virtio_net'].map((name) => `kernel/drivers/x/${name}.ko.zst:`).join('\n');
const modules = (version: string) => ({ [`/lib/modules/${version}/modules.dep`]: DEP });

async function look(files: Record<string, string | Buffer>, unified: string[] = []) {
  const appliance = {
    fileBytes: (path: string) => Promise.resolve(path in files ? Buffer.byteLength(files[path]!) : null),
    piece: (path: string, at: number, length: number) =>
      Promise.resolve(Buffer.from(files[path] ?? '').subarray(at, at + length)),
  } as unknown as Appliance;
  const texts: Record<string, string> = {};
  for (const [path, content] of Object.entries(files)) texts[path] = content.toString('latin1');
  const notSeen: string[] = [];
  const kernels = await findKernels(appliance, memoryTree(texts), unified, notSeen);
  const found = kernels.map(({ version, initramfs, drivers }) => `${version} ${initramfs} ${drivers.virtio_blk}`);
  return { found, notSeen };
}

test('Alpine and Arch name kernels by flavour, and the image says of which version it is', async () => {
  const alpine = await look({
    '/boot/vmlinuz-lts': image('6.6.58-0-lts'),
    '/boot/vmlinuz-virt': image('6.6.58-0-virt'),
    '/boot/initramfs-lts': await initramfs('gzip -1'),
    '/boot/initramfs-virt': await initramfs('gzip -1', ['ahci']),
    '/boot/System.map-6.6.58-0-lts': '',
    '/boot/config-6.6.58-0-lts': '',
    ...modules('6.6.58-0-lts'),
    ...modules('6.6.58-0-virt'),
  });
  assert.deepEqual(alpine.found, [
    '6.6.58-0-lts /boot/initramfs-lts initramfs',
    '6.6.58-0-virt /boot/initramfs-virt module',
  ]);
  assert.deepEqual(alpine.notSeen, []);
  const arch = await look({
    '/boot/vmlinuz-linux': image('6.9.7-arch1-1'),
    '/boot/initramfs-linux.img': await initramfs('zstd -q -3'),
    '/boot/initramfs-linux-fallback.img': await initramfs('zstd -q -3', []),
    ...modules('6.9.7-arch1-1'),
    '/lib/modules/6.9.7-arch1-1/pkgbase': 'linux\n',
  });
  assert.deepEqual(arch.found, ['6.9.7-arch1-1 /boot/initramfs-linux.img initramfs']);
  assert.deepEqual(arch.notSeen, []);
});

test('kernels in a folder of the machine, as kernel-install lays them out, are found where the boot partition is', async () => {
  for (const place of ['/boot', '/efi', '/boot/efi']) {
    const version = '6.9.7-200.fc40.x86_64';
    const folder = `${place}/0123456789abcdef0123456789abcdef/${version}`;
    const { found, notSeen } = await look({
      [`${folder}/linux`]: image(version),
      [`${folder}/initrd`]: await initramfs('xz --check=crc32'),
      [`${place}/loader/entries/x.conf`]: 'title x\n',
      [`${place}/EFI/BOOT/BOOTX64.EFI`]: 'x',
      ...modules(version),
    });
    assert.deepEqual([found, notSeen], [[`${version} ${folder}/initrd initramfs`], []]);
  }
});

test('where a unified kernel image may be what is started, nothing that lies beside it counts as read', async () => {
  const version = '6.9.7-arch1-1';
  const files = {
    '/boot/vmlinuz-linux': image(version),
    '/boot/initramfs-linux.img': await initramfs('zstd -q'),
    ...modules(version),
  };
  const notSeen = ['what unified kernel images can drive, which are not looked into: arch-linux.efi'];
  const found = [`${version} /boot/initramfs-linux.img module`];
  assert.deepEqual(await look(files, ['arch-linux.efi']), { found, notSeen });
  assert.deepEqual(await look({ ...files, '/boot/EFI/Linux/arch-linux.efi': '' }), { found, notSeen });
});

test('an initramfs is read however it is packed', async () => {
  // lz4 as initramfs-tools calls it; all others with the options of dracut.
  const packers = ['cat', 'gzip', 'zstd -q', 'xz --check=crc32', 'bzip2', 'lz4 -9 -l', 'lzma', 'lzop -9'];
  for (const pack of packers) {
    const version = '5.4.0-200-generic';
    const { found, notSeen } = await look({
      [`/boot/vmlinuz-${version}`]: 'x',
      [`/boot/initrd.img-${version}`]: await initramfs(pack),
      ...modules(version),
    });
    assert.deepEqual([found, notSeen], [[`${version} /boot/initrd.img-${version} initramfs`], []], pack);
    const torn = await look({
      [`/boot/vmlinuz-${version}`]: 'x',
      [`/boot/initrd.img-${version}`]: (await initramfs(pack)).subarray(0, 120),
      ...modules(version),
    });
    assert.match(torn.notSeen.join(), /^what the initramfs of 5\.4\.0-200-generic holds: /, `${pack}, cut off`);
  }
});

test('a kernel or modules that nothing belongs to are said to be unseen, and what a removed kernel left is not', async () => {
  const orphaned = await look({
    // As where /boot was not mounted while the guest was updated.
    '/boot/vmlinuz-linux': image('6.9.6-arch1-1'),
    '/boot/initramfs-linux.img': await initramfs('zstd -q'),
    ...modules('6.9.7-arch1-1'),
  });
  assert.deepEqual(orphaned, {
    found: [],
    notSeen: [
      'what /boot/vmlinuz-linux can drive: it has no modules in /lib/modules',
      'the kernels of the modules of 6.9.7-arch1-1: no image was found',
    ],
  });
  assert.deepEqual(await look({ '/boot/vmlinuz-odd': 'no kernel' }), {
    found: [],
    notSeen: ['what /boot/vmlinuz-odd can drive: it does not say its version'],
  });
  const { notSeen } = await look({ '/boot/vmlinuz-\u001b[2J': 'no kernel' });
  assert.deepEqual(notSeen, ['what "/boot/vmlinuz-\\u001b[2J" can drive: it does not say its version']);
  assert.deepEqual(await look({ '/etc/fstab': '' }), { found: [], notSeen: ['its kernels: none was found'] });
  const version = '5.14.0-503.el9.x86_64';
  const updated = await look({
    [`/boot/vmlinuz-${version}`]: 'x',
    [`/boot/initramfs-${version}.img`]: await initramfs('gzip'),
    '/boot/vmlinuz-0-rescue-0123456789abcdef0123456789abcdef': image('5.14.0-70.el9.x86_64'),
    '/boot/initramfs-0-rescue-0123456789abcdef0123456789abcdef.img': '',
    ...modules(version),
    '/lib/modules/5.14.0-70.el9.x86_64/weak-updates/x.ko': '',
  });
  assert.deepEqual(updated, { found: [`${version} /boot/initramfs-${version}.img initramfs`], notSeen: [] });
});
