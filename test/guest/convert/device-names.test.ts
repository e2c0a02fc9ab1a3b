import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guestDevices } from '../../../src/guest/convert/device-names.js';
import type { VmDisk } from '../../../src/model/vm.js';
import { diskNames } from '../../../src/guest/disk-names.js';
import { uuidFstab } from '../../../src/guest/fstab.js';
import { memoryTree } from '../../../src/guest/tree.js';
import { factsOf } from '../../checks/facts.js';

/** What a guest calls its disks at the source, and the appliance calls otherwise. */

const appliance = new Map([
  ['one', '/dev/sda'],
  ['two', '/dev/sdb'],
]);
const filesystems = ['/dev/sda1', '/dev/sdb', '/dev/vg/root', '/dev/sdb12'].map((device, index) => ({
  ...{ device, type: 'ext4', label: null, uuid: `uuid-${index}`, mountpoint: null },
  ...{ sizeBytes: null, freeBytes: null, inodes: null, freeInodes: null },
}));

function paths(one: VmDisk['bus'], two: VmDisk['bus']): string[] {
  const { vm } = factsOf({});
  const [disk] = vm.disks;
  const disks = [
    { ...disk!, id: 'one', bus: one },
    { ...disk!, id: 'two', bus: two },
  ];
  const found = guestDevices(appliance, filesystems, { ...vm, disks }, NOTHING);
  return found.map(({ path, uuid }) => `${path} ${uuid}`);
}

const NOTHING = { roots: [], needed: [], all: [] };

interface Given {
  disks: (Partial<VmDisk> & Pick<VmDisk, 'id' | 'bus'>)[];
  /** As the appliance calls it. */
  root: string;
}

/** What becomes of a guest's files, and what is said of them; UUIDs are `uuid-<device in the appliance>`. */
async function converted(files: Record<string, string>, { disks, root }: Given) {
  const { vm } = factsOf({});
  const [disk] = vm.disks;
  const places = new Map(disks.map(({ id }, index) => [id, `/dev/sd${'abc'[index]}`]));
  const inside = [...places.values()].flatMap((device) => [`${device}1`, `${device}2`, `${device}3`]);
  const whole = [...inside, ...(inside.includes(root) ? [] : [root])].map((device) => ({
    ...{ device, type: 'ext4', label: null, uuid: `uuid-${device.split('/')[2]}` },
    mountpoint: device === root ? '/' : null,
    ...{ sizeBytes: null, freeBytes: null, inodes: null, freeInodes: null },
  }));
  const tree = memoryTree(files);
  const described = { ...vm, disks: disks.map((each) => ({ ...disk!, serial: null, ...each })) };
  const devices = guestDevices(places, whole, described, await diskNames(tree));
  const { edits, findings } = await uuidFstab(tree, devices);
  const texts = Object.fromEntries(edits.map(({ path, text }) => [path, text]));
  return { texts, said: findings.map(({ message }) => message.split(';')[0]) };
}

const scsi = (id: string, more: Partial<VmDisk> = {}) => ({ id, bus: 'scsi' as const, ...more });

test('disks are counted by kind, as the kernel names them; volumes have names of their own', () => {
  assert.deepEqual(paths('sata', 'sata'), ['/dev/sda1 uuid-0', '/dev/sdb uuid-1', '/dev/sdb12 uuid-3']);
  assert.deepEqual(paths('virtio', 'virtio'), ['/dev/vda1 uuid-0', '/dev/vdb uuid-1', '/dev/vdb12 uuid-3']);
  assert.deepEqual(paths('virtio', 'scsi'), ['/dev/vda1 uuid-0', '/dev/sda uuid-1', '/dev/sda12 uuid-3']);
  assert.deepEqual(paths('nvme', 'nvme'), ['/dev/nvme0n1p1 uuid-0', '/dev/nvme1n1 uuid-1', '/dev/nvme1n1p12 uuid-3']);
});

