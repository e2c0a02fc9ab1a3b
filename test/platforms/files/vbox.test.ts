import assert from 'node:assert/strict';
import test from 'node:test';
import { vmDescription } from '../../../src/model/vm.js';
import { FILES_FINDINGS } from '../../../src/platforms/files/finding-kinds.js';
import { parseVbox } from '../../../src/platforms/files/vbox.js';
import { attached, image, type Parts, sata, UUID, vbox } from './vbox-samples.js';

function parse(parts: Parts) {
  const { vm, disks } = parseVbox(vbox(parts), 'a.vbox');
  assert.deepEqual(
    vm.disks.map(({ id, path }) => [id, path]),
    disks.map(({ id, reference }) => [id, reference]),
  );
  for (const { id } of vm.findings) assert.ok(id in FILES_FINDINGS, `${id} is on no list of findings`);
  return { ...vmDescription.parse(vm), foreign: disks };
}
const severities = (parts: Parts) => parse(parts).findings.map(({ id, severity }) => `${id} ${severity}`);

test('a machine of VirtualBox 7 is described with nothing left over', () => {
  const { vm, disks } = parseVbox(
    vbox({
      hardware: `<CPU count="2"><PAE enabled="false"/><LongMode enabled="true"/></CPU><Chipset type="ICH9"/>
        <HID Pointing="USBTablet"/><Paravirt provider="Default"/><Display controller="VMSVGA" VRAMSize="16"/>
        <Boot><Order position="1" device="HardDisk"/><Order position="2" device="DVD"/><Order position="3" device="None"/></Boot>
        <BIOS><IOAPIC enabled="true"/><SmbiosUuidLittleEndian enabled="true"/></BIOS><USB><Controllers><Controller name="OHCI" type="OHCI"/></Controllers></USB>
        <Network><Adapter slot="1" enabled="true" MACAddress="080027DD5ADF" type="virtio"><DisabledModes><InternalNetwork name="intnet"/></DisabledModes><HostOnlyInterface name="vboxnet0"/></Adapter>
          <Adapter slot="0" enabled="true" MACAddress="080027BB1475" type="82540EM"><NAT localhost-reachable="true"/></Adapter>
          <Adapter slot="2" enabled="false" MACAddress="080027000000"/></Network>
        <UART><Port slot="0" enabled="true" IRQ="4" IOBase="0x3f8" hostMode="Disconnected"/></UART>
        <AudioAdapter controller="HDA" driver="ALSA" enabled="true"/><Clipboard mode="Bidirectional"/><GuestProperties/>`,
    }),
    'a.vbox',
  );
  assert.deepEqual(vmDescription.parse(vm), {
    ...{ name: 'a', uuid: UUID, firmware: 'bios', secureBoot: false, tpm: null, memoryBytes: 2 ** 30 },
    cpu: { count: 2, sockets: 1, coresPerSocket: 2, threadsPerCore: 1, model: null },
    disks: [
      {
        ...{ id: 'sda', bus: 'sata', order: 0, sizeBytes: 0, format: 'vdi', path: 'a.vdi', serial: null },
        ...{ bootOrder: null, allocatedBytes: null, changeTracking: false, discard: false, controllerModel: null },
      },
    ],
    removable: [],
    nics: [
      { mac: '08:00:27:bb:14:75', network: 'nat', networkKind: 'network', model: 'e1000' },
      { mac: '08:00:27:dd:5a:df', network: 'vboxnet0', networkKind: 'network', model: 'virtio' },
    ],
    ...{ display: 'vmvga', sound: 'ich6', guestOs: 'Debian_64', machine: 'q35', serialPorts: 1 },
    ...{ guestAgentChannel: false, clock: 'utc', rng: false, nvramPath: null, findings: [] },
  });
  assert.deepEqual(disks, [
    { id: 'sda', reference: 'a.vdi', format: 'vdi', compression: null, fileBytes: null, chunkBytes: null },
  ]);
});

test('disks are named by bus, in the order of their ports, whatever their images are', () => {
  const formats = ['VDI', 'vmdk', 'VHD', 'RAW', 'VDI'];
  const { disks, foreign, removable } = parse({
    disks: formats
      .map((format, index) => `<HardDisk uuid="${image(index)}" location="${index}" format="${format}" type="Normal"/>`)
      .join(''),
    controllers: `<StorageController name="IDE" type="PIIX4" PortCount="2">${attached(1, 1, 0)}<AttachedDevice passthrough="false" type="DVD" port="1" device="0"/></StorageController>
      ${sata(attached(3, 0, 1) + attached(0, 0, 2))}
      <StorageController name="SAS" type="LsiLogicSas" PortCount="8">${attached(0, 0, 3)}</StorageController>
      <StorageController name="NVMe" type="NVMe" PortCount="1">${attached(0, 0, 4)}</StorageController>
      <StorageController name="Floppy" type="I82078" PortCount="1"><AttachedDevice type="Floppy" port="0" device="0"/></StorageController>`,
  });
  assert.deepEqual(
    disks.map(({ id, path, controllerModel, order }) => [id, path, controllerModel, order]),
    [
      ['hdd', '0', null, 0],
      ['sda', '2', null, 1],
      ['sdb', '1', null, 2],
      ['sdc', '3', 'lsisas1068', 3],
      ['nvme0n1', '4', null, 4],
    ],
  );
  assert.deepEqual(
    foreign.map(({ format }) => format),
    ['vdi', 'vpc', 'vmdk', 'raw', 'vdi'],
  );
  assert.deepEqual(removable, [
    { kind: 'cdrom', bus: 'ide' },
    { kind: 'floppy', bus: 'fdc' },
  ]);
});

