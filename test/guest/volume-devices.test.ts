import assert from 'node:assert/strict';
import test from 'node:test';
import { busNamesUsed } from '../../src/guest/inspect/device-names.js';
import { memoryTree, withEdits } from '../../src/guest/tree.js';
import { freeVolumes } from '../../src/guest/volume-devices.js';

const LIST = '/etc/lvm/devices/system.devices';
const WWID = 'naa.6000c29a0e7a0b0f2a0c2c5d0cb8d6c1';
/** As an installer of EL 9 leaves it on VMware. */
const VMWARE = `# LVM uses devices listed in this file.
# Created by LVM command vgimportdevices pid 2631 at Fri May 27 07:37:11 2022
# HASH=1208915427
PRODUCT_UUID=3c1f0c6e-5a43-4b1f-9b50-0d0f6f1d3a10
VERSION=1.1.2
IDTYPE=sys_wwid IDNAME=${WWID} DEVNAME=/dev/sda3 PVID=phl0clFbAokp9UXqbIgI5YYQxuTIJVkD PART=3
`;
const CLEAN = `IDTYPE=crypt_uuid IDNAME=CRYPT-LUKS2-1-x DEVNAME=/dev/mapper/x PVID=a\nIDTYPE=md_uuid IDNAME=1:2 DEVNAME=/dev/md0 PVID=b\n`;

/** Converts, and sees that doing it again changes nothing. */
async function convert(files: Record<string, string>) {
  const tree = memoryTree(files);
  const result = await freeVolumes(tree);
  assert.deepEqual((await freeVolumes(withEdits(tree, result.edits))).edits, []);
  return result;
}

test("LVM's list of disks is put aside where it names them by what they are at the source", async () => {
  const { edits, findings } = await convert({ [LIST]: VMWARE });
  assert.deepEqual(edits, [
    { path: LIST, text: null },
    { path: `${LIST}.before-move`, text: VMWARE, mode: 0o600 },
  ]);
  assert.deepEqual(
    findings.map(({ id, severity }) => `${severity} ${id}`),
    ['info guest.lvm-devices'],
  );
  assert.match(findings[0]?.message ?? '', new RegExp(`system.devices named .*${WWID}.*before-move`));
  assert.deepEqual(await busNamesUsed(memoryTree({ [LIST]: VMWARE })), [{ file: LIST, device: WWID }]);
  // By a name of the kernel, LVM finds it again only where nothing better is to be had.
  const byName = 'IDTYPE=devname IDNAME=/dev/vda2 DEVNAME=/dev/vda2 PVID=p PART=2\n';
  assert.equal((await convert({ [LIST]: byName })).edits.length, 2);
});

test("LVM's list stays where it is not used, or names nothing that the target changes", async () => {
  const used = { [LIST]: VMWARE, '/etc/lvm/lvm.conf': 'devices {\n\t# use_devicesfile = 0\n}\n' };
  assert.equal((await convert(used)).edits.length, 2);
  for (const files of [
    { [LIST]: CLEAN },
    { ...used, '/etc/lvm/lvmlocal.conf': 'devices {\n\tuse_devicesfile = 0\n}\n' },
    { ...used, '/etc/lvm/lvm.conf': 'devices {\n\tdevicesfile = "own.devices"\n}\n' },
  ]) {
    assert.deepEqual(await convert(files), { edits: [], findings: [] });
    assert.deepEqual(await busNamesUsed(memoryTree(files)), []);
  }
  const other = { '/etc/lvm/lvm.conf': 'devices/devicesfile="own.devices"\n', '/etc/lvm/devices/own.devices': VMWARE };
  assert.equal((await convert(other)).edits[0]?.path, '/etc/lvm/devices/own.devices');
});

async function filter(text: string): Promise<string> {
  const { edits, findings } = await convert({ '/etc/lvm/lvm.conf': `devices {\n${text}\n}\n` });
  assert.deepEqual(edits, []);
  assert.ok(findings.every(({ id, severity }) => id === 'guest.lvm-filter' && severity === 'warning'));
  return findings.map(({ message }) => message.split(': ')[1]).join('; ');
}

test('a filter of LVM that takes disks by their bus only is said', async () => {
  assert.equal(await filter('    filter = [ "a|/dev/sda.*|", "r|.*|" ]'), 'filter = "a|/dev/sda.*|, r|.*|".');
  assert.equal(
    await filter('global_filter=["a/sd[a-c]/",\n  # rest\n\t"r/.*/"]'),
    'global_filter = "a|sd[a-c]|, r|.*|".',
  );
  assert.match(await filter('filter = ["a|^/dev/disk/by-id/scsi-36000c29.*|", "r|.*|"]'), /by-id/);
  assert.match(await filter('filter = [ "r|^/dev/sdb$|" ]'), /r\|\^\/dev\/sdb\$/);
  for (const text of [
    '# filter = [ "a|/dev/sda.*|", "r|.*|" ]',
    'filter = [ "a|/dev/sda.*|" ]',
    'filter = [ "a|/dev/sd.*|", "a|/dev/vd.*|", "r|.*|" ]',
    'filter = [ "r|/dev/cdrom|", "r|/dev/drbd.*|", "a|.*|" ]',
    'filter = "a|.*|"',
    'filter = [ "a|^/dev/md.*|", "a|/dev/disk/by-id/dm-uuid-mpath.*|", "r|.*|" ]',
    'scan = [ "/dev/sda" ]',
  ])
    assert.equal(await filter(text), '', text);
});

test('an mdadm that is told on which disks to look is said', async () => {
  const said = async (path: string, text: string) =>
    (await convert({ [path]: text })).findings.map(({ message }) => message);
  assert.deepEqual(
    await said('/etc/mdadm/mdadm.conf', '# DEVICE partitions\nDEVICE /dev/sd*\nARRAY /dev/md0 UUID=a:b\n'),
    [
      '/etc/mdadm/mdadm.conf has mdadm look for members of RAIDs on "/dev/sd*" only, which may be called otherwise at the target.',
    ],
  );
  assert.match(
    (await said('/etc/mdadm.conf', 'ARRAY /dev/md0 level=1\n   devices=/dev/sda1,/dev/sdb1\n'))[0] ?? '',
    /on "?\/dev\/sda1,\/dev\/sdb1"? only/,
  );
  for (const text of [
    'DEVICE partitions\n',
    'DEVICE /dev/sd* /dev/vd*\n',
    'DEVICE /dev/sda1 partitions\n',
    'ARRAY /dev/md0 UUID=a:b\n',
  ])
    assert.deepEqual(await said('/etc/mdadm.conf', text), []);
});

test('hostile lists are bounded', async () => {
  const before = process.cpuUsage();
  await convert({
    [LIST]: `IDTYPE=a IDNAME=${'b'.repeat(400)}\n`.repeat(2000),
    '/etc/lvm/lvm.conf': `filter = [ ${Array.from({ length: 90_000 }, (_, i) => `"a${i % 10}sda"`).join(', ')}`,
    '/etc/lvm/lvmlocal.conf': `filter = [ ${' '.repeat(900_000)}`,
    '/etc/mdadm.conf': `DEVICE${'\n /dev/sda1'.repeat(90_000)}`,
  });
  assert.ok(process.cpuUsage(before).user < 10_000_000, 'in seconds of the processor');
});