test('where the order of buses decides, which differs from kernel to kernel, no name is taken for sure', () => {
  assert.deepEqual(paths('ide', 'scsi'), []);
  assert.deepEqual(paths('sata', 'virtio'), ['/dev/sda1 uuid-0', '/dev/vda uuid-1', '/dev/vda12 uuid-3']);
});

test('where the guest says which of them is its root, disks on several buses are known', async () => {
  const fstab = '/dev/sdb2 / ext4 defaults 1 1\n/dev/sdb1 /boot ext4 defaults 1 2\n/dev/sda1 /data ext4 defaults 1 2\n';
  const both = { disks: [scsi('scsi0:0'), { id: 'sata0:0', bus: 'sata' as const }], root: '/dev/sda2' };
  const { texts, said } = await converted({ '/etc/fstab': fstab }, both);
  assert.deepEqual(said, []);
  const named = fstab.replace('/dev/sdb2', 'UUID=uuid-sda2').replace('/dev/sdb1', 'UUID=uuid-sda1');
  assert.equal(texts['/etc/fstab'], named.replace('/dev/sda1', 'UUID=uuid-sdb1'));
  // By the loader's entry just as well.
  const menu = 'title x\n\tkernel /vmlinuz ro root=/dev/sda2\n\tinitrd /initrd\n';
  const other = await converted(
    { '/etc/fstab': '/dev/sdb1 /data ext4 noauto 0 0\n', '/boot/grub/menu.lst': menu },
    both,
  );
  assert.equal(other.texts['/etc/fstab'], 'UUID=uuid-sdb1 /data ext4 noauto 0 0\n');
  assert.equal(other.texts['/boot/grub/menu.lst'], menu.replace('/dev/sda2', 'UUID=uuid-sda2'));
});

test('where nothing tells, or the guest says something else, names stay and each is said', async () => {
  const fstab = 'LABEL=r / ext4 defaults 1 1\n/dev/sdb1 /data ext4 defaults 1 2\n';
  const both = { disks: [scsi('scsi0:0'), { id: 'sata0:0', bus: 'sata' as const }], root: '/dev/sda2' };
  assert.deepEqual(await converted({ '/etc/fstab': fstab }, both), {
    texts: {},
    said: ['/etc/fstab names /dev/sdb1, whose UUID is not known'],
  });
  const wrong = await converted(
    { '/etc/fstab': '/dev/sdb2 / ext4 defaults 1 1\n' },
    { ...both, disks: [scsi('a'), scsi('b')] },
  );
  assert.deepEqual(wrong.texts, {});
  assert.deepEqual(wrong.said, ['/etc/fstab names /dev/sdb2, whose UUID is not known']);
});

test('an entry that is left over from another bus takes no name from the disks of this one', async () => {
  const menu = 'title x\n\tkernel /vmlinuz ro root=/dev/sda2\n\tinitrd /initrd\n';
  const disks = [{ id: 'vda', bus: 'virtio' as const }, scsi('sda')];
  const files = {
    '/etc/fstab': '/dev/vda2 / ext4 defaults 1 1\n/dev/sda1 /d ext4 defaults 0 0\n',
    '/boot/grub/menu.lst': menu,
  };
  const { texts } = await converted(files, { disks, root: '/dev/sda2' });
  assert.equal(texts['/etc/fstab'], 'UUID=uuid-sda2 / ext4 defaults 1 1\nUUID=uuid-sdb1 /d ext4 defaults 0 0\n');
});

const SLES = '/dev/disk/by-id/scsi-36000c2900000000000000000000000ab';

