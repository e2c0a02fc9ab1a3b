import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { vmDescription } from '../../../src/model/vm.js';
import { FILES_FINDINGS } from '../../../src/platforms/files/finding-kinds.js';
import { parseVmsd } from '../../../src/platforms/files/vmsd.js';
import { parseVmx } from '../../../src/platforms/files/vmx.js';

/** From the sources, as only compiled files are in dist. */
const fixture = (name: string) =>
  readFileSync(new URL(`../../../../test/platforms/files/fixtures/${name}`, import.meta.url), 'utf8');

const UUID = 'uuid.bios = "56 4d fb 78 d1 cd e9 a3-0e 27 88 00 07 b7 0f 3b"';

function parse(text: string) {
  const { vm, disks } = parseVmx(text, 'a.vmx');
  assert.deepEqual(
    vm.disks.map(({ id, path }) => [id, path]),
    disks.map(({ id, reference }) => [id, reference]),
  );
  for (const { id } of vm.findings) assert.ok(id in FILES_FINDINGS, `${id} is on no list of findings`);
  return vmDescription.parse(vm);
}

const small = (...lines: string[]) => parse(['displayName = "a"', UUID, 'memsize = "64"', ...lines].join('\n'));
const disk = (node: string, ...more: string[]) =>
  [`${node}.present = "TRUE"`, `${node}.fileName = "${node.replace(':', '_')}.vmdk"`, ...more].join('\n');
const ids = (vm: ReturnType<typeof parse>) => vm.findings.map(({ id }) => id);
const severities = (vm: ReturnType<typeof parse>) => vm.findings.map(({ id, severity }) => `${id} ${severity}`);
const messages = (vm: ReturnType<typeof parse>) => vm.findings.map(({ message }) => message).join('\n');

test('a Windows machine of Workstation is described, with what its copy will lack', () => {
  const vm = parse(fixture('workstation.vmx').replaceAll('\n', '\r\n'));
  assert.deepEqual(
    { ...vm, findings: [] },
    {
      ...{ name: 'Büro "A"', uuid: '564dfb78-d1cd-e9a3-0e27-880007b70f3b', firmware: 'uefi', secureBoot: true },
      tpm: { model: 'tpm-crb', version: '2.0', statePath: null },
      memoryBytes: 8192 * 2 ** 20,
      cpu: { count: 4, sockets: 2, coresPerSocket: 2, threadsPerCore: 1, model: null },
      disks: [
        {
          ...{ id: 'nvme0n1', bus: 'nvme', order: 0, sizeBytes: 0, format: 'vmdk', path: 'Windows 11-000001.vmdk' },
          ...{ serial: null, bootOrder: null, allocatedBytes: null, changeTracking: false, discard: false },
          controllerModel: null,
        },
      ],
      removable: [{ kind: 'cdrom', bus: 'sata' }],
      nics: [{ mac: '00:0c:29:b7:0f:3b', network: 'nat', networkKind: 'network', model: 'e1000e', slot: 160 }],
      ...{ display: 'vmvga', sound: 'ich6', guestOs: 'windows11-64', machine: null, serialPorts: 0 },
      ...{ guestAgentChannel: false, clock: 'localtime', rng: false, nvramPath: 'Büro "A".nvram', findings: [] },
    },
  );
  assert.deepEqual(severities(vm), [
    ...['firmware.variables-format warning', 'tpm.external blocking', 'disk.snapshot-layer info'],
    ...['removable.medium info', 'device.not-carried-over info'],
  ]);
  assert.match(messages(vm), /devices are not carried over: serial0 \(printer\)\./);
});

