import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { check } from '../../../src/checks/index.js';
import { LocalHost } from '../../../src/exec/local.js';
import { openAppliance } from '../../../src/guest/open-appliance.js';
import { inspectGuest } from '../../../src/guest/inspect/inspect-guest.js';
import { DRIVERS } from '../../../src/model/drivers.js';
import { inspectedGuest, type InspectedGuest } from '../../../src/model/guest.js';
import { factsOf, nic, uefi, type Given } from '../../checks/facts.js';
import { KERNEL, makeGuestImage } from './guest-image.js';

const machine = new LocalHost();
const OS_RELEASE = `ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n`;
const UUID = '0d1e2f3a-4b5c-4d6e-8f90-a1b2c3d4e5f6';
const MAC = '52:54:00:11:22:33';

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-inspect-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function inspect(...paths: string[]): Promise<InspectedGuest> {
  const disks = paths.map((path, index) => ({ id: `vd${'abc'[index]}`, path, format: 'raw' as const }));
  // What runs everywhere: KVM may be there and still not run an appliance.
  const appliance = await openAppliance(machine, disks, { readOnly: true, tcg: true });
  try {
    const guest = await inspectGuest(appliance, { nics: [{ mac: MAC }] });
    return inspectedGuest.parse(guest);
  } finally {
    await appliance.close();
  }
}

const findings = (guest: InspectedGuest, given: Partial<Given> = {}) =>
  check({ ...factsOf(given), guest }).filter(({ id }) => /^guest\./.test(id));

test('a guest that is ready for its target is known, and nothing is said of it', async (t) => {
  const path = join(await folderOf(t), 'good.img');
  await makeGuestImage(path, {
    files: {
      '/etc/os-release': OS_RELEASE,
      '/etc/debian_version': '12.5\n',
      '/etc/hostname': 'web01\n',
      '/etc/fstab': `UUID=${UUID} / ext4 defaults 0 1\n/dev/sr0 /media/cdrom udf,iso9660 user,noauto 0 0\n`,
      '/usr/sbin/qemu-ga': 'x',
      '/etc/systemd/system/multi-user.target.wants/ssh.service': '[Unit]\n',
      '/var/lib/dpkg/status':
        'Package: openssh-server\nStatus: install ok installed\nVersion: 1:9.2p1-2\nArchitecture: amd64\n\n',
      [`/boot/grub/grub.cfg`]: `menuentry 'x' {\n linux /boot/vmlinuz-${KERNEL} root=UUID=${UUID} ro\n initrd /boot/initrd.img-${KERNEL}\n}\n`,
    },
    bootCode: true,
    modules: ['virtio_pci', 'virtio_blk', 'virtio_net', 'virtio_scsi', 'ahci', 'e1000'],
    early: ['virtio_pci', 'virtio_blk', 'ahci'],
    options: ['-U', UUID, '-L', 'root fs'],
    sizeMib: 300,
    pack: 'zstd -q -3',
  });
  const guest = await inspect(path);
  assert.deepEqual(guest.os, {
    ...{ kind: 'linux', distribution: 'debian', version: '12.5', productName: 'Debian GNU/Linux 12 (bookworm)' },
    ...{ architecture: null, packageFormat: 'deb', hostname: 'web01' },
  });
  assert.deepEqual(guest.disks, [{ id: 'vda', device: '/dev/sda', table: 'msdos' }]);
  const [root] = guest.filesystems;
  assert.deepEqual(
    [root?.device, root?.type, root?.label, root?.uuid, root?.mountpoint],
    ['/dev/sda1', 'ext4', 'root fs', UUID, '/'],
  );
  assert.ok((root?.freeBytes ?? 0) > 200 * 2 ** 20 && (root?.freeInodes ?? 0) > 1000);
  const drivers = {
    ...Object.fromEntries(DRIVERS.map((name) => [name, 'none'])),
    ...{ virtio_pci: 'initramfs', virtio_blk: 'initramfs', ahci: 'initramfs' },
    ...{ virtio_scsi: 'module', virtio_net: 'module', e1000: 'module' },
  };
  assert.deepEqual(guest.kernels, [
    {
      version: KERNEL,
      initramfs: `/boot/initrd.img-${KERNEL}`,
      initramfsRead: true,
      drivers,
    },
  ]);
  assert.deepEqual(guest.boots, { bios: true, uefi: false, uefiFallback: false });
  assert.deepEqual(guest.services, ['ssh.service']);
  assert.deepEqual(guest.applications, [{ name: 'openssh-server', version: '9.2p1' }]);
  assert.deepEqual(guest.notSeen, []);
  assert.deepEqual(findings(guest), []);
});

test('what would go wrong with a guest is found in its disks', async (t) => {
  const folder = await folderOf(t);
  const [path, locked] = [join(folder, 'bad.img'), join(folder, 'locked.img')];
  await makeGuestImage(path, {
    files: {
      '/etc/os-release': OS_RELEASE,
      '/etc/fstab': '/dev/sda1 / ext4 defaults 0 1\n',
      '/etc/network/interfaces': 'auto ens192\niface ens192 inet static\n  address 192.0.2.1/24\n',
      '/lib/udev/rules.d/80-net-setup-link.rules': 'IMPORT{builtin}="net_setup_link"\n',
      '/usr/bin/vmtoolsd': 'x',
      '/boot/grub/grub.cfg': `menuentry 'x' {\n linux /boot/vmlinuz-${KERNEL} root=/dev/sda1 ro\n initrd /boot/initrd.img-${KERNEL}\n}\n`,
    },
    bootCode: true,
    modules: ['virtio_pci', 'virtio_blk', 'ata_piix'],
    early: ['virtio_pci', 'ata_piix'],
    options: ['-N', '80'],
  });
  await machine.run('truncate', ['-s', '32M', '--', locked]);
  await writeFile(join(folder, 'key'), 'secret');
  const format = ['luksFormat', '--batch-mode', '--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000'];
  await machine.run('cryptsetup', [...format, locked, join(folder, 'key')]);
  const guest = await inspect(path, locked);
  assert.deepEqual(guest.layouts, ['luks']);
  assert.deepEqual(guest.notSeen, ['the list of its packages']);
  assert.deepEqual(guest.deviceNames, [
    { file: '/etc/fstab', device: '/dev/sda1' },
    { file: '/boot/grub/grub.cfg', device: '/dev/sda1' },
  ]);
  assert.deepEqual(guest.pinnedNics, [{ mac: MAC, name: 'ens192' }]);
  const found = findings(guest, { os: uefi(), nics: nic('lan', MAC, 'virtio') });
  assert.deepEqual(
    found.map(({ id, severity }) => `${id} ${severity}`),
    [
      'guest.tools info',
      'guest.no-agent info',
      'guest.nic-names warning',
      'guest.not-seen info',
      'guest.space warning',
      'guest.inodes warning',
      'guest.encrypted warning',
      'guest.boot-loader blocking',
      'guest.device-names warning',
      'guest.disk-driver blocking',
      'guest.nic-driver warning',
    ],
  );
});
