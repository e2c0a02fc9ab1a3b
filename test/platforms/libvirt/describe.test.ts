import assert from 'node:assert/strict';
import test from 'node:test';
import { vmDescription } from '../../../src/model/vm.js';
import { placeOf } from '../../../src/platforms/libvirt/connect.js';
import { describeDomain } from '../../../src/platforms/libvirt/describe.js';
import { pngFromPpm } from '../../../src/platforms/libvirt/png.js';
import { parseXml } from '../../../src/platforms/xml.js';

const UUID = '3c1f0c6e-5a43-4b1f-9b50-0d0f6f1d3a10';
const known = new Map(
  ['vda', 'sda', 'sdb', 'hda'].map((id) => [
    id,
    { path: `/images/${id}`, sizeBytes: 1024, allocatedBytes: 512, image: null },
  ]),
);

function describe(inner: string, devices: string, live: string | null = null) {
  const whole = (more: string) =>
    parseXml(`<domain type='kvm'><name>vm</name><uuid>${UUID}</uuid>${inner}<devices>${more}</devices></domain>`);
  const found = describeDomain({ definition: whole(devices), live: live === null ? null : whole(live), disks: known });
  return vmDescription.parse(found);
}

const ids = (vm: ReturnType<typeof describe>) => vm.findings.map((finding) => finding.id);

test('a plain BIOS machine is described with nothing left over', () => {
  const vm = describe(
    `<memory unit='MiB'>512</memory><vcpu>2</vcpu><os><type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type></os><clock offset='utc'/>`,
    `<disk type='file' device='disk'><driver name='qemu' type='qcow2' discard='unmap'/><source file='/images/vda'/><target dev='vda' bus='virtio'/><serial>S1</serial></disk>
     <disk type='file' device='cdrom'><target dev='sr0' bus='sata'/></disk>
     <interface type='network'><mac address='52:54:00:AA:bb:CC'/><source network='lan'/><model type='virtio'/></interface>
     <interface type='bridge'><mac address='52:54:00:00:00:02'/><source bridge='br0'/><model type='e1000'/></interface>
     <serial type='pty'/><video><model type='qxl'/></video><sound model='ich9'/><rng model='virtio'/>
     <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>`,
  );
  assert.deepEqual(vm, {
    name: 'vm',
    uuid: UUID,
    firmware: 'bios',
    secureBoot: false,
    tpm: null,
    memoryBytes: 512 * 2 ** 20,
    cpu: { count: 2, sockets: 2, coresPerSocket: 1, threadsPerCore: 1, model: null },
    disks: [
      {
        ...{ id: 'vda', bus: 'virtio', order: 0, sizeBytes: 1024, format: 'qcow2', path: '/images/vda', serial: 'S1' },
        ...{ bootOrder: null, allocatedBytes: 512, changeTracking: false, discard: true, controllerModel: null },
      },
    ],
    removable: [{ kind: 'cdrom', bus: 'sata' }],
    nics: [
      { mac: '52:54:00:aa:bb:cc', network: 'lan', networkKind: 'network', model: 'virtio' },
      { mac: '52:54:00:00:00:02', network: 'br0', networkKind: 'bridge', model: 'e1000' },
    ],
    ...{ display: 'qxl', sound: 'ich9', guestOs: null, machine: 'pc', serialPorts: 1, guestAgentChannel: true },
    ...{ clock: 'utc', rng: true, nvramPath: null, findings: [] },
  });
});

