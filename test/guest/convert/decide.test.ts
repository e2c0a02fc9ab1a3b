import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide } from '../../../src/guest/convert/decide.js';
import type { ConversionWish } from '../../../src/model/conversion.js';
import { isKnownToFull } from '../../../src/guest/convert/full.js';
import { sameDevices } from '../../../src/model/devices.js';
import { DRIVERS } from '../../../src/model/drivers.js';
import { inspectedGuest, type InspectedGuest } from '../../../src/model/guest.js';
import { devicesInWords } from '../../../src/model/target.js';
import type { VmDescription, VmDisk } from '../../../src/model/vm.js';
import { limitsOf } from '../../../src/platforms/files/target/limits.js';
import { LIMITS } from '../../../src/platforms/libvirt/limits.js';

/** Which devices a guest gets, and when virt-v2v has to give it drivers. */

type Driver = (typeof DRIVERS)[number];
const VIRTIO: Driver[] = ['virtio_blk', 'virtio_pci', 'virtio_net'];
const VMWARE: Driver[] = ['mptspi', 'sd_mod', 'e1000', 'vmw_pvscsi'];
const SAFE: Driver[] = ['ahci', 'sd_mod', 'e1000e'];

function vm(bus: VmDisk['bus'] = 'scsi', controllerModel: string | null = 'lsilogic', model = 'e1000'): VmDescription {
  return {
    name: 'web01',
    uuid: '11111111-2222-4333-8444-555555555555',
    firmware: 'bios',
    secureBoot: false,
    tpm: null,
    memoryBytes: 2 ** 29,
    cpu: { count: 1, sockets: 1, coresPerSocket: 1, threadsPerCore: 1, model: null },
    disks: [
      {
        id: 'sda',
        bus,
        controllerModel,
        order: 0,
        sizeBytes: 2 ** 30,
        format: 'vmdk',
        path: null,
        serial: null,
        bootOrder: null,
        allocatedBytes: null,
        changeTracking: false,
        discard: false,
      },
    ],
    removable: [],
    nics: [{ mac: '00:50:56:00:00:01', network: 'lan', networkKind: 'network', model }],
    display: null,
    sound: null,
    guestOs: null,
    machine: null,
    serialPorts: 0,
    guestAgentChannel: false,
    clock: 'utc',
    rng: false,
    nvramPath: null,
    findings: [],
  };
}

/** A Linux with one kernel; `boot`: in its initramfs, null where that cannot be read; `run`: all of its modules. */
function drivers(boot: readonly Driver[] | null, run: readonly Driver[] = boot ?? []): InspectedGuest {
  const state = (name: Driver) => (boot?.includes(name) ? 'initramfs' : run.includes(name) ? 'module' : 'none');
  return inspectedGuest.parse({
    os: {
      ...{ kind: 'linux', distribution: 'debian', version: '12', productName: 'Debian', architecture: 'x86_64' },
      ...{ packageFormat: 'deb', hostname: 'web01' },
    },
    ...{ systems: 1, disks: [], filesystems: [], layouts: [], boots: { bios: true, uefi: null, uefiFallback: null } },
    kernels: [
      {
        ...{ version: '6.1.0', initramfs: '/boot/initrd.img-6.1.0', initramfsRead: boot !== null },
        drivers: Object.fromEntries(DRIVERS.map((name) => [name, state(name)])),
      },
    ],
    ...{ deviceNames: [], tools: [], guestAgent: true, services: [], applications: [], pinnedNics: [] },
    ...{ windows: null, notes: [], notSeen: [] },
  });
}

function windows(virtio: boolean | null): InspectedGuest {
  const guest = drivers([]);
  return {
    ...guest,
    os: guest.os && { ...guest.os, kind: 'windows' },
    kernels: [],
    windows: { hibernated: false, fastStartup: false, virtioDisk: virtio, virtioNet: virtio },
  };
}

