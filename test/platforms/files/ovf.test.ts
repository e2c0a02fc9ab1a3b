import assert from 'node:assert/strict';
import test from 'node:test';
import { vmDescription } from '../../../src/model/vm.js';
import { FILES_FINDINGS } from '../../../src/platforms/files/finding-kinds.js';
import { parseOvf } from '../../../src/platforms/files/ovf.js';
import { formatOf, unitBytes } from '../../../src/platforms/files/ovf-values.js';
import {
  CPU,
  DISK,
  DISKS,
  envelope,
  FILES,
  item,
  MEMORY,
  type Parts,
  SCSI,
  virtualSystem,
  VMDK,
  wrapped,
} from './ovf-samples.js';

function read(text: string) {
  const { vms, references } = parseOvf(text, 'test.ovf');
  const { vm, disks } = vms[0]!;
  for (const { id } of vm.findings) assert.ok(id in FILES_FINDINGS, `${id} is on no list of findings`);
  vmDescription.parse(vm);
  return { vm, disks, references, vms, findings: vm.findings.map((each) => `${each.severity} ${each.id}`).sort() };
}

const said = (parts: Parts) => read(envelope(parts)).findings;

function refused(text: string, why: RegExp) {
  assert.throws(
    () => parseOvf(text, 'test.ovf'),
    (error: Error) =>
      error.name === 'HostileInput' && why.test(error.message) && error.message.includes('cannot read test.ovf: '),
    String(why),
  );
}

test('units are read as programs and as people write them', () => {
  for (const [text, bytes] of [
    ['byte * 2^20', 2 ** 20],
    ['byte*2^30', 2 ** 30],
    ['bytes', 1],
    ['byte * 10^9', 1e9],
    ['MegaBytes', 2 ** 20],
    ['GigaBytes', 2 ** 30],
    ['KB', 1024],
    ['MB', 2 ** 20],
    ['TeraBytes', 2 ** 40],
    ['byte * 2^99', null],
    ['constructor', null],
    ['hertz * 10^6', null],
  ] as const) {
    assert.equal(unitBytes(text), bytes, text);
  }
  const memory = (more: Record<string, string>) =>
    read(envelope({ hardware: CPU + item(4, 2, { VirtualQuantity: '512', ...more }) })).vm.memoryBytes;
  assert.equal(memory({}), 2 ** 29);
  assert.equal(memory({ AllocationUnits: 'KB' }), 2 ** 19);
});

test('formats are told by the addresses that tools use', () => {
  for (const [uri, format] of [
    [VMDK, 'vmdk'],
    ['http://www.vmware.com/specifications/vmdk.html#sparse', 'vmdk'],
    ['http://www.vmware.com/specifications/vmdk.html#compressed', 'vmdk'],
    ['http://go.microsoft.com/fwlink/?LinkId=137171#vhd', 'vpc'],
    ['urn:vhdx', 'vhdx'],
    ['http://www.virtualbox.org/ovf/formats/vdi', 'vdi'],
    ['http://www.gnome.org/~markmc/qcow-image-format-version-1.html', 'qcow'],
    ['http://www.gnome.org/~markmc/qcow-image-format.html', 'qcow2'],
    ['https://wiki.qemu.org/qcow2', 'qcow2'],
    ['http://wiki.rpath.com/wiki/rBuilder_Online:Raw_Hard_Disk_Image', 'raw'],
    ['http://example.org/drawing', null],
    ['__proto__', null],
    [null, null],
  ] as const) {
    assert.equal(formatOf(uri), format, uri ?? 'none');
  }
});

test('a format that is not known is a finding, and the file has to tell', () => {
  const found = read(envelope({ disks: DISKS.replace(VMDK, 'urn:odd') }));
  assert.deepEqual(found.findings, ['warning disk.format-unknown']);
  assert.equal(found.disks[0]?.format, null);
});