test('snapshots are counted, and a disk that only holds changes since one blocks', () => {
  const parts: Parts = {
    attributes: `currentSnapshot="${image(7)}"`,
    disks: `<HardDisk uuid="${image(1)}" location="a.vdi" format="VDI" type="Normal"><HardDisk uuid="${image(2)}" location="Snapshots/{2}.vdi" format="VDI"/></HardDisk>`,
    controllers: sata(attached(0, 0, 2)),
    machine: `<Snapshot uuid="${image(7)}" name="one" timeStamp="2024-01-01T00:00:00Z"><Hardware/><Snapshots><Snapshot uuid="${image(8)}" name="two"/></Snapshots></Snapshot>`,
  };
  assert.deepEqual(severities(parts), ['vm.snapshots warning', 'disk.differencing blocking']);
  assert.match(parse(parts).findings[0]!.message, /2 snapshot\(s\).*one, two/);
  assert.equal(parse(parts).disks[0]?.path, 'Snapshots/{2}.vdi');
});

test('UEFI with its variables and TPM, and what VirtualBox 7.1 has elsewhere, are read', () => {
  const old = parse({
    hardware:
      '<Firmware type="EFI"/><TrustedPlatformModule type="v2_0" location=""/><BIOS><NVRAM path="a.nvram"/></BIOS>',
  });
  assert.deepEqual([old.firmware, old.nvramPath, old.tpm?.version], ['uefi', 'a.nvram', '2.0']);
  assert.deepEqual(
    old.findings.map(({ id }) => id),
    ['firmware.variables-format', 'tpm.external'],
  );
  const later = parse({
    version: '1.20-windows',
    machine: '<Platform architecture="x86"><Chipset type="ICH9"/><RTC localOrUTC="local"/><CPU count="4"/></Platform>',
    hardware: '<Firmware type="EFI"><NVRAM path="b.nvram"/></Firmware>',
  });
  assert.deepEqual([later.machine, later.clock, later.cpu.count, later.nvramPath], ['q35', 'localtime', 4, 'b.nvram']);
  assert.deepEqual(severities({ version: '1.12-macosx' }), []);
  assert.deepEqual(severities({ version: '1.29' }), ['vbox.version warning']);
});

const adapter = (attributes: string, inner = '<NAT/>') =>
  `<Network><Adapter slot="0" enabled="true" MACAddress="080027BB1475" ${attributes}>${inner}</Adapter></Network>`;