const auto: ConversionWish = { devices: 'virtio', most: 'auto' };
const says = (decision: ReturnType<typeof decide>) => [devicesInWords(decision.vm), decision.full];

test('a guest with the drivers in its initramfs goes to virtio, and nothing has to be given to it', () => {
  const decision = decide(vm(), LIMITS, auto, drivers([...VIRTIO, ...VMWARE]), true);
  assert.deepEqual(says(decision), ['disks on virtio; network cards virtio', false]);
  assert.deepEqual(decision.findings, []);
});

test('a driver that is only a file of the system does not help a disk, but does a network card', () => {
  const lacking = drivers(['virtio_pci', ...VMWARE], [...VIRTIO, ...VMWARE]);
  assert.deepEqual(says(decide(vm(), LIMITS, auto, lacking, true)), ['disks on virtio; network cards virtio', true]);
  const fine = drivers(['virtio_blk', 'virtio_pci'], VIRTIO);
  assert.deepEqual(says(decide(vm(), LIMITS, auto, fine, true)), ['disks on virtio; network cards virtio', false]);
});

test('where virt-v2v may not or cannot help, the guest keeps the devices that it boots from today', () => {
  for (const [wish, able] of [
    [{ ...auto, most: 'light' }, true],
    [{ ...auto, most: 'none' }, true],
    [auto, false],
  ] as const) {
    const decision = decide(vm(), LIMITS, wish, drivers(VMWARE), able);
    assert.deepEqual(says(decision), ['disks on lsilogic; network cards e1000', false]);
    assert.deepEqual(
      decision.findings.map(({ id, severity }) => [id, severity]),
      [['guest.fallback-devices', 'info']],
    );
    assert.match(decision.findings[0]?.message ?? '', /no driver for .*virtio.*virtio_blk/);
  }
});

test('devices that the target does not have fall back to SATA and e1000e where the guest has drivers for these', () => {
  const odd = vm('nvme', null, 'vlance');
  const decision = decide(odd, LIMITS, { ...auto, most: 'light' }, drivers(SAFE), true);
  assert.deepEqual(says(decision), ['disks on sata; network cards e1000e', false]);
});

test('where there is no virtio, each device becomes the nearest that is there, and virt-v2v is of no help', () => {
  const ovf = limitsOf({ kind: 'ova', diskFormat: 'vmdk' });
  const wish: ConversionWish = { devices: 'as-source', most: 'light', onlyDevices: true };
  const fit = decide(vm('virtio', null, 'virtio'), ovf, wish, drivers([...VIRTIO, ...SAFE, 'e1000']), true);
  assert.deepEqual(says(fit), ['disks on sata; network cards e1000', false]);
  assert.deepEqual(fit.findings, []);
  const newer = decide(vm('virtio', null, 'virtio'), ovf, wish, drivers([...VIRTIO, ...SAFE]), true);
  assert.deepEqual(says(newer), ['disks on sata; network cards e1000e', false]);
  assert.match(newer.findings[0]?.message ?? '', /no driver for .* e1000 \(e1000\); it gets .* e1000e/);
  const lacks = decide(vm('virtio', null, 'virtio'), ovf, { ...wish, most: 'auto' }, drivers(VIRTIO), true);
  assert.deepEqual(says(lacks), ['disks on sata; network cards e1000', false]);
  assert.deepEqual(
    lacks.findings.map(({ id }) => id),
    ['guest.no-driver'],
  );
  assert.match(lacks.findings[0]?.remedy ?? '', /try the package/);
  const given = decide(vm(), ovf, wish, drivers(VMWARE), true);
  assert.deepEqual(says(given), ['disks on lsilogic; network cards e1000', false]);
});

test('an unknown guest keeps its devices, with a warning that nothing shows that it boots', () => {
  const decision = decide(vm(), LIMITS, auto, null, false);
  assert.ok(sameDevices(decision.vm, vm()));
  assert.deepEqual(
    decision.findings.map(({ id, severity }) => [id, severity]),
    [['guest.no-driver', 'warning']],
  );
});

