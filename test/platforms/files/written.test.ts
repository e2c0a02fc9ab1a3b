import assert from 'node:assert/strict';
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { VmDescription } from '../../../src/model/vm.js';
import { describePlace } from '../../../src/platforms/files/describe-place.js';

/** Descriptors that came out of the tools themselves; fixtures/written/README.md says how. */

let work = '';
before(async () => {
  work = await mkdtemp(join(tmpdir(), 'vmferry-written-'));
});
after(() => rm(work, { recursive: true, force: true }));

interface Disk {
  file: string;
  format: 'vmdk' | 'vdi' | 'qcow2';
  mib: number;
}

/** The descriptor in a folder of its own, with empty disks of the right size beside it. */
async function described(fixture: string, disks: readonly Disk[]): Promise<VmDescription> {
  const folder = await mkdtemp(join(work, 'package-'));
  const from = new URL(`../../../../test/platforms/files/fixtures/written/${fixture}`, import.meta.url);
  await copyFile(fileURLToPath(from), join(folder, fixture));
  for (const { file, format, mib } of disks) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await execa('qemu-img', ['create', '-q', '-f', format, join(folder, file), `${mib}M`]);
  }
  return (await describePlace(join(folder, fixture), null, false)).described;
}

/** Everything but what the images themselves say; a line for each device. */
const outline = (vm: VmDescription) => ({
  ...{ name: vm.name, uuid: vm.uuid, firmware: vm.firmware, secureBoot: vm.secureBoot, tpm: vm.tpm?.version ?? null },
  memoryMib: vm.memoryBytes / 2 ** 20,
  cpu: `${vm.cpu.count}: ${vm.cpu.sockets} x ${vm.cpu.coresPerSocket} x ${vm.cpu.threadsPerCore} ${vm.cpu.model ?? ''}`,
  disks: vm.disks.map((disk) => {
    const where = [disk.id, disk.controllerModel ?? disk.bus, `${disk.order}`, `boot ${disk.bootOrder}`];
    const what = [`${disk.sizeBytes / 2 ** 20} MiB`, disk.format, disk.path ?? '', disk.serial ?? ''];
    return [...where, ...what, disk.discard ? 'discard' : ''].join(' ').trimEnd();
  }),
  removable: vm.removable.map(({ kind, bus }) => `${kind} ${bus}`),
  nics: vm.nics.map(({ mac, model, network, networkKind }) => `${mac} ${model} ${networkKind} ${network}`),
  ...{ display: vm.display, sound: vm.sound, guestOs: vm.guestOs, machine: vm.machine, clock: vm.clock },
  ...{ serialPorts: vm.serialPorts, guestAgentChannel: vm.guestAgentChannel, rng: vm.rng, nvram: vm.nvramPath },
  findings: vm.findings.map(({ id, severity }) => `${severity} ${id}`).sort(),
});

const VMWARE: Disk[] = [
  { file: 'root.vmdk', format: 'vmdk', mib: 64 },
  { file: 'data.vmdk', format: 'vmdk', mib: 32 },
];
const NOTHING = { guestAgentChannel: false, rng: false, nvram: null };

