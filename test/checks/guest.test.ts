import assert from 'node:assert/strict';
import test from 'node:test';
import { check } from '../../src/checks/index.js';
import { inspectedGuest, type InspectedGuest } from '../../src/model/guest.js';
import { DRIVERS } from '../../src/model/drivers.js';
import { limitsOf } from '../../src/platforms/files/target/limits.js';
import type { PackageKind } from '../../src/model/package.js';
import { disk, factsOf, nic, uefi, type Given } from './facts.js';

/** Branches of the rules about guests. Each rule fires and is silent on images of guests, too, in test/guest/inspect. */

const LINUX = {
  ...{ kind: 'linux', distribution: 'debian', version: '12.5', productName: null },
  ...{ architecture: 'x86_64', packageFormat: 'deb', hostname: 'web01' },
};
const PLAIN: Record<string, unknown> = {
  ...{
    os: LINUX,
    systems: 1,
    disks: [],
    filesystems: [],
    layouts: [],
    boots: { bios: true, uefi: true, uefiFallback: true },
  },
  ...{ kernels: [], deviceNames: [], tools: [], guestAgent: true, services: [], applications: [] },
  ...{ pinnedNics: [], windows: null, notes: [], notSeen: [] },
};
const windows = (more: Partial<NonNullable<InspectedGuest['windows']>> = {}) => ({
  os: { ...LINUX, kind: 'windows', distribution: 'windows' },
  windows: { ...{ hibernated: false, fastStartup: false, virtioDisk: true, virtioNet: true }, ...more },
});

function found(guest: Record<string, unknown>, given: Partial<Given> = {}): string[] {
  const facts = { ...factsOf(given), guest: inspectedGuest.parse({ ...PLAIN, ...guest }) };
  const findings = check(facts);
  for (const { message, remedy } of findings) assert.match(`${message} ${remedy}`, /^[A-Z].+\.$/);
  return findings.map(({ id, severity }) => `${severity} ${id}`);
}

test('of a guest in which all is well nothing is said, and of one that nobody looked into neither', () => {
  assert.deepEqual(found({}), []);
  assert.deepEqual(found(windows()), []);
  assert.deepEqual(check({ ...factsOf({}), guest: null }), []);
  // What was found counts more than what is declared, or not.
  assert.deepEqual(found({}, { guestOs: '' }), []);
});

test('Windows that sleeps on its disk stops the migration, and one that would at its next shutdown is named', () => {
  assert.deepEqual(found(windows({ hibernated: true, fastStartup: true })), ['blocking guest.hibernated']);
  assert.deepEqual(found(windows({ fastStartup: true })), ['warning guest.hibernated']);
  assert.deepEqual(found(windows({ fastStartup: null, hibernated: null })), []);
});

test('Windows without virtio drivers is stopped only where it gets such devices', () => {
  const lacks = windows({ virtioDisk: false, virtioNet: false });
  assert.deepEqual(found(lacks), ['blocking guest.disk-driver', 'warning guest.nic-driver']);
  assert.deepEqual(found(lacks, { disks: disk('sda', 'sata'), nics: nic('lan', undefined, 'e1000e') }), []);
});

test('where the guest is converted for its new devices, what it lacks for them stops nothing', () => {
  const lacks = windows({ virtioDisk: false, virtioNet: false });
  assert.deepEqual(found(lacks, { toVirtio: true, disks: disk('sda', 'sata') }), ['info devices.change']);
});

test('at a target without virtio, drivers are asked for the devices that stand for it', () => {
  const limits = limitsOf({ kind: 'ova', diskFormat: 'vmdk' });
  const kernel = (has: readonly string[]) => ({
    ...{ version: '6.1.0', initramfs: '/boot/initrd.img-6.1.0', initramfsRead: true },
    drivers: Object.fromEntries(DRIVERS.map((name) => [name, has.includes(name) ? 'initramfs' : 'none'])),
  });
  const given = { limits, package: { kind: 'ova', diskFormat: 'vmdk' } as const, able: { boots: false } };
  const devices = ['warning disk.bus-other', 'warning nic.model'];
  const others = (guest: Record<string, unknown>) => found(guest, given).filter((line) => !/export\./.test(line));
  assert.deepEqual(others({ kernels: [kernel(['virtio_pci', 'virtio_blk', 'virtio_net', 'sd_mod'])] }).sort(), [
    'blocking guest.disk-driver',
    'warning disk.bus-other',
    'warning guest.nic-driver',
    'warning nic.model',
  ]);
  assert.deepEqual(others({ kernels: [kernel(['ahci', 'sd_mod', 'e1000'])] }).sort(), devices);
});

