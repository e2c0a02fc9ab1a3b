import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LocalHost } from '../../../src/exec/local.js';
import type { Appliance } from '../../../src/guest/appliance.js';
import { inAppliance } from '../../../src/guest/open-appliance.js';
import { writeHive } from './windows-registry.js';

/** Disks of guests that need more than mke2fs to be made: all of them in one appliance. */

const machine = new LocalHost();
const MIB = 2 ** 20;
/** In MiB. `-a` and `-b` are two disks of one guest. */
const DISKS = { 'volumes-a': 220, 'volumes-b': 180, dos: 16, 'asleep-a': 32, 'asleep-b': 4, awake: 32 };
export type DiskName = keyof typeof DISKS;

/** Paths of raw disks in a folder. */
export async function buildDisks(folder: string): Promise<Record<DiskName, string>> {
  const names = Object.keys(DISKS) as DiskName[];
  const paths = Object.fromEntries(names.map((name) => [name, join(folder, `${name}.img`)])) as Record<
    DiskName,
    string
  >;
  for (const name of names) await machine.run('truncate', ['-s', `${DISKS[name]}M`, '--', paths[name]]);
  const disks = names.map((id) => ({ id, path: paths[id], format: 'raw' as const }));
  const work = await mkdtemp(join(folder, 'work-'));
  try {
    await inAppliance({ host: machine, accelerator: 'tcg', disks }, { readOnly: false }, async (appliance) => {
      const device = (name: DiskName) => appliance.devices.get(name) ?? '';
      await volumes(appliance, work, device('volumes-a'), device('volumes-b'));
      await dos(appliance, work, device('dos'));
      await windows(appliance, work, device('asleep-a'), { asleep: true });
      await appliance.command(['part-disk', device('asleep-b'), 'mbr']);
      // What Windows marks the partition of a dynamic disk with.
      await appliance.command(['part-set-mbr-id', device('asleep-b'), '1', '0x42']);
      await windows(appliance, work, device('awake'), { asleep: false });
    });
  } finally {
    await rm(work, { recursive: true });
  }
  return paths;
}

