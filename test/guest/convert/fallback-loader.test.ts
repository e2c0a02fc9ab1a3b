import assert from 'node:assert/strict';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { LocalHost } from '../../../src/exec/local.js';
import { convertGuest } from '../../../src/guest/convert/convert.js';
import { addFallbackLoader, chooseLoader } from '../../../src/guest/convert/fallback-loader.js';
import { lookInside } from '../../../src/guest/inspect/look-inside.js';
import type { Appliance } from '../../../src/guest/appliance.js';
import type { SystemPartition } from '../../../src/guest/inspect/system-partition.js';
import type { Conversion } from '../../../src/model/conversion.js';
import type { VmDescription } from '../../../src/model/vm.js';
import { LIMITS } from '../../../src/platforms/libvirt/limits.js';
import { describePlace } from '../../../src/platforms/files/describe-place.js';

/** A boot loader that only the UEFI variables of the old machine name: put where firmware looks without variables. */

const machine = new LocalHost();
const MIB = 2 ** 20;
const ESP = { at: MIB, bytes: 40 * MIB };

/** A machine of UEFI in VMX, with a Debian that does not mount its system partition by fstab. Returns the VMX and its disk. */
async function guest(folder: string): Promise<{ vmx: string; disk: string }> {
  const [disk, esp, root] = [join(folder, 'web01-flat.vmdk'), join(folder, 'esp'), join(folder, 'root')];
  await machine.run('truncate', ['-s', `${ESP.bytes}`, '--', esp]);
  await machine.run('mformat', ['-i', esp, '-T', `${ESP.bytes / 512}`, '-h', '16', '-s', '63', '::']);
  await machine.run('mmd', ['-i', esp, '::/EFI', '::/EFI/debian']);
  for (const name of ['shimx64.efi', 'grubx64.efi', 'mmx64.efi', 'fbx64.efi']) {
    await writeFile(join(folder, name), `${name} `.repeat(50_000));
    await machine.run('mcopy', ['-i', esp, join(folder, name), `::/EFI/debian/${name}`]);
  }
  for (const [name, text] of Object.entries({ fstab: '', debian_version: '12.5\n' })) {
    await machine.run('mkdir', ['-p', join(root, 'etc'), join(root, 'bin'), join(root, 'usr'), join(root, 'boot')]);
    await writeFile(join(root, 'etc', name), text);
  }
  await writeFile(join(root, 'etc/os-release'), 'ID=debian\nVERSION_ID="12"\n');
  await machine.run('truncate', ['-s', '90M', '--', disk]);
  const table = `label: gpt\nstart=2048, size=${ESP.bytes / 512}, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\nsize=81920\n`;
  await machine.run('sfdisk', ['--quiet', '--', disk], { input: table });
  await machine.run('mke2fs', ['-q', '-F', '-t', 'ext4', '-E', `offset=${41 * MIB}`, '-d', root, '--', disk, '40M']);
  const file = await open(disk, 'r+');
  await file.write(await readFile(esp), 0, ESP.bytes, ESP.at);
  await file.close();
  const extent = `RW ${(90 * MIB) / 512} FLAT "web01-flat.vmdk" 0`;
  await writeFile(
    join(folder, 'web01.vmdk'),
    `# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\n${extent}\nddb.adapterType = "lsilogic"\n`,
  );
  const vmx = join(folder, 'web01.vmx');
  const lines = ['displayName = "web01"', 'memsize = "1024"', 'firmware = "efi"', 'nvram = "web01.nvram"'];
  const more = ['scsi0.present = "TRUE"', 'scsi0.virtualDev = "lsilogic"', 'guestOS = "debian12-64"'];
  const drive = ['scsi0:0.present = "TRUE"', 'scsi0:0.fileName = "web01.vmdk"'];
  await writeFile(vmx, [...lines, ...more, ...drive].join('\n'));
  return { vmx, disk };
}