test('UEFI, secure boot, TPM, topology and the order of booting are read', () => {
  const vm = describe(
    `<metadata><i:libosinfo xmlns:i='http://libosinfo.org/xmlns/libvirt/domain/1.0'><i:os id='http://microsoft.com/win/11'/></i:libosinfo></metadata>
     <memory unit='KiB'>1048576</memory><vcpu current='4'>8</vcpu>
     <os firmware='efi'><type arch='x86_64' machine='pc-q35-7.2'>hvm</type><loader secure='yes' type='pflash'>/code.fd</loader><nvram>/nvram/vm.fd</nvram></os>
     <cpu mode='host-passthrough'><topology sockets='1' dies='1' cores='4' threads='2'/></cpu><clock offset='localtime'/>`,
    `<disk type='file' device='disk'><driver type='raw'/><source file='/images/sda'/><target dev='sda' bus='scsi'/><boot order='2'/><address type='drive' controller='0'/></disk>
     <disk type='block' device='disk'><driver type='raw'/><source dev='/dev/sdb'/><target dev='sdb' bus='usb'/><boot order='1'/></disk>
     <controller type='scsi' index='0' model='virtio-scsi'/>
     <tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>`,
  );
  assert.deepEqual([vm.firmware, vm.secureBoot, vm.nvramPath, vm.machine], ['uefi', true, '/nvram/vm.fd', 'q35']);
  assert.deepEqual(vm.tpm, { model: 'tpm-crb', version: '2.0', statePath: `/var/lib/libvirt/swtpm/${UUID}/tpm2` });
  assert.deepEqual(vm.cpu, { count: 4, sockets: 1, coresPerSocket: 4, threadsPerCore: 2, model: 'host-passthrough' });
  assert.deepEqual(
    vm.disks.map((disk) => [disk.id, disk.bus, disk.order, disk.controllerModel]),
    [
      ['sda', 'scsi', 1, 'virtio-scsi'],
      ['sdb', 'sata', 0, null],
    ],
  );
  assert.equal(vm.clock, 'localtime');
  assert.equal(vm.guestOs, 'http://microsoft.com/win/11');
  assert.deepEqual(ids(vm), ['cpu.host-model', 'cpu.hotplug', 'disk.bus']);
});

test('what is not carried over is a finding, also what nobody has heard of', () => {
  const vm = describe(
    `<memory>1024</memory><vcpu>1</vcpu><os><type arch='x86_64'>hvm</type><kernel>/vmlinuz</kernel></os><memoryBacking><hugepages/></memoryBacking><brandnew/>`,
    `<hostdev mode='subsystem' type='pci'/><interface type='direct'><mac address='52:54:00:00:00:03'/><source dev='eth0'/></interface>
     <filesystem type='mount'/><watchdog model='i6300esb'/><invention/><tpm model='tpm-tis'><backend type='passthrough'/></tpm>`,
  );
  assert.deepEqual(ids(vm).sort(), [
    ...['boot.direct-kernel', 'device.not-carried-over', 'filesystem.shared', 'hostdev.passthrough', 'nic.kind'],
    ...['setting.not-carried-over', 'tpm.passthrough'],
  ]);
  const messages = vm.findings.map((finding) => finding.message).join('\n');
  assert.match(messages, /invention, watchdog/);
  assert.match(messages, /brandnew, memoryBacking/);
  assert.deepEqual(vm.nics[0], { mac: '52:54:00:00:00:03', network: 'eth0', networkKind: 'other', model: 'rtl8139' });
});

test('a TPM whose state is not where libvirt keeps it is a blocking finding, whatever holds it', () => {
  const tpm = (backend: string) => describe('<memory>1024</memory>', `<tpm model='tpm-crb'>${backend}</tpm>`);
  for (const [id, backend] of [
    ['tpm.passthrough', `<backend type='passthrough'><device path='/dev/tpm0'/></backend>`],
    ['tpm.external', `<backend type='external'><source type='unix' mode='connect' path='/run/tpm.sock'/></backend>`],
    ['tpm.external', `<backend type='unheard-of'/>`],
    ['tpm.external', `<backend type='emulator' version='2.0'><source type='dir' path='/srv/tpm'/></backend>`],
    ['tpm.encrypted', `<backend type='emulator' version='2.0'><encryption secret='${UUID}'/></backend>`],
  ] as const) {
    const vm = tpm(backend);
    assert.deepEqual(
      vm.findings.map((finding) => [finding.id, finding.severity]),
      [[id, 'blocking']],
    );
    // Nothing is carried over where that was waived, rather than the state of another TPM.
    if (id !== 'tpm.encrypted') assert.equal(vm.tpm?.statePath, null);
  }
  assert.deepEqual(ids(tpm(`<backend type='emulator' version='2.0'/>`)), []);
});