test('tools of a platform are of use where files may go to it, and of none where the VM is to run at the target', () => {
  const guest = { tools: ['vmware'], guestAgent: false };
  const limits = limitsOf({ kind: 'ova', diskFormat: 'vmdk' });
  const files = { target: { limits }, package: { kind: 'ova', diskFormat: 'vmdk' } as const, able: { boots: false } };
  const ids = ['info guest.no-agent', 'info guest.tools'];
  assert.deepEqual(found(guest).sort(), ids);
  assert.deepEqual(
    found(guest, files).filter((line) => ids.includes(line)),
    [],
  );
});

test('disks that no system, several, or another one than Linux and Windows was found on are named', () => {
  assert.deepEqual(found({ os: null, systems: 0 }), ['warning guest.no-system']);
  assert.deepEqual(found({ systems: 2 }), ['warning guest.several-systems']);
  assert.deepEqual(found({ os: { ...LINUX, kind: 'other', distribution: 'freebsd' } }), ['info guest.other-system']);
});

test('layouts, and what could not be looked at, are named', () => {
  assert.deepEqual(found({ layouts: ['lvm', 'raid', 'btrfs', 'zfs'] }), ['info guest.layout']);
  assert.deepEqual(found({ layouts: ['luks', 'bitlocker'] }), ['warning guest.encrypted', 'warning guest.encrypted']);
  assert.deepEqual(found({ layouts: ['dynamic-disks'] }), ['warning guest.dynamic-disks']);
  assert.deepEqual(found({ notSeen: ['the list of its packages'] }), ['info guest.not-seen']);
});

test('a disk without anything to start from is no reason to stop, one for another firmware is', () => {
  assert.deepEqual(found({ boots: { bios: false, uefi: false, uefiFallback: false } }), ['warning guest.boot-loader']);
  assert.deepEqual(found({ boots: { bios: false, uefi: true, uefiFallback: true } }), ['blocking guest.boot-loader']);
  assert.deepEqual(found({ boots: { bios: null, uefi: true, uefiFallback: true } }), []);
});

test('a UEFI whose variables stay behind needs a boot loader where it looks without them', () => {
  const anew = uefi().replace(/<nvram>.*<\/nvram>/, '');
  const lacks = { boots: { bios: false, uefi: true, uefiFallback: false } };
  assert.deepEqual(found(lacks, { os: anew }), ['warning guest.boot-fallback']);
  // Nothing that is done mends it.
  assert.deepEqual(found(lacks, { os: anew, request: { conversion: 'none' } }), ['blocking guest.boot-fallback']);
  // Nor is anything done for a Windows, what is encrypted, or one of several systems.
  const stopped = (more: Record<string, unknown>) => found({ ...lacks, ...more }, { os: anew });
  for (const more of [windows(), { os: null, systems: 0 }, { systems: 2 }]) {
    assert.ok(stopped(more).includes('blocking guest.boot-fallback'));
  }
  // Its variables come along, there is one, nobody could look, or it is none of UEFI's.
  assert.deepEqual(found(lacks, { os: uefi() }), []);
  assert.deepEqual(found({ boots: { ...lacks.boots, uefiFallback: true } }, { os: anew }), []);
  assert.deepEqual(found({ boots: { ...lacks.boots, uefiFallback: null } }, { os: anew }), []);
  assert.deepEqual(found({ boots: { ...lacks.boots, bios: true } }), []);
  // A package for other platforms leaves them behind.
  const ids = (kind: PackageKind) =>
    found(lacks, { os: uefi(), package: { kind, diskFormat: 'qcow2' } }).filter((line) => /fallback/.test(line));
  assert.deepEqual([ids('ovf'), ids('libvirt-xml')], [['warning guest.boot-fallback'], []]);
});

test('a kernel beside the newest that lacks the driver for the disks is named: it may be the one that starts', () => {
  const kernel = (version: string, has: readonly string[]) => ({
    ...{ version, initramfs: `/boot/initrd.img-${version}`, initramfsRead: true },
    drivers: Object.fromEntries(DRIVERS.map((name) => [name, has.includes(name) ? 'initramfs' : 'module'])),
  });
  const all = ['virtio_pci', 'virtio_blk'];
  assert.deepEqual(found({ kernels: [kernel('5.10.0', []), kernel('6.1.0', all)] }), ['warning guest.disk-driver']);
  assert.deepEqual(found({ kernels: [kernel('5.10.0', all), kernel('6.1.0', all)] }), []);
  // The newest is what most boot loaders start.
  assert.ok(found({ kernels: [kernel('5.10.0', all), kernel('6.1.0', [])] }).includes('blocking guest.disk-driver'));
});