const convert = (vm: VmDescription, path: string): Promise<Conversion> =>
  convertGuest(
    {
      ...{ host: machine, accelerator: 'tcg', limits: LIMITS },
      disks: [{ id: vm.disks[0]!.id, path, format: 'raw' as const }],
    },
    { vm, devices: 'virtio', most: 'light', seen: [] },
  );

test("a light conversion copies Debian's shim and GRUB to \\EFI\\BOOT, and firmware finds it", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-efi-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const { vmx, disk } = await guest(folder);
  const vm = (await describePlace(vmx, null, false)).described;
  assert.equal(vm.nvramPath, null);
  assert.deepEqual(
    vm.findings.map(({ id }) => id).filter((id) => id.startsWith('firmware.')),
    ['firmware.variables-format', 'firmware.variables-new'],
  );
  const before = await readFile(disk);
  const done = await convert(vm, disk);
  assert.deepEqual(done.changes, [
    '\\EFI\\BOOT\\grubx64.efi, \\EFI\\BOOT\\mmx64.efi, \\EFI\\BOOT\\BOOTX64.EFI: copied from \\EFI\\debian',
  ]);
  const found = done.findings.filter(({ id }) => id === 'guest.boot-fallback');
  assert.deepEqual(
    found.map(({ severity }) => severity),
    ['info'],
  );
  const list = async () => (await machine.run('mdir', ['-b', '-/', '-i', `${disk}@@${ESP.at}`, '::/EFI'])).stdout;
  assert.deepEqual(
    (await list())
      .trim()
      .split('\n')
      .map((line) => line.toLowerCase())
      .sort(),
    [
      ...['bootx64.efi', 'grubx64.efi', 'mmx64.efi'].map((name) => `::/efi/boot/${name}`),
      ...['fbx64.efi', 'grubx64.efi', 'mmx64.efi', 'shimx64.efi'].map((name) => `::/efi/debian/${name}`),
      ...['::/efi/boot/', '::/efi/debian/'],
    ].sort(),
  );
  for (const [to, from] of Object.entries({ 'BOOTX64.EFI': 'shimx64.efi', 'grubx64.efi': 'grubx64.efi' })) {
    const { stdout } = await machine.run('mtype', ['-i', `${disk}@@${ESP.at}`, `::/EFI/BOOT/${to}`]);
    assert.equal(stdout, await readFile(join(folder, from), 'utf8'), to);
  }
  assert.notDeepEqual(await readFile(disk), before);
  const disks = [{ id: vm.disks[0]!.id, path: disk, format: 'raw' as const }];
  const { boots } = await lookInside({ host: machine, accelerator: 'tcg', disks }, { nics: [] });
  assert.deepEqual(boots, { bios: false, uefi: true, uefiFallback: true });
});

test('where a loader is there, or variables come along, the disks are not touched', async () => {
  const never = {} as Appliance;
  const boots = { bios: false, uefi: true, uefiFallback: false };
  const own = { firmware: 'uefi', nvramPath: '/nvram/web01.fd' } as const;
  const nothing = { changes: [], findings: [] };
  assert.deepEqual(await addFallbackLoader(never, own, { boots, os: null }, {}), nothing);
  await assert.rejects(addFallbackLoader(never, own, { boots, os: null }, { onlyDevices: true }), TypeError);
  const there = { boots: { ...boots, uefiFallback: true }, os: null };
  assert.deepEqual(await addFallbackLoader(never, { ...own, nvramPath: null }, there, {}), nothing);
  const bios = { firmware: 'bios', nvramPath: null } as const;
  assert.deepEqual(await addFallbackLoader(never, bios, { boots, os: null }, {}), nothing);
});

const on = (folders: Record<string, string[]>, device = '/dev/sda1'): SystemPartition => ({
  device,
  folders: Object.entries(folders).map(([name, files]) => ({ path: `/EFI/${name}`, files })),
});
const copies = (folders: Record<string, string[]>, distribution: string | null = 'debian') => {
  const chosen = chooseLoader([on(folders)], distribution);
  return typeof chosen === 'string' ? chosen : chosen.copies.map(({ from, to }) => `${from} ${to}`);
};

