import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guestDevices } from '../../../src/guest/convert/device-names.js';
import type { VmDisk } from '../../../src/model/vm.js';
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
  return guestDevices(appliance, filesystems, { ...vm, disks }).map(({ path, uuid }) => `${path} ${uuid}`);
}

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
