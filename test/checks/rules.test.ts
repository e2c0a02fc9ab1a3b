import assert from 'node:assert/strict';
import test from 'node:test';
import { check, RULES } from '../../src/checks/index.js';
import { severity as severities } from '../../src/model/finding.js';
import type { DiskFormat, PackageKind } from '../../src/model/package.js';
import type { TargetFacts } from '../../src/model/target.js';
import { disk, factsOf, GIB, I440FX, MIB, nic, Q35, TARGET, uefi, type Given } from './facts.js';

/** Each rule where it speaks, alone, and where it does not. */

const other = (change: Partial<TargetFacts['vms'][number]>): Partial<Given> => ({
  target: { vms: [{ ...TARGET.vms[0]!, ...change }] },
});
const room = (freeBytes: number): Partial<Given> => ({
  sizeBytes: 4 * GIB,
  allocatedBytes: GIB,
  target: { askedStorages: [{ asked: null, name: 'default', path: '/images', freeBytes }] },
});
const second = (network: string) => nic('lan') + nic(network, '52:54:00:11:22:34');
const tpm = (version: string): Partial<Given> => ({
  os: uefi(),
  devices: `<channel><target type='virtio' name='org.qemu.guest_agent.0'/></channel><tpm model='tpm-tis'><backend type='emulator' version='${version}'/></tpm>`,
});
const AGENT_AND = (more: string) => `<channel><target type='virtio' name='org.qemu.guest_agent.0'/></channel>${more}`;
const SATA_ONLY = { disks: disk('sda', 'sata') };
const drives = (count: number) =>
  Array.from({ length: count }, (_, index) => disk(`hd${String.fromCharCode(97 + index)}`, 'ide')).join('');

const LIBVIRT_VERSION = `Compiled against library: libvirt 9.0.0
Using library: libvirt 9.0.0
Using API: QEMU 9.0.0
Running hypervisor: QEMU 7.2.22
Running against daemon: 9.0.0
`;
const PROGRAM_VERSIONS = `qemu-img version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)
Copyright (c) 2003-2022 Fabrice Bellard and the QEMU Project developers
guestfish 1.48.6
virt-v2v-in-place 2.2.0
`;
const TOOLS = { source: LIBVIRT_VERSION + PROGRAM_VERSIONS, target: LIBVIRT_VERSION + PROGRAM_VERSIONS };
/** A guest of which nobody knows an address. */
const running = (root: { freeBytes: number }, path = '/'): Partial<Given> => ({
  toVirtio: true,
  request: { devices: 'virtio' },
  seen: { ...NOWHERE, addresses: ['192.0.2.7'], filesystems: [{ path, type: 'ext4', ...root }] },
});
const NOWHERE = { agent: true, hostname: null, addresses: [], openPorts: [] };