/** Linux for UEFI: its root a subvolume of btrfs, on LVM, on a RAID of two disks. */
async function volumes(appliance: Appliance, work: string, first: string, second: string): Promise<void> {
  await partition(appliance, first, 'gpt', [20 * MIB, 170 * MIB]);
  await partition(appliance, second, 'gpt', [170 * MIB]);
  await appliance.command(['part-set-gpt-type', first, '1', 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B']);
  await appliance.command(['mkfs', 'vfat', `${first}1`, 'label:EFI']);
  await appliance.command(['md-create', 'r0', [`${first}2`, `${second}1`], 'level:raid1']);
  await appliance.command(['pvcreate', '/dev/md/r0']);
  await appliance.command(['vgcreate', 'vg', ['/dev/md/r0']]);
  await appliance.command(['lvcreate', 'root', 'vg', '140']);
  await appliance.command(['mkfs', 'btrfs', '/dev/vg/root']);
  await appliance.command(['mount', '/dev/vg/root', '/']);
  for (const name of ['/@', '/@home']) await appliance.command(['btrfs-subvolume-create', name]);
  await appliance.command(['umount', '/']);
  await appliance.command(['mount-options', 'subvol=@', '/dev/vg/root', '/']);
  await appliance.command(['mkdir-p', '/boot/efi']);
  await appliance.command(['mount', `${first}1`, '/boot/efi']);
  await put(appliance, work, {
    'bin/sh': 'x',
    'usr/sbin/qemu-ga': 'x',
    'etc/os-release': 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian on volumes"\n',
    'etc/debian_version': '12.5\n',
    'etc/fstab':
      '/dev/mapper/vg-root / btrfs subvol=@ 0 0\n/dev/mapper/vg-root /home btrfs subvol=@home 0 0\nLABEL=EFI /boot/efi vfat umask=0077 0 1\n',
    'home/.keep': '',
    'boot/efi/EFI/debian/shimx64.efi': 'x',
    'var/lib/dpkg/status': '',
  });
  await appliance.command(['umount-all']);
  await appliance.command(['vg-activate-all', 'false']);
}

async function dos(appliance: Appliance, work: string, device: string): Promise<void> {
  await partition(appliance, device, 'mbr', [8 * MIB]);
  await appliance.command(['mkfs', 'vfat', `${device}1`]);
  await appliance.command(['mount', `${device}1`, '/']);
  await put(appliance, work, { 'FDOS/FREEDOS.BSS': 'x' });
  await appliance.command(['umount', '/']);
}

/** As much of a Windows 7 as libguestfs looks for. */
async function windows(appliance: Appliance, work: string, device: string, { asleep }: { asleep: boolean }) {
  await partition(appliance, device, 'mbr', [28 * MIB]);
  await appliance.command(['pwrite-device', device, '\x33', '0']);
  await appliance.command(['mkfs', 'ntfs', `${device}1`]);
  await appliance.command(['mount', `${device}1`, '/']);
  const config = join(work, asleep ? 'asleep' : 'awake', 'Windows/System32/config');
  await mkdir(config, { recursive: true });
  await writeHive(join(config, 'SOFTWARE'), {
    'Microsoft\\Windows NT\\CurrentVersion': {
      ProductName: '"Windows 7 Phony"',
      CurrentVersion: '"6.1"',
      InstallationType: '"Client"',
    },
  });
  await writeHive(join(config, 'SYSTEM'), {
    Select: { Current: 'dword:00000002' },
    // What was in use before does not count.
    'ControlSet001\\Control\\Session Manager\\Power': { HiberbootEnabled: `dword:0000000${asleep ? 0 : 1}` },
    'ControlSet002\\Control\\Session Manager\\Power': { HiberbootEnabled: `dword:0000000${asleep ? 1 : 0}` },
    'ControlSet002\\Services\\Tcpip\\Parameters': { Hostname: '"phony"' },
  });
  const drivers = asleep ? ['disk.sys'] : ['VIOSTOR.SYS', 'netkvm.sys'];
  const files: Record<string, string | Buffer> = {
    'Windows/System32/cmd.exe': executable(),
    'Program Files/.keep': '',
    ...Object.fromEntries(drivers.map((name) => [`Windows/System32/drivers/${name}`, 'x'])),
    ...(asleep ? { 'hiberfil.sys': Buffer.concat([Buffer.from('hibr'), Buffer.alloc(4096)]) } : {}),
  };
  await put(appliance, join(work, asleep ? 'asleep' : 'awake'), files);
  await appliance.command(['umount', '/']);
}

async function partition(appliance: Appliance, device: string, table: string, sizes: number[]): Promise<void> {
  await appliance.command(['part-init', device, table]);
  let start = MIB / 512;
  for (const sizeBytes of sizes) {
    const end = start + sizeBytes / 512 - 1;
    await appliance.command(['part-add', device, 'p', String(start), String(end)]);
    start = end + 1;
  }
}

/** Unpacks files over what is mounted, with what lies in the folder already. */
async function put(appliance: Appliance, folder: string, files: Record<string, string | Buffer>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  await machine.run('tar', ['-C', folder, '-cf', `${folder}.tar`, '.']);
  await appliance.command(['tar-in', `${folder}.tar`, '/']);
  await rm(`${folder}.tar`);
  for (const name of Object.keys(files)) await rm(join(folder, name));
}

/** The headers of a program for Windows on x86-64 (PE Format, "MS-DOS Stub", "COFF File Header", "Optional Header"). */
function executable(): Buffer {
  const bytes = Buffer.alloc(1024);
  bytes.write('MZ', 0);
  bytes.writeUInt32LE(0x80, 0x3c);
  bytes.write('PE\0\0', 0x80);
  bytes.writeUInt16LE(0x8664, 0x84);
  bytes.writeUInt16LE(240, 0x94);
  bytes.writeUInt16LE(0x0022, 0x96);
  bytes.writeUInt16LE(0x20b, 0x98);
  bytes.writeUInt16LE(3, 0x98 + 68);
  return bytes;
}

/** One disk of which nothing can be read: two partitions, encrypted with LUKS and with BitLocker. */
export async function lockedDisk(path: string): Promise<void> {
  const [luks, key] = [`${path}.luks`, `${path}.key`];
  await machine.run('truncate', ['-s', '32M', '--', luks]);
  await writeFile(key, 'secret');
  const format = ['luksFormat', '--batch-mode', '--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000'];
  await machine.run('cryptsetup', [...format, '--', luks, key]);
  await machine.run('truncate', ['-s', '48M', '--', path]);
  const table = `label: gpt\nstart=${MIB / 512}, size=${(32 * MIB) / 512}\nstart=${(33 * MIB) / 512}\n`;
  await machine.run('sfdisk', ['--quiet', '--', path], { input: table });
  const file = await open(path, 'r+');
  await file.write(await readFile(luks), 0, 32 * MIB, MIB);
  // As a volume of Windows Vista begins (libbde's documentation of the format, "Volume header").
  const header = Buffer.from('\xeb\x52\x90-FVE-FS-', 'latin1');
  await file.write(header, 0, header.length, 33 * MIB);
  await file.close();
  await Promise.all([rm(luks), rm(key)]);
}