test('a file is attached as a raw disk, or as a CD', () => {
  const found = read(
    envelope({
      files:
        '<File ovf:id="f1" ovf:href="a.bin"/><File ovf:id="f2" ovf:href="b.iso"/><File ovf:id="f3" ovf:href="c.vmdk"/>',
      disks: '',
      hardware: `${CPU}${MEMORY}${SCSI}${item(17, 4, { Parent: 3, AddressOnParent: 1, HostResource: 'ovf:/file/f1' })}${item(17, 5, { Parent: 3, HostResource: 'ovf:/file/f2' })}${item(17, 6, { Parent: 3, AddressOnParent: 2, HostResource: 'ovf:/file/f3' })}`,
    }),
  );
  assert.deepEqual(
    found.disks.map((each) => [each.id, each.reference, each.format]),
    [
      ['sda', 'a.bin', 'raw'],
      ['sdb', 'c.vmdk', null],
    ],
  );
  assert.deepEqual(found.vm.removable, [{ kind: 'cdrom', bus: 'scsi' }]);
  assert.deepEqual(found.findings, ['info removable.medium']);
});

test('what is odd about a disk is a finding, blocking where it would be no copy', () => {
  const with1 = (more: string) => said({ disks: DISKS.replace('ovf:diskId', `${more} ovf:diskId`) });
  assert.deepEqual(with1('ovf:parentRef="d0"'), ['blocking disk.delta']);
  assert.deepEqual(with1('ovf:shareable="true"'), ['blocking disk.shareable']);
  assert.deepEqual(with1('ovf:read-only="true"'), ['warning disk.readonly']);
  assert.deepEqual(with1('ovf:lun_id="36001"'), ['blocking disk.raw-device']);
  assert.deepEqual(said({ files: '' }), ['blocking disk.no-file']);
  assert.deepEqual(said({ disks: '', files: '' }), ['blocking disk.no-file']);
  const nothing = item(17, 4, { Parent: 3 });
  assert.deepEqual(said({ hardware: CPU + MEMORY + SCSI + nothing }), [
    'blocking disk.no-file',
    'warning disk.unattached',
  ]);
  assert.deepEqual(said({ hardware: CPU + MEMORY + DISK }), ['warning disk.no-controller']);
  assert.deepEqual(said({ disks: DISKS.replace('byte * 2^30', 'furlong') }), ['blocking disk.capacity']);
  assert.deepEqual(said({ files: FILES.replace('<File', '<File ovf:compression="lzo"') }), [
    'blocking file.compression',
  ]);
});

test('disks that stand for one file, and machines that share one disk', () => {
  const twice = `${DISKS}<Disk ovf:diskId="d2" ovf:fileRef="f1" ovf:capacity="10" ovf:format="${VMDK}"/>`;
  const both =
    CPU + MEMORY + SCSI + DISK + item(17, 5, { Parent: 3, AddressOnParent: 1, HostResource: 'ovf:/disk/d2' });
  assert.deepEqual(said({ disks: twice, hardware: both }), ['warning disk.same-file']);
  const shared = read(wrapped({}, virtualSystem({}, 'a') + virtualSystem({}, 'b')));
  assert.deepEqual(
    shared.vms.map(({ vm }) => vm.findings.map((each) => each.id)),
    [['disk.shareable'], ['disk.shareable']],
  );
});

test('a capacity may be a property, of the machine or of what it is in', () => {
  const disks = DISKS.replace('"10"', '"${size}"');
  const product = '<ProductSection><Property ovf:key="size" ovf:value="20"/></ProductSection>';
  const inner =
    '<ProductSection ovf:class="x"><Info/><Property ovf:key="size" ovf:type="uint16" ovf:value="30"/></ProductSection>';
  assert.deepEqual(said({ disks }), ['blocking disk.capacity']);
  const outer = read(envelope({ disks, envelope: product }));
  assert.equal(outer.vm.disks[0]?.sizeBytes, 20 * 2 ** 30);
  assert.deepEqual(outer.findings, ['info ovf.properties']);
  assert.equal(read(envelope({ disks, envelope: product, system: inner })).vm.disks[0]?.sizeBytes, 30 * 2 ** 30);
  const named = read(envelope({ disks: disks.replace('size}', 'x.size}'), system: inner }));
  assert.equal(named.vm.disks[0]?.sizeBytes, 30 * 2 ** 30);
});