const CASES: Record<string, [fires: Partial<Given>, not: Partial<Given>]> = {
  'blocking network.unmapped': [{ networks: {} }, {}],
  'blocking network.missing': [{ networks: { lan: 'prod' } }, { networks: { lan: 'dmz' } }],
  'warning network.shared': [
    { nics: second('dmz'), networks: { lan: 'lan', dmz: 'lan' } },
    { nics: second('dmz'), networks: { lan: 'lan', dmz: 'dmz' } },
  ],
  'info network.shared': [{ nics: second('lan') }, {}],
  'info nic.none': [{ nics: '' }, {}],
  'info devices.change': [{ toVirtio: true, ...SATA_ONLY }, SATA_ONLY],
  'blocking nic.mac-missing': [{ nics: nic('lan', '53:54:00:11:22:33') }, { nics: nic('lan', '5A:54:00:11:22:33') }],
  'warning nic.mac-repeated': [
    { nics: nic('lan') + nic('dmz'), networks: { lan: 'lan', dmz: 'dmz' } },
    { nics: second('dmz'), networks: { lan: 'lan', dmz: 'dmz' } },
  ],
  'blocking vm.name-in-use': [other({ name: 'web01' }), other({ name: 'Web01' })],
  'blocking vm.uuid-in-use': [other({ uuid: '3C1F0C6E-5A43-4B1F-9B50-0D0F6F1D3A10' }), {}],
  'blocking nic.mac-in-use': [other({ macs: ['52:54:00:11:22:33'] }), {}],
  'blocking vm.name-invalid': [
    { limits: { name: { pattern: /^[a-z]+$/, mostBytes: 80, inWords: 'of small letters' } } },
    { request: { targetName: 'web 01.example' } },
  ],
  'blocking vm.uuid-missing': [{ uuid: '' }, {}],
  'blocking storage.missing': [
    { target: { askedStorages: [{ asked: null, name: 'slow', problem: 'no such pool' }] } },
    {},
  ],
  'blocking storage.space': [room(GIB), room(5 * GIB)],
  'warning storage.overcommitted': [room(4 * GIB), room(5 * GIB)],
  'blocking disk.bus-unsupported': [{ disks: disk('hda', 'ide') }, { os: I440FX, disks: disk('hda', 'ide') }],
  'warning disk.bus-other': [
    { limits: { otherBus: 'sata' }, disks: disk('hda', 'ide') },
    { limits: { otherBus: 'sata' } },
  ],
  'blocking disk.too-many': [
    {
      os: I440FX,
      disks: drives(4),
      devices: AGENT_AND(`<disk type='file' device='cdrom'><target dev='hde' bus='ide'/></disk>`),
    },
    { os: I440FX, disks: drives(4) },
  ],
  'blocking disk.too-large': [
    { sizeBytes: 2 ** 52, target: { askedStorages: [{ asked: null, name: 'd', path: '/d', freeBytes: 2 ** 53 }] } },
    {
      sizeBytes: 2 ** 52,
      request: { diskFormat: 'raw' },
      target: { askedStorages: [{ asked: null, name: 'd', path: '/d', freeBytes: 2 ** 53 }] },
    },
  ],
  'warning disk.unaligned': [{ sizeBytes: 64 * MIB + 100 }, { sizeBytes: 64 * MIB + 512 }],
  'blocking disk.sectors': [
    { disks: disk('vda', 'virtio', `<blockio logical_block_size='4096' physical_block_size='4096'/>`) },
    { disks: disk('vda', 'virtio', `<blockio logical_block_size='512' physical_block_size='4096'/>`) },
  ],
  'warning disk.not-bootable': [
    { disks: disk('vda') + disk('vdb'), request: { excludeDisks: ['vda'] } },
    { disks: disk('vda') + disk('vdb'), request: { excludeDisks: ['vdb'] } },
  ],
  'warning disk.no-tracking': [{ tracked: false }, { tracked: false, running: false }],
  'warning disk.tracking-unproven': [{ source: { changeTracking: false } }, {}],
  'blocking quiesce.impossible': [
    { source: { quiesce: false }, request: { sync: { quiesce: 'required' } } },
    { source: { quiesce: false } },
  ],
  'blocking host.memory': [{ memory: `<memory unit='GiB'>9</memory>` }, { memory: `<memory unit='GiB'>4</memory>` }],
  'warning host.memory-tight': [
    { memory: `<memory unit='GiB'>5</memory>` },
    { memory: `<memory unit='GiB'>4</memory>` },
  ],
  'warning host.cpus': [{ target: { cpus: 1 } }, { target: { cpus: 2 } }],
  'warning address.unknown': [{ seen: NOWHERE }, { seen: { ...NOWHERE, addresses: ['192.0.2.7'] } }],
  'info tools.versions': [{ tools: TOOLS }, { tools: { source: '', target: '' } }],
  'warning host.no-kvm': [{ target: { accelerator: 'tcg' } }, {}],
  'blocking memory.missing': [{ memory: '' }, {}],
  'warning memory.small': [{ memory: `<memory unit='MiB'>63</memory>` }, { memory: `<memory unit='MiB'>64</memory>` }],
  'blocking cpu.missing': [{ vcpu: '<vcpu>0</vcpu>' }, { vcpu: '<vcpu>1</vcpu>' }],
  'blocking cpu.too-many': [
    { vcpu: '<vcpu>256</vcpu>', target: { cpus: 512 } },
    { vcpu: '<vcpu>255</vcpu>', target: { cpus: 512 } },
  ],
  'warning cpu.topology': [
    { vcpu: `<vcpu current='2'>4</vcpu>`, more: `<cpu><topology sockets='1' cores='4' threads='1'/></cpu>` },
    { vcpu: '<vcpu>4</vcpu>', more: `<cpu><topology sockets='1' cores='2' threads='2'/></cpu>` },
  ],
  'warning cpu.model': [
    { more: `<cpu mode='custom' match='exact'><model fallback='forbid'>EPYC</model></cpu>` },
    { more: `<cpu mode='custom' match='exact'><model fallback='forbid'>Skylake-Client</model></cpu>` },
  ],
  'info cpu.model': [
    { more: `<cpu mode='custom' match='exact'><model>EPYC</model></cpu>`, target: { cpuModels: null } },
    { more: `<cpu mode='host-passthrough'/>`, target: { cpuModels: null } },
  ],
  'blocking firmware.bios-missing': [
    { target: { firmware: { bios: false, uefi: true, secureBoot: true } } },
    { os: uefi(), target: { firmware: { bios: false, uefi: true, secureBoot: true } } },
  ],
  'blocking firmware.uefi-missing': [
    { os: uefi(), target: { firmware: { bios: true, uefi: false, secureBoot: false } } },
    { os: uefi() },
  ],
  'blocking firmware.secure-boot-missing': [
    { os: uefi('yes'), target: { firmware: { bios: true, uefi: true, secureBoot: false } } },
    { os: uefi('yes') },
  ],
  'blocking tpm.missing': [{ ...tpm('2.0'), target: { tpm: false } }, tpm('2.0')],
  'blocking tpm.version': [{ ...tpm('1.2'), limits: { tpmVersions: ['2.0'] } }, tpm('2.0')],
  'warning tpm.version': [tpm('1.2'), tpm('2.0')],
  'warning nic.model': [
    { nics: nic('lan', '52:54:00:11:22:33', 'flexible') },
    { nics: nic('lan', '52:54:00:11:22:33', 'e1000e') },
  ],
  'warning disk.controller': [
    {
      disks: disk('sda', 'scsi', `<address type='drive' controller='0'/>`),
      devices: AGENT_AND(`<controller type='scsi' index='0' model='buslogic'/>`),
    },
    {
      disks: disk('sda', 'scsi', `<address type='drive' controller='0'/>`),
      devices: AGENT_AND(`<controller type='scsi' index='0' model='virtio-scsi'/>`),
    },
  ],
  'warning machine.type': [{ os: `<type arch='x86_64' machine='microvm'>hvm</type>` }, { os: Q35 }],
  'info display.model': [
    { devices: AGENT_AND(`<video><model type='vmvga' vram='16384'/></video>`) },
    { devices: AGENT_AND(`<video><model type='qxl'/></video>`) },
  ],
  'info sound.model': [
    { devices: AGENT_AND(`<sound model='pcspk'/>`) },
    { devices: AGENT_AND(`<sound model='ich9'/>`) },
  ],
  'info agent.missing': [{ devices: '' }, {}],
  'warning agent.missing': [
    { devices: '', request: { probes: [{ kind: 'agent' }] } },
    { request: { probes: [{ kind: 'agent' }] } },
  ],
  'info guest-os.unknown': [{ guestOs: '' }, { guestOs: 'http://ubuntu.com/ubuntu/22.04' }],
  'warning guest-os.unsupported': [
    { guestOs: 'http://apple.com/macosx/10.7' },
    { guestOs: 'http://freebsd.org/freebsd/13.2' },
  ],
  'warning guest-os.no-virtio': [
    { guestOs: 'http://microsoft.com/win/2k19', ...SATA_ONLY },
    { guestOs: 'http://microsoft.com/win/2k19' },
  ],
  'blocking rehearsal.not-isolated': [
    { able: { isolatedBoot: false } },
    { able: { isolatedBoot: false }, request: { rehearsal: { enabled: false } } },
  ],
  'warning rehearsal.network-open': [
    { request: { rehearsal: { network: 'lan' } } },
    {
      request: { rehearsal: { network: 'lan' } },
      target: { networks: [{ name: 'lan', isolated: true, kind: 'network' }] },
    },
  ],
};