test('a server of ESXi keeps the order of its disks, and its names for controllers, cards and networks', () => {
  const vm = parse(fixture('esxi.vmx'));
  assert.deepEqual(
    vm.disks.map((each) => [each.id, each.bus, each.path, each.controllerModel, each.bootOrder, each.order]),
    [
      ['sda', 'scsi', 'db.vmdk', 'vmpvscsi', 2, 1],
      ['sdb', 'scsi', 'db_1.vmdk', 'vmpvscsi', null, 2],
      ['sdc', 'scsi', 'db_2.vmdk', 'vmpvscsi', null, 3],
      ['sdd', 'scsi', '/vmfs/volumes/other/db/../boot.vmdk', 'lsisas1068', 1, 0],
      ['sde', 'sata', 'data.vmdk', null, null, 4],
    ],
  );
  assert.deepEqual(vm.nics, [
    { mac: '00:50:56:8c:23:93', network: 'VM Network', networkKind: 'network', model: 'vmxnet3', slot: 161 },
    { mac: '00:50:56:01:02:03', network: 'dvportgroup-75', networkKind: 'network', model: 'e1000', slot: 33 },
  ]);
  assert.deepEqual(
    [vm.firmware, vm.machine, vm.clock, vm.serialPorts, vm.removable, vm.nvramPath],
    ['bios', 'pc', 'utc', 1, [{ kind: 'cdrom', bus: 'ide' }], null],
  );
  assert.deepEqual(severities(vm), [
    ...['serial.backend info', 'cpu.hotplug info', 'disk.independent info', 'nic.disconnected info'],
    'setting.not-carried-over info',
  ]);
  assert.match(messages(vm), /carried over: sched.mem.min, disk.EnableUUID, guestinfo.userdata\./);
});

test('an old machine without names for its devices has what VMware gives such a one', () => {
  const vm = small(
    'guestOS = "winxppro"',
    'Scsi0.present = TRUE # the first one',
    disk('SCSI0:0'),
    disk('ide0:1', 'ide0:1.deviceType = "ata-hardDisk"'),
    'ide1:0.present = "TRUE"\nide1:0.fileName = "/dev/cdrom"\nide1:0.deviceType = "cdrom-raw"',
    'Ethernet0.present = "TRUE"\nsound.present = "TRUE"\nfloppy0.present = "TRUE"',
  );
  assert.deepEqual(
    vm.disks.map((each) => [each.id, each.controllerModel]),
    [
      ['hdb', null],
      ['sda', 'buslogic'],
    ],
  );
  assert.deepEqual(vm.nics, [{ mac: '', network: 'bridged', networkKind: 'network', model: 'pcnet' }]);
  assert.deepEqual(vm.removable, [
    { kind: 'cdrom', bus: 'ide' },
    { kind: 'floppy', bus: 'fdc' },
  ]);
  assert.deepEqual([vm.sound, vm.clock, vm.cpu.count], ['es1370', 'localtime', 1]);
  assert.deepEqual(ids(vm), ['nic.mac']);
});

test('the slot of a network card is the one that its guest sees, where it has one yet', () => {
  const slots = ['32', '160', '1216', '2248', '-1', '', '0', '8192', '1e3', '99999999999'].map((number) => {
    const { nics, findings } = small(
      `ethernet0.present = "TRUE"\nethernet0.virtualDev = "vmxnet3"\nethernet0.address = "00:50:56:00:00:01"\nethernet0.pciSlotNumber = "${number}"`,
    );
    assert.deepEqual(findings, []);
    return nics[0]?.slot;
  });
  assert.deepEqual(slots, [32, 160, 193, 202, ...Array.from({ length: 6 }, () => undefined)]);
});

test('what is not present is not there, and a controller that is not mentioned loses no disk', () => {
  const vm = small(
    disk('scsi0:0', 'scsi0:0.present = "FALSE"'),
    disk('scsi0:1'),
    disk('sata1:0', 'sata1.present = "FALSE"'),
    'ethernet0.virtualDev = "e1000"',
  );
  assert.deepEqual(
    vm.disks.map(({ path }) => path),
    ['scsi0_1.vmdk'],
  );
  assert.deepEqual(vm.nics, []);
});