test('the default configuration is taken, and ranges are passed over', () => {
  const choice =
    '<DeploymentOptionSection><Info/><Configuration ovf:id="small"/><Configuration ovf:id="big" ovf:default="true"/></DeploymentOptionSection>';
  const cpu = (count: number, attributes: string) => item(3, 1, { VirtualQuantity: count }, attributes);
  const { vm, findings } = read(
    envelope({
      envelope: choice,
      hardware: `${cpu(1, '')}${cpu(2, 'ovf:configuration="small"')}${cpu(512, 'ovf:bound="max"')}${item(4, 7, { VirtualQuantity: 1 }, 'ovf:bound="min"')}${cpu(8, 'ovf:configuration="other big"')}${MEMORY}${SCSI}${DISK}`,
    }),
  );
  assert.deepEqual([vm.cpu.count, vm.memoryBytes], [8, 2 ** 30]);
  assert.deepEqual(findings, ['warning ovf.configuration']);
});

test('a collection has several machines, with what they share', () => {
  const collection = `<VirtualSystemCollection ovf:id="app"><Info/><StartupSection><Info/><Item ovf:id="a" ovf:order="1"/></StartupSection><EulaSection><License/></EulaSection>
    ${virtualSystem({ system: '<Name>first</Name>' }, 'a')}<VirtualSystemCollection ovf:id="in">${virtualSystem({ hardware: CPU + MEMORY }, 'b')}</VirtualSystemCollection></VirtualSystemCollection>`;
  const { vms } = read(wrapped({}, collection));
  assert.deepEqual(
    vms.map(({ vm }) => [vm.name, vm.disks.length, vm.findings.map((each) => each.id).sort()]),
    [
      ['first', 1, ['ovf.eula', 'ovf.startup']],
      ['b', 0, ['ovf.eula', 'ovf.startup']],
    ],
  );
});

test('what nobody has heard of is blocking where it is required, and named where it is not', () => {
  assert.deepEqual(said({ system: '<x:FooSection xmlns:x="x"/>' }), ['blocking ovf.section-required']);
  assert.deepEqual(said({ system: '<x:FooSection xmlns:x="x" ovf:required="true"/>' }), [
    'blocking ovf.section-required',
  ]);
  assert.deepEqual(said({ envelope: '<FooSection ovf:required="false"/>' }), ['info setting.not-carried-over']);
  const base = CPU + MEMORY + SCSI + DISK;
  assert.deepEqual(said({ hardware: `${base}<Foo ovf:required="true"/>` }), ['blocking ovf.section-required']);
  assert.deepEqual(said({ hardware: base + item(22, 9) }), ['info device.not-carried-over']);
  assert.deepEqual(said({ hardware: base + item(18, 9, {}, 'ovf:required="true"') }), ['blocking device.required']);
  assert.deepEqual(said({ hardware: base + item(1, 9, { ResourceSubType: 'vmware.pci.passthrough' }) }), [
    'blocking hostdev.passthrough',
  ]);
  assert.deepEqual(said({ hardware: base + item(1, 9, { ResourceSubType: 'vmware.nvdimm.device' }) }), [
    'blocking device.nvdimm',
  ]);
  assert.deepEqual(said({ system: '<InstallSection><Info/></InstallSection>' }), ['warning ovf.install']);
  assert.deepEqual(said({ files: `${FILES}<File ovf:id="x" ovf:href="x.txt"/>` }), ['info file.unused']);
});

test('hardware that is not said is a finding', () => {
  assert.deepEqual(said({ hardware: CPU + SCSI + DISK }), ['blocking memory.unstated']);
  assert.deepEqual(said({ hardware: MEMORY + SCSI + DISK }), ['warning cpu.unstated']);
  assert.deepEqual(read(wrapped({ disks: '', files: '' }, '<VirtualSystem ovf:id="x"/>')).findings, [
    ...['blocking memory.unstated', 'blocking vm.no-hardware', 'warning cpu.unstated'],
  ]);
  const second = envelope().replace(
    '</VirtualSystem>',
    '<VirtualHardwareSection><Info/></VirtualHardwareSection></VirtualSystem>',
  );
  assert.deepEqual(read(second).findings, ['warning ovf.hardware-choice']);
  assert.deepEqual(said({ hardware: CPU + MEMORY + SCSI + item(5, 3) + DISK }), ['warning ovf.instance-twice']);
  const lone = CPU + MEMORY + SCSI + DISK + item(10, 9, { ResourceSubType: 'Flexible', AutomaticAllocation: 'false' });
  assert.deepEqual(said({ hardware: lone }), [
    'info nic.address-missing',
    'info nic.disconnected',
    'warning nic.kind',
    'warning nic.model',
  ]);
  assert.deepEqual(
    said({ system: '<OperatingSystemSection><Info/><Description>Ubuntu_arm64</Description></OperatingSystemSection>' }),
    ['blocking cpu.architecture'],
  );
});