/** At a target that keeps files and has no host, networks or CPUs. */
function packed(kind: PackageKind, diskFormat: DiskFormat, more: Partial<Given> = {}): Partial<Given> {
  return {
    package: { kind, diskFormat },
    able: { boots: false, guestAgent: false, isolatedBoot: false },
    target: { networks: [], cpus: 0, cpuModels: null, memoryBytes: 0, freeMemoryBytes: 0, accelerator: 'tcg' },
    ...more,
  };
}

test('at a target that runs nothing no rule asks for what a host would give', () => {
  assert.deepEqual(lines(packed('ovf', 'vmdk')), ['info export.not-rehearsed']);
});

/** Where a rule cannot speak alone. */
const WITH_OTHERS: Record<string, [fires: Partial<Given>, not: Partial<Given>]> = {
  'warning conversion.space': [running({ freeBytes: 99 * 2 ** 20 }), running({ freeBytes: 100 * 2 ** 20 })],
  'blocking tools.too-old': [
    { tools: { ...TOOLS, source: 'qemu-img version 4.2.1 (Debian 1:4.2-3ubuntu6.28)\n' } },
    { tools: { ...TOOLS, source: 'qemu-img version 5.1.0\n' } },
  ],
  'blocking tools.conversion': [
    { toVirtio: true, ...SATA_ONLY, tools: { ...TOOLS, target: LIBVIRT_VERSION } },
    { toVirtio: true, ...SATA_ONLY, tools: TOOLS },
  ],
  'warning tools.conversion': [
    { toVirtio: true, ...SATA_ONLY, tools: { ...TOOLS, target: 'guestfish 1.48.6\n' } },
    {
      toVirtio: true,
      ...SATA_ONLY,
      tools: { ...TOOLS, target: 'guestfish 1.48.6\n' },
      request: { conversion: 'light' },
    },
  ],
  'warning cutover.too-long': [
    { tracked: false, sizeBytes: GIB, request: { cutover: { maxDowntime: '5s' } } },
    { tracked: false, sizeBytes: GIB, request: { cutover: { maxDowntime: '1m' } } },
  ],
  'blocking export.disk-size': [
    packed('ova', 'vmdk', { sizeBytes: 3 * 2 ** 40 }),
    packed('ovf', 'qcow2', { sizeBytes: 3 * 2 ** 40 }),
  ],
  'warning export.firmware-variables': [
    packed('ova', 'vmdk', { os: uefi() }),
    packed('libvirt-xml', 'qcow2', { os: uefi() }),
  ],
  'blocking export.tpm': [packed('ovf', 'vmdk', tpm('2.0')), packed('ovf', 'vmdk')],
  'info export.undescribed': [packed('images', 'raw'), packed('ovf', 'raw')],
  'warning export.disk-order': [
    packed('ova', 'vmdk', { disks: disk() + disk('sda', 'sata') + disk('vdb') }),
    packed('libvirt-xml', 'qcow2', { disks: disk() + disk('sda', 'sata') + disk('vdb') }),
  ],
  'info export.guest-os': [
    packed('libvirt-xml', 'qcow2', { guestOs: 'debian10_64Guest' }),
    packed('libvirt-xml', 'qcow2', { guestOs: 'http://debian.org/debian/12' }),
  ],
  'info export.not-rehearsed': [packed('ova', 'vmdk'), {}],
  'warning export.downtime': [
    packed('ova', 'vmdk', { request: { cutover: { maxDowntime: '5s' } } }),
    packed('ova', 'vmdk', { running: false, request: { cutover: { maxDowntime: '5s' } } }),
  ],
};

