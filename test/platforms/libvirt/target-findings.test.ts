import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { libvirtSite } from '../../../src/config.js';
import type { Finding } from '../../../src/model/finding.js';
import type { VmDescription } from '../../../src/model/vm.js';
import { LocalHost } from '../../../src/exec/local.js';
import { describeDomain } from '../../../src/platforms/libvirt/describe.js';
import { targetFindings } from '../../../src/platforms/libvirt/target-findings.js';
import { Virsh } from '../../../src/platforms/libvirt/virsh.js';
import { parseXml } from '../../../src/platforms/libvirt/xml.js';
import type { ReplicaDiskSpec, TargetFacts } from '../../../src/platforms/platform.js';

/** Each rule once where it speaks; the plain VM is where none does. Room is that of a real directory. */

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const ID = '0123456789ab';
/** As `virsh dumpxml` shows a VM that runs. */
const DOMAIN = `<domain type='kvm' id='3'><name>web01</name><uuid>3c1f0c6e-5a43-4b1f-9b50-0d0f6f1d3a10</uuid>
  <memory unit='KiB'>524288</memory><currentMemory unit='KiB'>524288</currentMemory><vcpu placement='static'>2</vcpu>
  <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type><boot dev='hd'/></os><features><acpi/><apic/></features>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/images/web01.qcow2' index='1'/>
      <backingStore/><target dev='vda' bus='virtio'/><alias name='virtio-disk0'/></disk>
    <interface type='network'><mac address='52:54:00:11:22:33'/><source network='lan' portid='f0' bridge='virbr0'/>
      <target dev='vnet2'/><model type='virtio'/></interface></devices></domain>`;

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vmferry-findings-'));
});
after(() => rm(directory, { recursive: true }));

interface World {
  vm: Partial<VmDescription>;
  disk: Partial<ReplicaDiskSpec>;
  facts: Partial<TargetFacts>;
  networks: Record<string, string>;
}

async function findings(change: Partial<World>): Promise<string[]> {
  return (await fullFindings(change)).map((each) => `${each.severity} ${each.id}`);
}

async function fullFindings(change: Partial<World>): Promise<Finding[]> {
  const facts = { path: '/images/web01.qcow2', sizeBytes: 64 * MIB, allocatedBytes: MIB, image: null };
  const known = parseXml(DOMAIN);
  const described = describeDomain({ definition: known, live: known, disks: new Map([['vda', facts]]) });
  const description = { ...described, ...change.vm };
  const host = new LocalHost();
  const config = libvirtSite.parse({ platform: 'libvirt', uri: 'qemu:///system', storage: directory });
  const at = { site: 'dc-new', config, host, virsh: new Virsh(host, config.uri) };
  const owner = { migrationId: ID, workflowId: 'w', cluster: 'c', namespace: 'n' };
  const vm = { owner, name: 'web01', description, networks: change.networks ?? { lan: 'lan' } };
  const disks: ReplicaDiskSpec[] = [{ id: 'vda', sizeBytes: 64 * MIB, format: 'qcow2', storage: null, ...change.disk }];
  const found = await targetFindings(at, vm, disks, { ...FACTS, ...change.facts });
  for (const each of found) assert.ok(each.message && each.remedy, each.id);
  return found;
}

const FACTS: TargetFacts = {
  networks: [{ name: 'lan', isolated: false, kind: 'network' }],
  storages: [],
  vms: [{ name: 'db01', uuid: '00000000-0000-4000-8000-000000000001', macs: ['52:54:00:00:00:01'] }],
  cpus: 4,
  memoryBytes: 8 * GIB,
  freeMemoryBytes: 4 * GIB,
  firmware: { bios: true, uefi: true, secureBoot: true },
  tpm: true,
  accelerator: 'kvm',
};
const other = (change: Partial<TargetFacts['vms'][number]>): Partial<World> => ({
  facts: { vms: [{ ...FACTS.vms[0]!, ...change }] },
});
const withDisk = (change: Partial<VmDescription['disks'][number]>, machine: string): Partial<World> => ({
  vm: {
    machine,
    disks: [
      {
        ...{ id: 'vda', bus: 'virtio', order: 0, sizeBytes: 64 * MIB, format: 'qcow2', path: '/i', serial: null },
        ...{ bootOrder: null, allocatedBytes: MIB, changeTracking: true, discard: false, controllerModel: null },
        ...change,
      },
    ],
  },
});
const withNic = (model: string): Partial<World> => ({
  vm: { nics: [{ mac: '52:54:00:11:22:33', network: 'lan', networkKind: 'network', model }] },
});
const tpm = { model: 'tpm-crb', version: '2.0', statePath: null };