test('processors that make no whole sockets are sockets each', () => {
  const cpu = item(3, 1, { VirtualQuantity: 3, CoresPerSocket: 2 });
  const { vm, findings } = read(envelope({ hardware: cpu + MEMORY + SCSI + DISK }));
  assert.deepEqual([vm.cpu.sockets, vm.cpu.coresPerSocket], [3, 1]);
  assert.deepEqual(findings, ['warning cpu.topology']);
});

test('the order of booting is taken over for disks', () => {
  const boot =
    '<vmw:BootOrderSection ovf:required="false" vmw:type="net"/><vmw:BootOrderSection ovf:required="false" vmw:type="disk" vmw:instanceId="5 4"/>';
  const { vm, findings } = read(
    envelope({
      disks: `${DISKS}<Disk ovf:diskId="d2" ovf:capacity="10"/>`,
      system: boot,
      hardware:
        CPU + MEMORY + SCSI + DISK + item(17, 5, { Parent: 3, AddressOnParent: 1, HostResource: 'ovf:/disk/d2' }),
    }),
  );
  assert.deepEqual(
    vm.disks.map((each) => [each.id, each.order, each.bootOrder]),
    [
      ['sda', 1, 2],
      ['sdb', 0, 1],
    ],
  );
  assert.deepEqual(findings, ['info boot.order']);
});

test('many disks have names of their own, also where their places clash', () => {
  const many = Array.from({ length: 30 }, (_, n) => `<Disk ovf:diskId="m${n}" ovf:capacity="512"/>`).join('');
  const items = Array.from({ length: 30 }, (_, n) =>
    item(17, 100 + n, { Parent: 9, HostResource: `ovf:/disk/m${n}` }),
  ).join('');
  const ids = (type: number) =>
    read(envelope({ files: '', disks: many, hardware: CPU + MEMORY + item(type, 9) + items })).vm.disks.map(
      (each) => each.id,
    );
  assert.deepEqual([ids(6)[0], ids(6)[25], ids(6)[29]], ['sda', 'sdz', 'sdad']);
  assert.equal(new Set(ids(5)).size, 30);
  assert.equal(ids(5)[1], 'hdb');
});

test('the names of prototypes are names like others', () => {
  const odd = ['__proto__', 'constructor', 'toString'];
  const { vm, disks } = read(
    envelope({
      files: odd.map((id) => `<File ovf:id="${id}" ovf:href="${id}.vmdk"/>`).join(''),
      disks: odd
        .map((id) => `<Disk ovf:diskId="${id}" ovf:fileRef="${id}" ovf:capacity="512" ovf:format="${VMDK}"/>`)
        .join(''),
      system:
        '<Name>__proto__</Name><ProductSection ovf:class="__proto__"><Property ovf:key="__proto__" ovf:value="1"/></ProductSection>',
      hardware: `<vmw:Config vmw:key="__proto__" vmw:value="x"/>${CPU}${MEMORY}${item(6, '__proto__', { ResourceSubType: 'constructor' })}${odd.map((id, n) => item(17, n + 10, { Parent: '__proto__', AddressOnParent: n, HostResource: `ovf:/disk/${id}` })).join('')}`,
    }),
  );
  assert.equal(vm.name, '__proto__');
  assert.deepEqual(
    disks.map((each) => each.reference),
    ['__proto__.vmdk', 'constructor.vmdk', 'toString.vmdk'],
  );
  assert.equal(({} as Record<string, unknown>).key, undefined);
});

