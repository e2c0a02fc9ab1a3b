import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planMove } from '../../src/checks/plan.js';
import type { PackageKind } from '../../src/model/package.js';
import { limitsOf } from '../../src/platforms/files/target/limits.js';
import { migrateVmRequest, type MigrateVmInput } from '../../src/request/migrate-vm.js';
import { disk, factsOf, nic } from './facts.js';

/** What is planned for the guest of a machine that goes out in a package. */

const ONSATA = { disks: disk('sda', 'sata'), nics: nic('lan', undefined, 'e1000') };

function planned(kind: PackageKind, asked: Partial<MigrateVmInput>, change: Parameters<typeof factsOf>[0] = {}) {
  const { vm } = factsOf(change);
  const request = migrateVmRequest.parse({ vm: 'web01', source: 'dc-old', target: 'exports', package: kind, ...asked });
  const limits = limitsOf({ kind: 'ova', diskFormat: 'vmdk' });
  return planMove(vm, { networks: [], limits, packageLimits: limitsOf, boots: false, samePlatform: false }, request)
    .conversion;
}

test('the guest of a package is left alone unless its conversion is asked for', () => {
  for (const kind of ['ova', 'ovf', 'libvirt-xml', 'images'] as const) {
    assert.equal(planned(kind, {}), null);
    assert.equal(planned(kind, { conversion: 'none' }), null);
  }
  const onlyDevices = { devices: 'as-source', most: 'light', onlyDevices: true };
  assert.deepEqual(planned('ova', { conversion: 'light' }), onlyDevices);
  assert.deepEqual(planned('ovf', { conversion: 'light', devices: 'as-source' }, ONSATA), onlyDevices);
  assert.deepEqual(planned('libvirt-xml', { conversion: 'full', devices: 'virtio' }, ONSATA), {
    ...{ devices: 'virtio', most: 'full' },
  });
});

test('what a package has no word for, and what nobody would do for the guest, is refused by name', () => {
  const refused = (kind: PackageKind, asked: Partial<MigrateVmInput>, message: RegExp, change = {}) =>
    assert.throws(() => planned(kind, asked, change), { code: 'InvalidRequest', message });
  refused('ova', { devices: 'virtio' }, /describe virtio in a package of the kind ova/);
  refused('ovf', { devices: 'as-source' }, /keep the devices of web01 in a package of the kind ovf/);
  refused('ova', { conversion: 'full' }, /in full for a package of the kind ova: virt-v2v/);
  refused('libvirt-xml', { devices: 'virtio' }, /with virtio and leave its guest as it is/, ONSATA);
  // It has them already.
  assert.equal(planned('libvirt-xml', { devices: 'virtio' }), null);
});