test("VMware's OVF by its own ova-compose: SCSI and NVMe, secure boot, drives without a medium", async () => {
  const expected = {
    ...{ name: 'db01', uuid: '', firmware: 'uefi', secureBoot: true, tpm: null, memoryMib: 4096, cpu: '4: 4 x 1 x 1 ' },
    disks: ['sda lsilogic 0 boot null 64 MiB vmdk root.vmdk', 'nvme0n1 nvme 1 boot null 32 MiB vmdk data.vmdk'],
    removable: ['cdrom sata', 'floppy fdc'],
    nics: [' vmxnet3 network Prod & DMZ', ' e1000e network Backup'],
    ...{ display: 'vmvga', sound: null, guestOs: 'debian11_64Guest', machine: null, clock: 'utc', serialPorts: 0 },
    ...NOTHING,
    findings: [
      'info firmware.variables-new',
      'info manifest.missing',
      'info nic.address-missing',
      'info nic.address-missing',
    ],
  };
  assert.deepEqual(outline(await described('ova-compose.ovf', VMWARE)), expected);
  // The same, edited by Cisco's COT, which gives the cards addresses and adds serial ports.
  assert.deepEqual(outline(await described('cot.ovf', VMWARE)), {
    ...{
      ...expected,
      memoryMib: 3072,
      cpu: '2: 2 x 1 x 1 ',
      serialPorts: 2,
      findings: ['info firmware.variables-new', 'info manifest.missing'],
    },
    nics: [
      '00:50:56:aa:00:01 e1000 network mgmt',
      '00:50:56:aa:00:02 e1000 network Prod & DMZ',
      '00:50:56:aa:00:03 e1000 network wan',
    ],
  });
});

test("VirtualBox's OVF 0.9, 1.0 and 2.0 describe the same machine, with the empty drives that only its own part has", async () => {
  const disks: Disk[] = [64, 32, 16].map((mib, nth) => ({ file: `dev01-disk00${nth + 1}.vmdk`, format: 'vmdk', mib }));
  for (const version of ['09', '10', '20']) {
    assert.deepEqual(outline(await described(`virtualbox-${version}.ovf`, disks)), {
      ...{ name: 'dev01', uuid: '6f5e4d3c-1111-4222-8333-444455556666', firmware: 'uefi', secureBoot: false },
      ...{ tpm: '2.0', memoryMib: 3072, cpu: '4: 1 x 4 x 1 ' },
      disks: [
        'hdb ide 0 boot null 16 MiB vmdk dev01-disk003.vmdk',
        'sda sata 1 boot null 64 MiB vmdk dev01-disk001.vmdk',
        'sdb lsilogic 2 boot null 32 MiB vmdk dev01-disk002.vmdk',
      ],
      removable: ['cdrom ide', 'floppy fdc'],
      nics: [
        '08:00:27:aa:bb:01 virtio network NAT',
        '08:00:27:aa:bb:02 e1000 network Bridged',
        '08:00:27:aa:bb:03 pcnet network Internal',
      ],
      ...{ display: 'vmvga', sound: 'ich6', guestOs: 'Debian12_64', machine: 'q35', clock: 'utc', serialPorts: 1 },
      ...NOTHING,
      findings: ['blocking tpm.external', 'info firmware.variables-new', 'info manifest.missing'],
    });
  }
});

test("VirtualBox's OVF of an old machine: SAS, VirtIO SCSI and NVMe, a CD in its drive, a name with quotes", async () => {
  const disks = [1, 2, 3, 4].map((nth): Disk => ({
    file: `old & 'grey' 01-disk00${nth}.vmdk`,
    format: 'vmdk',
    mib: 16,
  }));
  assert.deepEqual(outline(await described('virtualbox-old.ovf', disks)), {
    ...{ name: "old & 'grey' 01", uuid: '6f5e4d3c-1111-4222-8333-444455557777', firmware: 'bios', secureBoot: false },
    ...{ tpm: null, memoryMib: 512, cpu: '1: 1 x 1 x 1 ' },
    disks: [
      "hdd ide 0 boot null 16 MiB vmdk old & 'grey' 01-disk001.vmdk",
      "sda lsisas1068 1 boot null 16 MiB vmdk old & 'grey' 01-disk002.vmdk",
      "sdb virtio-scsi 2 boot null 16 MiB vmdk old & 'grey' 01-disk004.vmdk",
      "nvme0n1 nvme 3 boot null 16 MiB vmdk old & 'grey' 01-disk003.vmdk",
    ],
    removable: ['cdrom ide'],
    nics: ['08:00:27:aa:bb:04 pcnet network HostOnly'],
    ...{ display: 'vga', sound: 'ac97', guestOs: 'WindowsXP', machine: 'pc', clock: 'localtime', serialPorts: 0 },
    ...NOTHING,
    findings: ['info manifest.missing', 'info removable.medium'],
  });
});