test('SLES on the only disk: links by serial number and by controller become UUIDs', async () => {
  const path = '/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:0:0';
  const files = {
    '/etc/fstab': `${SLES}-part1 swap swap defaults 0 0\n${SLES}-part2 / btrfs defaults 0 0\n${SLES}-part2 /home btrfs subvol=@/home 0 0\n${path}-part3 /srv xfs defaults 0 0\n${SLES}-part3 /more xfs nofail 0 0\n`,
    '/etc/default/grub': `GRUB_CMDLINE_LINUX_DEFAULT="resume=${SLES}-part1 splash=silent"\n`,
    '/boot/grub2/grub.cfg': `menuentry 'SLES' {\n\tlinux /boot/vmlinuz root=${SLES}-part2 resume=${SLES}-part1\n\tinitrd /boot/initrd\n}\n`,
  };
  const { texts, said } = await converted(files, { disks: [scsi('sda')], root: 'btrfsvol:/dev/sda2/@' });
  const named = (text: string) =>
    text.replaceAll(`${SLES}-part`, 'UUID=uuid-sda').replaceAll(`${path}-part`, 'UUID=uuid-sda');
  assert.deepEqual(said, []);
  assert.deepEqual(texts, Object.fromEntries(Object.entries(files).map(([name, text]) => [name, named(text)])));
});

test('a link that the guest boots without, or one of USB, may be of a disk that is no more', async () => {
  const files = {
    '/etc/fstab': `UUID=r / ext4 defaults 1 1\n${SLES}-part1 /backup ext4 nofail 0 0\n/dev/disk/by-id/usb-Stick_1-0:0-part1 /usb ext4 defaults 0 0\n`,
  };
  const { texts, said } = await converted(files, { disks: [scsi('sda')], root: '/dev/sda2' });
  assert.deepEqual(texts, {});
  assert.equal(said.length, 2);
});

test('of several disks, a link leads to the one with that serial number or place, or to the one of the root', async () => {
  const disks = [
    scsi('sda'),
    scsi('sdb', { serial: 'WD 1234' }),
    { id: 'vda', bus: 'virtio' as const, serial: 'abcdefghijklmnopqrstuvwxyz' },
  ];
  const links = (device: string, part: string) => `/dev/disk/by-id/${device}-part${part}`;
  const fstab = [
    `${SLES}-part2 / ext4 defaults 1 1`,
    `${SLES}-part1 /boot ext4 defaults 1 2`,
    `${links('scsi-0QEMU_QEMU_HARDDISK_WD_1234', '1')} /b ext4 nofail 0 0`,
    `${links('virtio-abcdefghijklmnopqrst', '3')} /c ext4 defaults 0 0`,
    `${links('scsi-36000c29000000000000000000000ffff', '1')} /d ext4 defaults 0 0`,
  ];
  const { texts, said } = await converted({ '/etc/fstab': fstab.join('\n') }, { disks, root: '/dev/sda2' });
  const uuids = ['sda2', 'sda1', 'sdb1', 'sdc3'].map((device) => `UUID=uuid-${device}`);
  assert.equal(texts['/etc/fstab'], fstab.map((line, index) => line.replace(/^\S+/, uuids[index] ?? '$&')).join('\n'));
  assert.deepEqual(said, [
    `/etc/fstab names ${links('scsi-36000c29000000000000000000000ffff', '1')}, whose UUID is not known`,
  ]);
  const byPath = (target: number) =>
    `/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:${target}:0-part1 /x ext4 defaults 0 0\n`;
  const vmware = await converted(
    { '/etc/fstab': byPath(3) + byPath(4) },
    { disks: [scsi('scsi0:0'), scsi('scsi0:3')], root: '/dev/sda2' },
  );
  assert.equal(vmware.texts['/etc/fstab'], `UUID=uuid-sdb1 /x ext4 defaults 0 0\n${byPath(4)}`);
});

test('a link in a unit of systemd is known by the link of the root', async () => {
  const link = '/dev/disk/by-id/ata-X_1-part';
  const unit = '/etc/systemd/system/srv.mount';
  const files = { '/etc/fstab': `${link}1 / ext4 defaults 0 1\n`, [unit]: `[Mount]\nWhat=${link}3\nWhere=/srv\n` };
  const { texts, said } = await converted(files, { disks: [scsi('sda')], root: '/dev/sda1' });
  assert.deepEqual(texts[unit], '[Mount]\nWhat=/dev/disk/by-uuid/uuid-sda3\nWhere=/srv\n');
  assert.deepEqual(said, []);
});