for (const [what, lines, expected] of [
  ['an encrypted one', 'encryption.keySafe = "vmware:key/list/(pair/x)"', 'vm.encrypted blocking'],
  ['one encrypted as a whole', 'encryption.data = "AAAA"', 'vm.encrypted blocking'],
  ['a suspended one', 'checkpoint.vmState = "a.vmss"', 'vm.suspended blocking'],
  ['one of ARM', 'guestOS = "arm-debian12-64"', 'cpu.architecture blocking'],
  ['a passed through card', 'pciPassthru0.present = "TRUE"', 'hostdev.passthrough blocking'],
  ['a USB device', 'usb.autoConnect.device0 = "path:1/2 autoclean:1"', 'hostdev.usb warning'],
  ['a TPM', 'vtpm.present = "TRUE"', 'tpm.external blocking'],
  ['a shared folder', 'sharedFolder0.present = "TRUE"', 'filesystem.shared warning'],
  ['booting from the network', 'bios.bootOrder = "ethernet0,hdd"', 'boot.order info'],
  ['strange firmware', 'firmware = "coreboot"', 'firmware.unknown warning'],
  ['an offset of its clock', 'rtc.diffFromUTC = "3600"', 'clock.offset info'],
  ['an odd topology', 'numvcpus = "3"\ncpuid.coresPerSocket = "2"', 'cpu.topology info'],
  ['another encoding', '.encoding = "GBK"', 'vmx.encoding info'],
  ['contradictions', 'numvcpus = "1"\nNumVCPUs = "2"', 'vmx.duplicate-key warning'],
  ['a parallel port', 'parallel0.present = "TRUE"', 'device.not-carried-over info'],
  ['an unknown device', 'flux0.present = "TRUE"', 'device.not-carried-over info'],
  ['virtual NUMA nodes', 'numa.vcpu.maxPerVirtualNode = "8"', 'cpu.numa warning'],
  ['a busy core for each', 'sched.cpu.latencySensitivity = "high"', 'cpu.pinned warning'],
  ['an unknown setting', 'hypervisor.cpuid.v0 = "FALSE"', 'setting.not-carried-over info'],
  ['syncing its time', 'tools.syncTime = "TRUE"', 'setting.not-carried-over info'],
  [
    'an old card',
    'ethernet0.present = "TRUE"\nethernet0.virtualDev = "vmxnet"\nethernet0.address = "00:50:56:00:00:01"',
    'nic.model warning',
  ],
  ['a disk of many writers', disk('scsi0:0', 'scsi0:0.sharing = "multi-writer"'), 'disk.shareable blocking'],
  ['a shared bus', disk('scsi0:0', 'scsi0.sharedBus = "physical"'), 'disk.shareable blocking'],
  ['a raw disk', disk('scsi0:0', 'scsi0:0.deviceType = "rawDisk"'), 'disk.raw-device blocking'],
  ['a mapped device', disk('scsi0:0', 'scsi0:0.deviceType = "scsi-passThru-rdm"'), 'disk.raw-device blocking'],
  ['a tape', disk('scsi0:0', 'scsi0:0.deviceType = "scsi-passthru"'), 'disk.kind blocking'],
  ['a disk without a file', 'scsi0:0.present = "TRUE"', 'disk.no-file blocking'],
  ['a disk that forgets', disk('scsi0:0', 'scsi0:0.mode = "independent-nonpersistent"'), 'disk.transient warning'],
  ['a redo log', disk('scsi0:0', 'scsi0:0.redo = "./a.vmdk.REDO_x"'), 'disk.redo-log blocking'],
  ['writing through', disk('scsi0:0', 'scsi0:0.writeThrough = "TRUE"'), 'setting.not-carried-over info'],
] as const) {
  test(`a finding tells of ${what}`, () => assert.deepEqual(severities(small(lines)), [expected]));
}

test('the last of several values counts, and a missing UUID or size of memory is said', () => {
  assert.equal(small('numvcpus = "1"', 'NUMVCPUS = "2"').cpu.count, 2);
  const vm = parse('displayName = "a"');
  assert.deepEqual([vm.uuid, vm.memoryBytes, ids(vm)], ['', 32 * 2 ** 20, ['vm.uuid', 'memory.unstated']]);
});