test("VirtualBox's own machine file says the same as its export", async () => {
  const disks: Disk[] = [
    { file: 'root.vdi', format: 'vdi', mib: 64 },
    { file: 'data.vdi', format: 'vdi', mib: 32 },
    { file: 'old.vdi', format: 'vdi', mib: 16 },
  ];
  assert.deepEqual(outline(await described('virtualbox.vbox', disks)), {
    ...{ name: 'dev01', uuid: '6f5e4d3c-1111-4222-8333-444455556666', firmware: 'uefi', secureBoot: false },
    ...{ tpm: '2.0', memoryMib: 3072, cpu: '4: 1 x 4 x 1 ' },
    disks: [
      'hdb ide 0 boot null 16 MiB vdi old.vdi',
      'sda sata 1 boot null 64 MiB vdi root.vdi',
      'sdb lsilogic 2 boot null 32 MiB vdi data.vdi',
    ],
    removable: ['cdrom ide', 'floppy fdc'],
    nics: [
      '08:00:27:aa:bb:01 virtio network nat',
      '08:00:27:aa:bb:02 e1000 network eth0',
      '08:00:27:aa:bb:03 pcnet network backup',
    ],
    ...{ display: 'vmvga', sound: 'ich6', guestOs: 'Debian12_64', machine: 'q35', clock: 'utc', serialPorts: 1 },
    ...NOTHING,
    findings: ['blocking tpm.external', 'info firmware.variables-new', 'warning firmware.variables-format'],
  });
});

test("oVirt's OVF by virt-v2v, for its API and for an export domain of RHV", async () => {
  const image = '11111111-aaaa-4aaa-8aaa';
  const volume = '22222222-bbbb-4bbb-8bbb';
  for (const [fixture, first, second] of [
    ['virt-v2v-ovirt.ovf', '', ''],
    ['virt-v2v-rhv.ovf', `${image}-111111111111/`, `${image}-222222222222/`],
  ] as const) {
    const [root, data] = [`${first}${volume}-111111111111`, `${second}${volume}-222222222222`];
    const disks: Disk[] = [
      { file: root, format: 'qcow2', mib: 1024 },
      { file: data, format: 'qcow2', mib: 32 },
    ];
    assert.deepEqual(outline(await described(fixture, disks)), {
      ...{ name: 'app01', uuid: '55555555-eeee-4eee-8eee-555555555555', firmware: 'bios', secureBoot: false },
      ...{ tpm: null, memoryMib: 2048, cpu: '4: 2 x 1 x 2 ' },
      disks: [`vda virtio 0 boot 1 1024 MiB qcow2 ${root}`, `vdb virtio 1 boot null 32 MiB qcow2 ${data}`],
      removable: [],
      nics: ['52:54:00:1a:2b:3c e1000 network default', '52:54:00:1a:2b:3d e1000 network br0'],
      ...{ display: 'vga', sound: null, guestOs: 'OtherLinux', machine: 'pc', clock: 'utc', serialPorts: 0 },
      ...NOTHING,
      findings: ['info manifest.missing'],
    });
  }
});