test('"as-source" stays with the devices of the source, "full" always asks virt-v2v', () => {
  const both = drivers([...VIRTIO, ...VMWARE]);
  const kept = decide(vm(), LIMITS, { devices: 'as-source', most: 'auto' }, both, true);
  assert.deepEqual(says(kept), ['disks on lsilogic; network cards e1000', false]);
  assert.equal(decide(vm(), LIMITS, { devices: 'virtio', most: 'full' }, both, true).full, true);
});

test('"as-source" with a controller that the target lacks goes to virtio like all else', () => {
  const buslogic = vm('scsi', 'buslogic');
  const decision = decide(buslogic, LIMITS, { devices: 'as-source', most: 'auto' }, drivers(VIRTIO), true);
  assert.deepEqual(says(decision), ['disks on virtio; network cards virtio', false]);
});

test('an initramfs that cannot be read tells nothing: the guest keeps its devices, or virt-v2v is asked', () => {
  const unread = drivers(null, [...VIRTIO, ...VMWARE]);
  assert.equal(decide(vm(), LIMITS, auto, unread, true).full, true);
  assert.deepEqual(says(decide(vm(), LIMITS, auto, unread, false)), ['disks on lsilogic; network cards e1000', false]);
});

test('a Linux that stays on the devices of its source has their drivers, whatever could be read of its kernels', () => {
  const unread = drivers(null, [...VIRTIO, ...VMWARE]);
  for (const guest of [unread, { ...unread, kernels: [] }]) {
    const decision = decide(vm('virtio', null, 'virtio'), LIMITS, auto, guest, true);
    assert.deepEqual(says(decision), ['disks on virtio; network cards virtio', false]);
    assert.deepEqual(decision.findings, []);
  }
});

test('Windows goes to virtio where it has the drivers or can be given them, and else stays as it is', () => {
  const said = (virtio: boolean | null, able: boolean) => says(decide(vm(), LIMITS, auto, windows(virtio), able));
  assert.deepEqual(said(true, false), ['disks on virtio; network cards virtio', false]);
  assert.deepEqual(said(false, true), ['disks on virtio; network cards virtio', true]);
  assert.deepEqual(said(false, false), ['disks on lsilogic; network cards e1000', false]);
  assert.deepEqual(said(null, false), ['disks on lsilogic; network cards e1000', false]);
});

test('virt-v2v is not asked to convert a Linux whose packages are neither rpm nor deb', () => {
  const { os } = drivers(VIRTIO);
  const of = (packageFormat: string | null) => isKnownToFull({ os: os && { ...os, packageFormat } });
  assert.deepEqual(['apk', 'pacman', 'deb', 'rpm', null].map(of), [false, false, true, true, true]);
});

test('a kernel beside the newest that could not find its disks is named, unless its devices stay or virt-v2v is asked', () => {
  const [newest] = drivers([...VIRTIO, ...VMWARE]).kernels;
  const [old] = drivers(VMWARE, [...VIRTIO, ...VMWARE]).kernels;
  const [unread] = drivers(null, [...VIRTIO, ...VMWARE]).kernels;
  const both = {
    ...drivers(VIRTIO),
    kernels: [{ ...old!, version: '5.10.0' }, { ...unread!, version: '6.0.0' }, newest!],
  };
  const decision = decide(vm(), LIMITS, auto, both, true);
  assert.deepEqual(says(decision), ['disks on virtio; network cards virtio', false]);
  assert.deepEqual(
    decision.findings.map(({ id, severity, message }) => [id, severity, message.split(' ').at(-1)]),
    [['guest.disk-driver', 'warning', '"5.10.0".']],
  );
  assert.deepEqual(decide(vm(), LIMITS, { ...auto, most: 'full' }, both, true).findings, []);
  assert.deepEqual(decide(vm(), LIMITS, { ...auto, devices: 'as-source' }, both, true).findings, []);
});
