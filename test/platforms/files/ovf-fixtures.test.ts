import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ForeignVm } from '../../../src/platforms/files/foreign.js';
import { parseOvf } from '../../../src/platforms/files/ovf.js';

/** Envelopes of each maker, written after the specification and what the makers' tools are documented to write. */

const fixture = (name: string) =>
  readFile(fileURLToPath(new URL(`../../../../test/platforms/files/fixtures/${name}.ovf`, import.meta.url)), 'utf8');

async function machines(name: string): Promise<ForeignVm[]> {
  return parseOvf(await fixture(name), `${name}.ovf`).vms;
}

/** What differs between the makers; the rest of a disk is nothing that an OVF says. */
const outline = ({ vm, disks }: ForeignVm) => ({
  ...{ name: vm.name, uuid: vm.uuid, firmware: vm.firmware, secureBoot: vm.secureBoot, tpm: vm.tpm?.version ?? null },
  memoryMib: vm.memoryBytes / 2 ** 20,
  cpu: [vm.cpu.count, vm.cpu.sockets, vm.cpu.coresPerSocket, vm.cpu.threadsPerCore],
  disks: vm.disks.map((disk, index) => [
    ...[disk.id, disk.bus, disk.controllerModel, disk.sizeBytes / 2 ** 30],
    ...[disks[index]!.reference, disks[index]!.format, disks[index]!.compression],
  ]),
  removable: vm.removable.map(({ kind, bus }) => `${kind} ${bus}`),
  nics: vm.nics.map(({ mac, model, network }) => [mac, model, network]),
  ...{ display: vm.display, sound: vm.sound, guestOs: vm.guestOs, machine: vm.machine, clock: vm.clock },
  findings: vm.findings.map(({ id, severity }) => `${severity} ${id}`).sort(),
});

test("VMware's: controllers of every kind, sizes by property, secure boot, a TPM, what it needs from its platform", async () => {
  const [vm, ...others] = await machines('vmware');
  assert.equal(others.length, 0);
  assert.deepEqual(outline(vm!), {
    ...{ name: 'db01', uuid: '', firmware: 'uefi', secureBoot: true, tpm: '2.0' },
    memoryMib: 16_384,
    cpu: [8, 2, 4, 1],
    disks: [
      ['sda', 'scsi', 'lsisas1068', 40, 'db01-disk1.vmdk', 'vmdk', null],
      ['sdb', 'scsi', 'lsisas1068', 20, 'db01-disk2.vmdk.gz', 'vmdk', 'gzip'],
      ['nvme0n1', 'nvme', null, 5, null, 'raw', null],
    ],
    removable: ['cdrom sata'],
    nics: [['', 'vmxnet3', 'Prod & DMZ']],
    ...{ display: 'vmvga', sound: null, guestOs: 'windows2019srv_64Guest', machine: null, clock: 'localtime' },
    findings: [
      ...['blocking hostdev.passthrough', 'blocking tpm.external', 'info nic.address-missing'],
      ...['info ovf.properties', 'info setting.not-carried-over', 'warning firmware.variables-format'],
    ],
  });
});

test("VirtualBox's: its own machine says firmware, chipset, TPM and UUID", async () => {
  const [vm] = await machines('virtualbox');
  assert.deepEqual(outline(vm!), {
    name: 'dev01',
    uuid: '6f5e4d3c-1111-4222-8333-444455556666',
    ...{ firmware: 'uefi', secureBoot: false, tpm: '2.0', memoryMib: 2048, cpu: [2, 1, 2, 1] },
    disks: [['sda', 'sata', null, 20, 'dev01-disk001.vmdk', 'vmdk', null]],
    removable: ['cdrom ide'],
    nics: [['', 'e1000', 'NAT']],
    ...{ display: 'vga', sound: null, guestOs: 'Debian_64', machine: 'q35', clock: 'utc' },
    findings: ['blocking tpm.external', 'info nic.address-missing'],
  });
});

test("oVirt's: sections by type, disks by their images, formats by the volume, secure boot by BiosType", async () => {
  const [vm] = await machines('ovirt');
  const image = '11111111-aaaa-4aaa-8aaa-111111111111/22222222-bbbb-4bbb-8bbb-222222222222';
  assert.deepEqual(outline(vm!), {
    name: 'app01',
    uuid: '55555555-eeee-4eee-8eee-555555555555',
    ...{ firmware: 'uefi', secureBoot: true, tpm: null, memoryMib: 8192, cpu: [4, 2, 1, 2] },
    disks: [['sda', 'scsi', 'virtio-scsi', 10, image, 'qcow2', null]],
    removable: ['cdrom ide'],
    nics: [['56:6f:1a:2b:3c:4d', 'virtio', 'ovirtmgmt']],
    ...{ display: 'qxl', sound: null, guestOs: 'rhel_9x64', machine: 'q35', clock: 'utc' },
    findings: [],
  });
});

test("XenServer's: disks as storage extents without a controller, in VHD", async () => {
  const [vm] = await machines('xenserver');
  assert.deepEqual(outline(vm!), {
    name: 'mail01',
    uuid: '77777777-1234-4234-8234-777777777777',
    ...{ firmware: 'bios', secureBoot: false, tpm: null, memoryMib: 4096, cpu: [2, 2, 1, 1] },
    disks: [['sda', 'sata', null, 8, 'Dynamic-1.vhd', 'vpc', null]],
    removable: [],
    nics: [['00:16:3e:12:34:56', 'unknown', 'Pool-wide network 0']],
    ...{ display: 'vga', sound: null, guestOs: 'Linux (CIM 1)', machine: null, clock: 'utc' },
    findings: ['warning disk.no-controller', 'warning nic.model'],
  });
});

test('OVF 0.9: sections and contents by their type, names in the old spelling', async () => {
  const [vm] = await machines('old');
  assert.deepEqual(outline(vm!), {
    ...{ name: 'old01', uuid: '', firmware: 'bios', secureBoot: false, tpm: null },
    ...{ memoryMib: 512, cpu: [1, 1, 1, 1] },
    disks: [['sda', 'scsi', 'buslogic', 4, 'old01.vmdk', 'vmdk', null]],
    removable: ['floppy fdc'],
    nics: [['', 'pcnet', 'bridged']],
    ...{ display: 'vga', sound: null, guestOs: 'Red Hat Enterprise Linux (CIM 79)', machine: null, clock: 'utc' },
    findings: ['info device.not-carried-over', 'info nic.address-missing'],
  });
});

test('OVF 2.0: several machines, the default size, items of its new kinds, a section that has to be understood', async () => {
  const [web, db, ...others] = await machines('two');
  assert.equal(others.length, 0);
  const none = { firmware: 'bios', secureBoot: false, tpm: null, removable: [], uuid: '' };
  const plain = { display: 'vga', sound: null, guestOs: null, machine: null, clock: 'utc' };
  const findings = ['blocking ovf.section-required', 'info ovf.startup', 'warning ovf.configuration'];
  assert.deepEqual(outline(web!), {
    ...{ ...none, name: 'web', memoryMib: 3072, cpu: [6, 6, 1, 1] },
    disks: [['sda', 'sata', null, 2, 'web.vhdx', 'vhdx', null]],
    nics: [['02:00:00:00:00:01', 'virtio', 'front']],
    ...{ ...plain, findings },
  });
  assert.deepEqual(outline(db!), {
    ...{ ...none, name: 'database', memoryMib: 1024, cpu: [2, 2, 1, 1] },
    disks: [['hdb', 'ide', null, 3, 'db.qcow2', 'qcow2', null]],
    nics: [],
    ...{ ...plain, findings },
  });
});