test('what is no envelope, or cannot be, is refused with a reason', () => {
  refused('', /root|XML|line/i);
  refused('<domain/>', /no OVF/);
  refused('<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Envelope>&b;</Envelope>', /document type/);
  refused('<Envelope>&b;</Envelope>', /unknown entity/);
  refused('<a>'.repeat(5000) + '</a>'.repeat(5000), /./);
  refused(
    `<Envelope>${'<VirtualSystemCollection>'.repeat(40)}${'</VirtualSystemCollection>'.repeat(40)}</Envelope>`,
    /deep/,
  );
  refused(`<Envelope><x>${'<a/>'.repeat(100_001)}</x></Envelope>`, /elements/);
  refused(wrapped({}, ''), /no virtual system/);
  refused(wrapped({}, virtualSystem({}).repeat(300)), /more than 256/);
  refused(envelope({ hardware: CPU.repeat(1100) }), /items of hardware/);
  refused(envelope({ system: '<Name>a&#27;[2Jb</Name>' }), /control character/);
  refused(envelope({ files: '<File ovf:href="x"/>' }), /no id/);
  refused(envelope({ files: `${FILES}<File ovf:id="f1" ovf:href="other"/>` }), /two files have the id/);
  refused(envelope({ disks: DISKS + DISKS }), /two disks have the id/);
});

test('absurd numbers are refused', () => {
  const cpu = (count: string | number) =>
    envelope({ hardware: item(3, 1, { VirtualQuantity: count }) + MEMORY + SCSI + DISK });
  for (const count of ['-1', '0', '1e3', 'NaN', '4097', '1.5', '99999999999999999999'])
    refused(cpu(count), /VirtualQuantity/);
  for (const quantity of ['-5', '9007199254740993', 'Infinity', '0x10']) {
    refused(envelope({ hardware: CPU + item(4, 2, { VirtualQuantity: quantity }) }), /the memory/);
  }
  for (const size of ['-1', '9007199254740992', 'x'])
    refused(envelope({ files: FILES.replace('70000', size) }), /the size/);
  refused(envelope({ files: FILES.replace('<File', '<File ovf:chunkSize="-1"') }), /chunk size/);
  for (const size of ['-1', '1e9', '9007199254740991'])
    refused(envelope({ disks: DISKS.replace('"10"', `"${size}"`) }), /capacity/);
  refused(
    envelope({ hardware: item(3, 1, { num_of_sockets: 1024, cpu_per_socket: 1024 }) + MEMORY }),
    /1048576 processors/,
  );
});

test('a large and dull descriptor takes no time', () => {
  const machines = Array.from({ length: 250 }, (_, n) =>
    virtualSystem({ hardware: CPU + MEMORY + SCSI }, `m${n}`),
  ).join('');
  const files = Array.from({ length: 4000 }, (_, n) => `<File ovf:id="f${n}" ovf:href="${n}"/>`).join('');
  const odd = Array.from({ length: 700 }, (_, n) => `<Odd${n}/>`).join('');
  const keys = Array.from({ length: 4000 }, (_, n) => `<Property ovf:key="k${n}" ovf:value="1"/>`).join('');
  const started = performance.now();
  const { vms } = parseOvf(
    wrapped({ files, disks: '', envelope: `${odd}<ProductSection>${keys}</ProductSection>` }, machines),
    'x',
  );
  assert.equal(vms.length, 250);
  assert.ok(performance.now() - started < 20_000);
  assert.ok(JSON.stringify(vms).length < 4_000_000);
});

test('thousands of namespaces are read as fast as other attributes, and each holds where it was declared', () => {
  const prefixes = Array.from({ length: 40_000 }, (_, at) => `xmlns:q${at}="u"`).join(' ');
  const started = Date.now();
  const text = envelope().replace(
    '<References>',
    `<B ${prefixes}>${'<A xmlns:z="u"/>'.repeat(40_000)}</B><References>`,
  );
  assert.equal(parseOvf(text, 'a.ovf').vms.length, 1);
  // It took minutes when each element had the list of all that hold in it.
  assert.ok(Date.now() - started < 20_000);
  const inner = `<x xmlns:ovf="urn:tool"/><File xmlns:t="urn:tool" t:href="wrong.vmdk" ovf:id="f1" ovf:href="right.vmdk"/>`;
  assert.equal(parseOvf(envelope({ files: inner }), 'a.ovf').references[0]!.href, 'right.vmdk');
});