const ofType = (type: string) => `<HardDisk uuid="${image(1)}" location="a" format="VDI" type="${type}"/>`;
for (const [what, parts, expected] of [
  ['a saved state', { attributes: 'stateFile="Snapshots/a.sav"' }, 'vm.suspended blocking'],
  ['ARM', { machine: '<Platform architecture="ARM"/>' }, 'cpu.architecture blocking'],
  ["the host's TPM", { hardware: '<TrustedPlatformModule type="Host"/>' }, 'tpm.passthrough blocking'],
  [
    'a passed through device',
    { hardware: '<HostPci><Devices><Device host="1" guest="2"/></Devices></HostPci>' },
    'hostdev.passthrough blocking',
  ],
  [
    'USB devices',
    { hardware: '<USB><DeviceFilters><DeviceFilter name="x" active="true"/></DeviceFilters></USB>' },
    'hostdev.usb warning',
  ],
  [
    'shared folders',
    { hardware: '<SharedFolders><SharedFolder name="x" hostPath="/x"/></SharedFolders>' },
    'filesystem.shared warning',
  ],
  [
    'a port that leads somewhere',
    { hardware: '<UART><Port slot="0" enabled="true" hostMode="HostPipe" path="/x"/></UART>' },
    'serial.backend info',
  ],
  ['a parallel port', { hardware: '<LPT><Port slot="0" enabled="true"/></LPT>' }, 'device.not-carried-over info'],
  [
    'booting from a CD',
    { hardware: '<Boot><Order position="2" device="HardDisk"/><Order position="1" device="DVD"/></Boot>' },
    'boot.order info',
  ],
  ['an unplugged cable', { hardware: adapter('type="virtio" cable="false"') }, 'nic.disconnected info'],
  ['a card that leads nowhere', { hardware: adapter('type="virtio"', '') }, 'nic.kind warning'],
  ['an unknown card', { hardware: adapter('type="constructor"') }, 'nic.model warning'],
  [
    'forwarded ports',
    { hardware: adapter('type="virtio"', '<NAT><Forwarding name="ssh"/></NAT>') },
    'nic.port-forwarding warning',
  ],
  ['an unknown element', { hardware: '<Invention/>' }, 'setting.not-carried-over info'],
  [
    'what was set by hand',
    {
      machine:
        '<ExtraData><ExtraDataItem name="GUI/x" value="1"/><ExtraDataItem name="VBoxInternal/y" value="1"/></ExtraData>',
    },
    'setting.not-carried-over info',
  ],
  ['an immutable disk', { disks: ofType('Immutable') }, 'disk.transient warning'],
  ['a shared disk', { disks: ofType('Shareable') }, 'disk.shareable blocking'],
  ['a disk outside snapshots', { disks: ofType('Writethrough') }, 'disk.independent info'],
  [
    'an encrypted disk',
    { disks: ofType('Normal').replace('/>', '><Property name="CRYPT/KeyId" value="a"/></HardDisk>') },
    'disk.encrypted blocking',
  ],
  ['an image of another kind', { disks: ofType('Normal').replace('VDI', 'iSCSI') }, 'disk.format blocking'],
  ['a disk that is not registered', { disks: '' }, 'disk.no-file blocking'],
  ['a USB disk', { controllers: sata(attached(0, 0, 1)).replace('AHCI', 'USB') }, 'disk.bus warning'],
  [
    'an inserted CD',
    {
      controllers: sata(`<AttachedDevice type="DVD" port="1" device="0"><Image uuid="${image(1)}"/></AttachedDevice>`),
    },
    'removable.medium info',
  ],
] as [string, Parts, string][]) {
  test(`a finding tells of ${what}`, () => assert.deepEqual(severities(parts), [expected]));
}

for (const [what, parts] of [
  ['a NUL in a reference', { disks: ofType('Normal').replace('location="a"', 'location="a&#0;b"') }],
  ['a line end in a reference', { disks: ofType('Normal').replace('location="a"', 'location="a&#10;b"') }],
  ['no reference', { disks: ofType('Normal').replace('location="a"', '') }],
  ['two images of one UUID', { disks: ofType('Normal') + ofType('Normal') }],
  ['a port beyond all', { controllers: sata(attached(0, 0, 1)).replace('port="0"', 'port="1e308"') }],
  ['a MAC address that is none', { hardware: adapter('').replace('080027BB1475', '08:00') }],
  ['processors by the millions', { hardware: '<CPU count="1000000"/>' }],
  [
    'snapshots deeper than any',
    { machine: `${'<Snapshot name="x"><Snapshots>'.repeat(200)}${'</Snapshots></Snapshot>'.repeat(200)}` },
  ],
] as [string, Parts][]) {
  test(`a file with ${what} is refused`, () => {
    assert.throws(() => parseVbox(vbox(parts), 'a.vbox'), { name: 'HostileInput' });
  });
}

test('what is no machine, is encrypted or is too old is refused with a way out', () => {
  const refused = (text: string, name: string, message: RegExp) =>
    assert.throws(() => parseVbox(text, 'a.vbox'), { name, message });
  refused('<VirtualBox version="1.19-linux"><Global/></VirtualBox>', 'HostileInput', /no machine/);
  refused(vbox({}).replace(`{${UUID}}`, 'x'), 'HostileInput', /no UUID/);
  refused('<domain/>', 'HostileInput', /no file of VirtualBox/);
  refused('<VirtualBox version="1.19-linux"><Machine/></VirtualBox>', 'HostileInput', /no hardware/);
  refused(vbox({}).replace('RAMSize="1024"', 'RAMSize="1e308"'), 'HostileInput', /RAMSize/);
  refused(vbox({ version: '1.11-linux' }), 'NotSupported', /1\.11-linux/);
  refused('<VirtualBox version="1.19-linux"><MachineEncrypted uuid="{x}"/></VirtualBox>', 'NotSupported', /encrypted/);
});

test('names that objects have do no harm', () => {
  const vm = parse({ hardware: '<toString a="1"/>', machine: '<hasOwnProperty/>' });
  assert.match(vm.findings[0]!.message, /hasOwnProperty.*toString/);
  for (const name of ['__proto__', 'constructor']) {
    const text = vbox({ hardware: `<${name} enabled="true"/>` });
    assert.throws(() => parseVbox(text, 'a.vbox'), { name: 'HostileInput' });
  }
  assert.equal(({} as { enabled?: string }).enabled, undefined);
});