test('disks and cards that were plugged in while it runs count, and the difference is said', () => {
  const disk = (id: string) =>
    `<disk type='file' device='disk'><driver type='raw'/><source file='/images/${id}'/><target dev='${id}' bus='virtio'/></disk>`;
  const vm = describe('<memory>1024</memory><vcpu>1</vcpu>', disk('vda'), disk('vda') + disk('hda'));
  assert.deepEqual(
    vm.disks.map((each) => each.id),
    ['vda', 'hda'],
  );
  assert.deepEqual(ids(vm), ['definition.differs']);
});

test('a disk whose size cannot be read is a blocking finding', () => {
  const vm = describe(
    '<memory>1024</memory><vcpu>1</vcpu>',
    `<disk type='network' device='disk'><source protocol='rbd' name='p/i'/><target dev='vdz' bus='virtio'/></disk>`,
  );
  assert.deepEqual(
    vm.findings.map((each) => [each.id, each.severity]),
    [['disk.unreadable', 'blocking']],
  );
});

test('connection URIs name a host and what virsh is told there', () => {
  const at = (uri: string) => {
    const { host, uri: there } = placeOf(uri);
    return [host.name, there];
  };
  assert.deepEqual(at('qemu:///system'), ['local', 'qemu:///system']);
  assert.deepEqual(at('qemu+unix:///system?socket=/x/y'), ['local', 'qemu+unix:///system?socket=/x/y']);
  assert.deepEqual(at('qemu+ssh://root@old.example:2222/system?keyfile=/k'), ['root@old.example', 'qemu:///system']);
  assert.deepEqual(at('qemu+ssh://[2001:db8::1]/system?socket=/x'), ['2001:db8::1', 'qemu+unix:///system?socket=%2Fx']);
});

for (const uri of [
  'qemu+ssh:///system',
  'qemu+ssh://-oProxyCommand=evil/system',
  'qemu+ssh://root:secret@old/system',
  'qemu+ssh://old/system?no_verify=1',
  'qemu://old/system',
]) {
  test(`the connection URI ${uri} is refused`, () => {
    assert.throws(
      () => placeOf(uri),
      (error: Error) => error.name === 'InvalidConfig' && !error.message.includes('secret'),
    );
  });
}

test('a PPM picture becomes PNG, and a torn one is refused', () => {
  const ppm = Buffer.concat([Buffer.from('P6\n2 1\n255\n'), Buffer.from([255, 0, 0, 0, 0, 255])]);
  const png = pngFromPpm(ppm);
  assert.equal(png.subarray(1, 4).toString(), 'PNG');
  assert.equal(png.readUInt32BE(16), 2);
  assert.throws(() => pngFromPpm(ppm.subarray(0, ppm.length - 1)), /not all there/);
});

test('UEFI variables that lie in no file are found, and those in one are not', () => {
  const os = (nvram: string) => `<os firmware='efi'><type arch='x86_64' machine='q35'>hvm</type>${nvram}</os>`;
  const block = describe(os(`<nvram type='block'><source dev='/dev/vg/vars'/></nvram>`), '');
  assert.ok(ids(block).includes('firmware.variables-elsewhere'));
  assert.equal(block.nvramPath, null);
  for (const nvram of ['<nvram>/v.fd</nvram>', `<nvram type='file'><source file='/v.fd'/></nvram>`]) {
    const file = describe(os(nvram), '');
    assert.deepEqual([file.nvramPath, ids(file).includes('firmware.variables-elsewhere')], ['/v.fd', false]);
  }
});