test("VMware's VMX by libvirt's ESX driver, whose disks lie on a datastore and not beside it", async () => {
  const store = '/vmfs/volumes/LocalDS_0/mail01';
  assert.deepEqual(outline(await described('libvirt-esx.vmx', [])), {
    ...{ name: 'mail01', uuid: '77777777-1234-4234-8234-777777777777', firmware: 'uefi', secureBoot: false },
    ...{ tpm: null, memoryMib: 2048, cpu: '4: 2 x 2 x 1 ' },
    disks: [
      `hda ide 0 boot null 0 MiB vmdk ${store}/mail01_2.vmdk`,
      `sda vmpvscsi 1 boot null 0 MiB vmdk ${store}/mail01.vmdk`,
      `sdb lsilogic 2 boot null 0 MiB vmdk ${store}/mail01_1.vmdk`,
    ],
    removable: ['cdrom ide'],
    nics: ['00:50:56:01:02:03 vmxnet3 network VM Network', '00:0c:29:01:02:04 e1000e network Prod & DMZ'],
    ...{ display: 'vmvga', sound: null, guestOs: 'other-64', machine: null, clock: 'utc', serialPorts: 1 },
    ...NOTHING,
    findings: [
      ...['blocking disk.outside', 'blocking disk.outside', 'blocking disk.outside'],
      ...['info firmware.variables-new', 'info removable.medium', 'info serial.backend'],
    ],
  });
});

test("libvirt's XML of a defined domain, of virt-install and of virt-v2v", async () => {
  const disks = (root: string, data: string): Disk[] => [
    { file: root, format: 'qcow2', mib: 1024 },
    { file: data, format: 'qcow2', mib: 32 },
  ];
  assert.deepEqual(outline(await described('libvirt.xml', disks('lnx01.qcow2', 'lnx01-data.qcow2'))), {
    ...{ name: 'lnx01', uuid: '99999999-1234-4234-8234-999999999999', firmware: 'uefi', secureBoot: false },
    ...{ tpm: '2.0', memoryMib: 3072, cpu: '6: 1 x 3 x 2 Nehalem' },
    disks: [
      'vda virtio 1 boot 2 1024 MiB qcow2 lnx01.qcow2 ROOT01 discard',
      'sda virtio-scsi 0 boot 1 32 MiB qcow2 lnx01-data.qcow2',
    ],
    removable: ['cdrom sata', 'floppy fdc'],
    nics: ['52:54:00:1a:2b:3c virtio network default', '52:54:00:1a:2b:3d e1000e bridge br0'],
    ...{ display: 'qxl', sound: 'ich9', guestOs: 'http://debian.org/debian/11', machine: 'q35', clock: 'utc' },
    ...{ serialPorts: 1, guestAgentChannel: true, rng: true, nvram: null },
    findings: ['info device.not-carried-over', 'info firmware.variables-new'],
  });
  const printed = outline(await described('virt-install.xml', disks('app01.qcow2', 'data.qcow2')));
  const expected = {
    ...{ name: 'app01', uuid: '55555555-eeee-4eee-8eee-555555555555', firmware: 'bios', secureBoot: false },
    ...{ tpm: null, memoryMib: 2048, cpu: '4: 2 x 1 x 2 ' },
    disks: ['sda sata 0 boot null 1024 MiB qcow2 app01.qcow2', 'sdb virtio-scsi 1 boot null 32 MiB qcow2 data.qcow2'],
    removable: ['cdrom sata'],
    nics: ['52:54:00:1a:2b:3c e1000 network default', '52:54:00:1a:2b:3d rtl8139 bridge br0'],
    ...{ display: 'vga', sound: 'ich9', guestOs: 'http://fedoraproject.org/fedora/37', machine: 'q35', clock: 'utc' },
    ...{ serialPorts: 0, guestAgentChannel: true, rng: true, nvram: null, findings: [] },
  };
  assert.deepEqual(printed, expected);
  // The same machine after its conversion.
  assert.deepEqual(outline(await described('virt-v2v-local.xml', disks('app01-sda', 'app01-sdb'))), {
    ...{ ...expected, uuid: '', machine: 'pc', guestOs: 'http://fedoraproject.org/fedora/14', rng: false },
    disks: ['vda virtio 0 boot null 1024 MiB qcow2 app01-sda', 'vdb virtio 1 boot null 32 MiB qcow2 app01-sdb'],
    removable: ['cdrom scsi'],
    nics: ['52:54:00:1a:2b:3c e1000 network default', '52:54:00:1a:2b:3d e1000 bridge br0'],
  });
});