const CASES: Record<string, [fires: Partial<World>, not: Partial<World>]> = {
  'blocking network.unmapped': [{ networks: {} }, {}],
  'blocking network.missing': [{ networks: { lan: 'dmz' } }, {}],
  'blocking vm.name-in-use': [other({ name: 'web01' }), other({ name: `web01-rehearsal-${ID}` })],
  'blocking vm.uuid-in-use': [other({ uuid: '3C1F0C6E-5A43-4B1F-9B50-0D0F6F1D3A10' }), {}],
  'blocking nic.mac-in-use': [other({ macs: ['52:54:00:11:22:33'] }), {}],
  'blocking storage.missing': [{ disk: { storage: '/not/there' } }, {}],
  'blocking storage.space': [
    { disk: { sizeBytes: 2 ** 52 }, ...withDisk({ allocatedBytes: 2 ** 52 }, 'q35') },
    withDisk({ allocatedBytes: MIB }, 'q35'),
  ],
  'warning storage.overcommitted': [{ disk: { sizeBytes: 2 ** 52 } }, {}],
  'blocking host.memory': [{ vm: { memoryBytes: 9 * GIB } }, { vm: { memoryBytes: 4 * GIB } }],
  'warning host.memory-tight': [{ vm: { memoryBytes: 5 * GIB } }, { vm: { memoryBytes: 4 * GIB } }],
  'warning host.cpus': [{ facts: { cpus: 1 } }, { facts: { cpus: 2 } }],
  'warning host.no-kvm': [{ facts: { accelerator: 'tcg' } }, {}],
  'blocking firmware.uefi-missing': [
    { vm: { firmware: 'uefi' }, facts: { firmware: { bios: true, uefi: false, secureBoot: false } } },
    { vm: { firmware: 'uefi' } },
  ],
  'blocking firmware.secure-boot-missing': [
    { vm: { firmware: 'uefi', secureBoot: true }, facts: { firmware: { bios: true, uefi: true, secureBoot: false } } },
    { vm: { firmware: 'uefi', secureBoot: true } },
  ],
  'blocking tpm.missing': [{ vm: { tpm }, facts: { tpm: false } }, { vm: { tpm } }],
  'blocking disk.bus-unsupported': [withDisk({ bus: 'ide' }, 'q35'), withDisk({ bus: 'ide' }, 'pc')],
  'warning nic.model': [withNic('flexible'), withNic('e1000e')],
};

test('of a plain VM that the target can give nothing is said', async () => {
  assert.deepEqual(await findings({}), []);
});

for (const [expected, [fires, not]] of Object.entries(CASES)) {
  test(`target finding: ${expected}`, async () => {
    assert.deepEqual(await findings(fires), [expected]);
    assert.deepEqual(await findings(not), []);
  });
}

test('NVMe disks find no place, and firmware with secure boot alone serves no machine without it', async () => {
  assert.deepEqual(await findings(withDisk({ bus: 'nvme' }, 'q35')), ['blocking disk.bus-unsupported']);
  const only = { bios: true, uefi: false, secureBoot: true };
  assert.deepEqual(await findings({ vm: { firmware: 'uefi' }, facts: { firmware: only } }), [
    'blocking firmware.uefi-missing',
  ]);
});

test('a storage or a network that is not there is found with the names of those that are', async () => {
  const storages = ['default', 'fast'].map((name) => ({ name, path: `/pools/${name}`, freeBytes: GIB }));
  const networks = ['lan', 'dmz'].map((name) => ({ name, isolated: false, kind: 'network' as const }));
  const change = { disk: { storage: '/not/there' }, networks: { lan: 'prod' } };
  const remedies = async (facts: Partial<TargetFacts>): Promise<Record<string, string>> =>
    Object.fromEntries((await fullFindings({ ...change, facts })).map((each) => [each.id, each.remedy]));
  const known = await remedies({ storages, networks });
  assert.match(known['storage.missing']!, /under storage in the request\. .* there: default, fast\.$/);
  assert.match(known['network.missing']!, /Networks there: lan, dmz\.$/);
  assert.match((await remedies({ storages: [] }))['storage.missing']!, /there: none\.$/);
});