test('GRUB alone and systemd-boot are copied as they are, and FAT knows no case', () => {
  assert.deepEqual(copies({ arch: ['grubx64.efi'] }), ['/EFI/arch/grubx64.efi /EFI/BOOT/BOOTX64.EFI']);
  assert.deepEqual(copies({ systemd: ['systemd-bootx64.efi'], Linux: ['debian-6.1.efi'] }), [
    '/EFI/systemd/systemd-bootx64.efi /EFI/BOOT/BOOTX64.EFI',
  ]);
  assert.deepEqual(copies({ Boot: ['BOOTIA32.EFI'], DEBIAN: ['SHIMX64.EFI', 'GRUBX64.EFI'] }), [
    '/EFI/DEBIAN/GRUBX64.EFI /EFI/Boot/grubx64.efi',
    '/EFI/DEBIAN/SHIMX64.EFI /EFI/Boot/BOOTX64.EFI',
  ]);
});

test("SUSE's shim is copied with the GRUB and its menu that it starts, as its own shim-install does without fallback.efi", () => {
  const opensuse = ['MokManager.efi', 'boot.csv', 'grub.cfg', 'grub.efi', 'grubx64.efi', 'shim.efi'];
  assert.deepEqual(copies({ opensuse }), [
    '/EFI/opensuse/grub.efi /EFI/BOOT/grub.efi',
    '/EFI/opensuse/grub.cfg /EFI/BOOT/grub.cfg',
    '/EFI/opensuse/MokManager.efi /EFI/BOOT/MokManager.efi',
    '/EFI/opensuse/shim.efi /EFI/BOOT/BOOTX64.EFI',
  ]);
  assert.equal(copies({ opensuse, boot: ['fallback.efi'] }), '\\EFI\\boot\\fallback.efi is there already');
  assert.equal(copies({ opensuse, boot: ['grub.cfg'] }), '\\EFI\\boot\\grub.cfg is there already');
  // What is called so there is systemd-boot.
  const unknown = 'no boot loader is known among those on its disks';
  assert.equal(copies({ systemd: ['shim.efi', 'grub.efi', 'MokManager.efi'] }), unknown);
});

test('of several loaders the one of the guest itself is taken; where it is not plain, nothing is', () => {
  const two = { fedora: ['shimx64.efi', 'grubx64.efi'], redhat: ['shimx64.efi', 'grubx64.efi'] };
  assert.match(copies(two, 'rhel')[0]!, /^\/EFI\/redhat\//);
  assert.equal(copies(two, 'debian'), 'it has several: \\EFI\\fedora, \\EFI\\redhat');
  const twice = chooseLoader([on({ debian: ['grubx64.efi'] }), on({ debian: ['grubx64.efi'] }, '/dev/sdb1')], 'debian');
  assert.equal(twice, 'it has several: \\EFI\\debian, \\EFI\\debian');
});

test('what is there stays, and a loader that would not start from there is not copied', () => {
  const debian = ['shimx64.efi', 'grubx64.efi'];
  assert.equal(copies({ BOOT: ['grubx64.efi'], debian }), '\\EFI\\BOOT\\grubx64.efi is there already');
  assert.equal(copies({ BOOT: ['fbx64.efi'], debian }), '\\EFI\\BOOT\\fbx64.efi is there already');
  const unknown = 'no boot loader is known among those on its disks';
  assert.equal(copies({ debian: ['shimx64.efi'] }), unknown);
  // Not in a folder of its own.
  const top: SystemPartition = { device: '/dev/sda1', folders: [{ path: '/', files: ['EFI', 'grubx64.efi'] }] };
  assert.equal(chooseLoader([top], 'debian'), unknown);
  assert.equal(copies({ redhat: ['grub.efi'], Microsoft: ['SecureBootRecovery.efi'] }), unknown);
});
