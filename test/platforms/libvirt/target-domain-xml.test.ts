import assert from 'node:assert/strict';
import test from 'node:test';
import type { VmDescription } from '../../../src/model/vm.js';
import { domainXml, type DomainParts } from '../../../src/platforms/libvirt/domain-xml.js';
import { parseXml } from '../../../src/platforms/xml.js';
import { startTestHost, virsh } from './lab-vm.js';
import { DISK, VM } from './vm-fixture.js';

function build(vm: Partial<VmDescription>, parts: Partial<DomainParts> = {}): string {
  const description = { ...VM, ...vm };
  const owner = { migrationId: '0123456789ab', workflowId: 'w', cluster: 'c', namespace: 'n' };
  return domainXml({
    vm: { owner, name: description.name, description, networks: {} },
    name: description.name,
    uuid: VM.uuid,
    role: 'target',
    accelerator: 'tcg',
    disks: new Map(description.disks.map(({ id }) => [id, { path: `/pool/${id}.qcow2`, format: 'qcow2' }])),
    network: (nic) => ({ kind: 'network', name: nic.network }),
    linksUp: false,
    firmware: null,
    consoleLog: '/pool/console',
    ...parts,
  });
}

const uefi = { code: '/f/CODE.fd', template: '/f/VARS.fd', templateBytes: 1, nvramPath: '/pool/web01.nvram' };
const CASES: Record<string, string> = {
  plain: build({}),
  'odd names': build({ name: `a"b'c<d>&e ]]> %s $(id)` }),
  'no network, no screen': build({ display: null, sound: 'ich9' }, { network: () => null, linksUp: true }),
  'uefi with secure boot and TPM': build(
    { firmware: 'uefi', secureBoot: true, machine: 'q35', tpm: { model: 'tpm-crb', version: '2.0', statePath: null } },
    { firmware: { ...uefi, secureBoot: true } },
  ),
  'scsi, sata and drives': build({
    disks: [
      { ...DISK, id: 'sda', bus: 'scsi', controllerModel: 'lsilogic', bootOrder: 2 },
      { ...DISK, id: 'disk-2000', bus: 'sata', bootOrder: 1 },
      { ...DISK, id: 'disk-2001', bus: 'ide', serial: null },
    ],
    removable: [
      { kind: 'cdrom', bus: 'ide' },
      { kind: 'floppy', bus: 'fdc' },
    ],
  }),
  'kvm with a named model': build(
    { cpu: { count: 3, sockets: 1, coresPerSocket: 2, threadsPerCore: 1, model: 'Haswell-noTSX' }, clock: 'localtime' },
    { accelerator: 'kvm' },
  ),
  'many NICs of foreign kinds': build({
    nics: ['virtio', 'e1000', 'vmxnet3', 'flexible'].map((model, index) => ({
      ...VM.nics[0]!,
      mac: `52:54:00:00:00:0${index}`,
      model,
    })),
    guestAgentChannel: false,
    rng: false,
    serialPorts: 0,
  }),
};

test('libvirt takes the definitions of many kinds of VM, checked against its schema', async (t) => {
  const host = await startTestHost('schema');
  t.after(() => host.stop());
  for (const [name, text] of Object.entries(CASES)) {
    // Without KVM, libvirt knows no such domain; but for that word the definition is the same.
    const input = text.replace('<domain type="kvm">', '<domain type="qemu">');
    await host.host
      .run('virsh', ['-q', '-c', 'qemu:///system', 'define', '--validate', '/dev/stdin'], { input })
      .catch((error: unknown) => {
        throw new Error(`${name}: ${String(error)}`);
      });
    await virsh(host, 'undefine', '--domain', VM.uuid, '--nvram');
  }
});

test('a name comes back as it was given, whatever is in it', () => {
  const domain = parseXml(CASES['odd names']!);
  assert.equal(domain.text('name'), `a"b'c<d>&e ]]> %s $(id)`);
});

test('names, serials, MACs and buses that no domain can hold are refused', () => {
  for (const name of ['-x', 'a\nb', '.x', 'a/b', '', ' a'])
    assert.throws(() => build({ name }), { code: 'HostileInput' });
  assert.throws(() => build({ disks: [{ ...DISK, serial: `'/><x` }] }), { code: 'HostileInput' });
  assert.throws(() => build({ nics: [{ ...VM.nics[0]!, mac: 'x' }] }), { code: 'HostileInput' });
  assert.throws(() => build({ disks: [{ ...DISK, bus: 'nvme' }] }), { code: 'NotSupported' });
});

test('disks keep names that fit their bus; others get free ones; bus, order and serial stay', () => {
  const disks = parseXml(CASES['scsi, sata and drives']!).at('devices')?.all('disk') ?? [];
  const seen = disks.map((disk) => [disk.at('target')?.get('dev'), disk.at('target')?.get('bus'), disk.text('serial')]);
  assert.deepEqual(seen, [
    ['sda', 'scsi', 'WD-1234'],
    ['sdb', 'sata', 'WD-1234'],
    ['hda', 'ide', null],
    ['hdb', 'ide', null],
    ['fda', 'fdc', null],
  ]);
  assert.deepEqual(
    disks.map((disk) => disk.at('boot')?.get('order')),
    ['2', '1', undefined, undefined, undefined],
  );
});

test('what cannot be had without the host is not in a definition', () => {
  for (const text of Object.values(CASES))
    assert.doesNotMatch(text, /hostdev|passthrough-|type="user"|qemu:commandline/);
  assert.match(CASES['no network, no screen']!, /type="udp"/);
  assert.match(CASES['plain']!, /<link state="down"\/>/);
});