test('a key like __proto__ is a setting as any other', () => {
  const vm = small(
    '__proto__.present = "TRUE"',
    'constructor = "x"',
    'scsi0.virtualDev = "constructor"',
    disk('scsi0:0'),
  );
  assert.deepEqual(ids(vm), ['device.not-carried-over', 'setting.not-carried-over']);
  assert.equal(vm.disks[0]?.controllerModel, 'constructor');
  assert.equal(({} as { present?: string }).present, undefined);
});

test('messages stay short, whatever the file holds', () => {
  const vm = small(
    `checkpoint.vmState = "${'x'.repeat(100_000)}"`,
    ...[...Array(500).keys()].map((n) => `zz${n} = "1"`),
  );
  assert.ok(messages(vm).length < 2000);
  assert.match(messages(vm), /and 475 more/);
});

for (const [what, line] of [
  ['a quote that does not end', 'annotation = "x'],
  ['something behind the quote', 'annotation = "x" y'],
  ['no setting', 'annotation'],
  ['a setting without a name', '= "x"'],
  ['a number that is none', 'memsize = "1e308"'],
  ['no memory', 'memsize = "0"'],
  ['too much memory', 'memsize = "999999999999999"'],
  ['a negative number', 'numvcpus = "-1"'],
  ['cores by the millions', 'cpuid.coresPerSocket = "1e9"'],
  ['neither true nor false', 'scsi0:0.present = "perhaps"'],
  ['a NUL in a reference', 'scsi0:0.present = "TRUE"\nscsi0:0.fileName = "a|00.vmdk"'],
  ['a line end in a reference', 'scsi0:0.present = "TRUE"\nscsi0:0.fileName = "a|0Ab.vmdk"'],
  ['a NUL as it is', 'nvram = "a\0b"'],
  ['a line end in the name', 'displayName = "a|0D|0Ab"'],
  ['a very long reference', `nvram = "${'x'.repeat(5000)}"`],
  ['a MAC address that is none', 'ethernet0.present = "TRUE"\nethernet0.generatedAddress = "00:0c:29:b7:0f"'],
  ['a line of 10 MiB', `annotation = "${'x'.repeat(10 * 2 ** 20)}"`],
  ['too many settings', [...Array(20_001).keys()].map((number) => `k${number} = "1"`).join('\n')],
] as const) {
  test(`a file with ${what} is refused`, () => {
    assert.throws(() => small(line), { name: 'HostileInput', message: /^\[files\] cannot read a\.vmx: .{1,300}$/ });
  });
}

test('references stay as written, since somebody else judges where they lead', () => {
  const paths = ['../../etc/shadow', '/dev/sda', 'C:\\VMs\\a.vmdk', 'a b.vmdk'];
  const vm = small(...paths.map((path, unit) => `scsi0:${unit}.present = "TRUE"\nscsi0:${unit}.fileName = "${path}"`));
  assert.deepEqual(
    vm.disks.map(({ path }) => path),
    paths,
  );
  assert.deepEqual(ids(vm), ['disk.raw-device']);
});

test('the list of snapshots gives their names, and an empty one none', () => {
  const list = parseVmsd(
    [
      '.encoding = "UTF-8"\nsnapshot.lastUID = "2"\nsnapshot.current = "2"\nsnapshot.numSnapshots = "2"',
      'snapshot0.uid = "1"\nsnapshot0.filename = "a-Snapshot1.vmsn"\nsnapshot0.displayName = "before |22it|22"',
      'snapshot0.numDisks = "1"\nsnapshot0.disk0.fileName = "a.vmdk"\nsnapshot1.uid = "2"\nsnapshot.mru0.uid = "1"',
    ].join('\n'),
  );
  assert.deepEqual(list.names, ['before "it"', 'snapshot1']);
  assert.deepEqual(
    list.findings.map(({ id, severity }) => [id, severity]),
    [['vm.snapshots', 'warning']],
  );
  assert.deepEqual(parseVmsd(''), { names: [], findings: [] });
  assert.deepEqual(parseVmsd('snapshot.lastUID = "3"\nsnapshot.numSnapshots = "0"').names, []);
  assert.throws(() => parseVmsd('snapshot0.uid = "1'), { name: 'HostileInput' });
});