const found = (given: Partial<Given>) => check(factsOf(given));
const lines = (given: Partial<Given>) => found(given).map(({ id, severity }) => `${severity} ${id}`);

test('of a plain VM that the target can give nothing is said, whether it runs or not', () => {
  assert.deepEqual(lines({}), []);
  assert.deepEqual(lines({ running: false }), []);
});

for (const [expected, [fires, not]] of Object.entries(CASES)) {
  test(`check: ${expected}`, () => {
    assert.deepEqual(lines(fires), [expected]);
    // Told one after the other.
    for (const { message, remedy } of found(fires)) assert.match(`${message}\n${remedy}`, /[.?]\n[^]*[.?]$/);
    assert.ok(!lines(not).includes(expected), `${expected} here as well`);
  });
}

for (const [expected, [fires, not]] of Object.entries(WITH_OTHERS)) {
  test(`check: ${expected}`, () => {
    assert.ok(lines(fires).includes(expected), lines(fires).join());
    assert.ok(!lines(not).includes(expected), `${expected} here as well`);
  });
}

test('every rule has an id of its own, and a case in which it fires; what it finds is no graver than it says', () => {
  // What is found inside a guest is tried with guests: test/guest/inspect and ./guest.test.ts, ./prepare.test.ts.
  const ids = RULES.map(({ id }) => id).filter((id) => !/^(guest|prepare)\./.test(id));
  assert.deepEqual(
    ids.filter((id, index) => ids.indexOf(id) !== index),
    [],
  );
  const cases = { ...CASES, ...WITH_OTHERS };
  const tried = Object.keys(cases).map((each) => each.split(' ')[1]!);
  assert.deepEqual([...new Set(tried)].sort(), [...ids].sort());
  const rank = (each: string) => severities.options.findIndex((option) => option === each);
  for (const rule of RULES) {
    assert.match(rule.id, /^[a-z-]+\.[a-z-]+$/);
    assert.ok(rule.title.endsWith('.') && rule.basis.length > 10 && !/\n/.test(rule.title + rule.basis), rule.id);
    for (const line of Object.keys(cases).filter((each) => each.endsWith(` ${rule.id}`))) {
      assert.ok(rank(line.split(' ')[0]!) >= rank(rule.severity), line);
    }
  }
});

test('every finding says what was found and what to do, on one line each', () => {
  for (const [given] of Object.values({ ...CASES, ...WITH_OTHERS })) {
    for (const { id, message, remedy } of found(given)) {
      assert.match(message, /^[A-Z].{10,}[^ ]$/, id);
      assert.match(remedy, /^[A-Z].{5,}\.$/, id);
    }
  }
});
