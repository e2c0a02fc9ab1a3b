import { changed, sealVhd, sealVhdx } from './image-fixture.js';
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
import { attached, image, type Parts as VboxParts, sata, UUID, vbox } from './vbox-samples.js';

/** Files of machines, by name; the first one is or describes the machine. */
export type Files = Record<string, string | Buffer>;

/** Images of 1 MiB as qemu-img writes them. */
export type Images = Record<'qcow2' | 'child' | 'kept' | 'vmdk' | 'vhd' | 'vhdx', Buffer>;

export type Case = [fires: (images: Images) => Files, not: (images: Images) => Files];

const vmx = (...lines: string[]): Files => ({
  'a.vmx': [
    'displayName = "a"',
    `uuid.bios = "56 4d fb 78 d1 cd e9 a3-0e 27 88 00 07 b7 0f 3b"`,
    'memsize = "64"',
    ...lines,
  ].join('\n'),
});
const disk = (...more: string[]) => ['scsi0:0.present = "TRUE"', 'scsi0:0.fileName = "a.vmdk"', ...more].join('\n');
const card = (...more: string[]) =>
  ['ethernet0.present = "TRUE"', ...more.map((each) => `ethernet0.${each}`)].join('\n');
const domain = (inner: string): Files => ({
  'a.xml': `<domain type='kvm'><name>a</name><uuid>564dfb78-d1cd-e9a3-0e27-880007b70f3b</uuid><memory unit='MiB'>64</memory>${inner}</domain>`,
});
const ovf = (parts: Parts = {}, files: Files = {}): Files => ({ 'a.ovf': envelope(parts), ...files });
const virtualbox = (parts: VboxParts): Files => ({ 'a.vbox': vbox(parts) });
const ALL = CPU + MEMORY + SCSI + DISK;
const ofType = (type: string) => (name: string) =>
  ovf({ hardware: `<System><rasd:VirtualSystemType>${name}</rasd:VirtualSystemType></System>${ALL}`, system: type });
const ovirt = (system: string) => ofType(system)('ENGINE 4.4.0.0');
const xen = ofType('');
const descriptor = (...lines: string[]): Files => ({
  'a.vmdk': [
    '# Disk DescriptorFile',
    'version=1',
    'CID=12345678',
    'parentCID=ffffffff',
    'createType="vmfs"',
    ...lines,
  ].join('\n'),
  'b.vmdk': Buffer.alloc(5120),
});
const EXTENT = 'RW 10 VMFS "b.vmdk"';
const VBOX_DISK = (type: string) => `<HardDisk uuid="${image(1)}" location="a" format="VDI" type="${type}"/>`;
const NETWORK = (inner: string) =>
  `<Network><Adapter slot="0" enabled="true" MACAddress="080027BB1475" type="virtio">${inner}</Adapter></Network>`;
const LOGICAL_SECTOR = Buffer.from('1dbf41816fa90947ba47f233a8faab5f', 'hex');

/** Of each finding of src/platforms/files: where it speaks, and next to that where it does not. */
export const CASES: Record<string, Case> = {
  'boot.direct-kernel': [
    () => ovirt('<kernel_url>/vmlinuz</kernel_url>'),
    () => ovirt('<kernel_params>quiet</kernel_params>'),
  ],
  'boot.order': [() => vmx('bios.bootOrder = "ethernet0,hdd"'), () => vmx('bios.bootOrder = "hdd,ethernet0"')],
  'clock.offset': [() => vmx('rtc.diffFromUTC = "3600"'), () => vmx('rtc.diffFromUTC = "0"')],
  'cpu.architecture': [() => vmx('guestOS = "arm-debian12-64"'), () => vmx('guestOS = "debian12-64"')],
  'cpu.hotplug': [() => vmx('vcpu.hotadd = "TRUE"'), () => vmx('vcpu.hotadd = "FALSE"')],
  'cpu.numa': [() => vmx('numa.nodeAffinity = "0"'), () => vmx('numa.autosize.cookie = "40042"')],
  'cpu.pinned': [() => vmx('sched.cpu.affinity = "0"'), () => vmx('sched.cpu.affinity = "all"')],
  'cpu.topology': [
    () => ovf({ hardware: MEMORY + SCSI + DISK + item(3, 1, { VirtualQuantity: 3, CoresPerSocket: 2 }) }),
    () => ovf({ hardware: MEMORY + SCSI + DISK + item(3, 1, { VirtualQuantity: 4, CoresPerSocket: 2 }) }),
  ],
  'cpu.unstated': [() => ovf({ hardware: MEMORY + SCSI + DISK }), () => ovf()],
  'device.not-carried-over': [() => vmx('parallel0.present = "TRUE"'), () => vmx('parallel0.present = "FALSE"')],
  'device.nvdimm': [
    () => ovf({ hardware: ALL + item(1, 9, { ResourceSubType: 'vmware.nvdimm.device' }) }),
    () => ovf({ hardware: ALL + item(1, 9, { ResourceSubType: 'vmware.vmci' }) }),
  ],
  'device.required': [
    () => ovf({ hardware: ALL + item(18, 9, {}, 'ovf:required="true"') }),
    () => ovf({ hardware: ALL + item(18, 9, {}, 'ovf:required="false"') }),
  ],
  'disk.backing-format': [
    ({ child }) => ({
      'a.qcow2': changed(child, (copy) => copy.writeUInt32BE(0x12345678, 112)),
      'base.raw': Buffer.alloc(2 ** 20),
    }),
    ({ child }) => ({ 'a.qcow2': child, 'base.raw': Buffer.alloc(2 ** 20) }),
  ],
  'disk.bus': [
    () => virtualbox({ controllers: sata(attached(0, 0, 1)).replace('AHCI', 'USB') }),
    () => virtualbox({ controllers: sata(attached(0, 0, 1)) }),
  ],
  'disk.capacity': [() => ovf({ disks: DISKS.replace('byte * 2^30', 'furlong') }), () => ovf()],
  'disk.corrupt': [
    ({ qcow2 }) => ({ 'a.qcow2': changed(qcow2, (copy) => copy.writeBigUInt64BE(2n, 72)) }),
    ({ qcow2 }) => ({ 'a.qcow2': qcow2 }),
  ],
  'disk.cut-off': [() => rawDisk(7, 3), () => rawDisk(7, 7)],
  'disk.delta': [() => ovf({ disks: DISKS.replace('ovf:diskId', 'ovf:parentRef="d0" ovf:diskId') }), () => ovf()],
  'disk.differencing': [() => withParent('0000abcd'), () => descriptor(EXTENT)],
  'disk.dirty': [
    ({ qcow2 }) => ({ 'a.qcow2': changed(qcow2, (copy) => copy.writeBigUInt64BE(1n, 72)) }),
    ({ qcow2 }) => ({ 'a.qcow2': qcow2 }),
  ],
  'disk.empty': [() => ovf({ disks: '<Disk ovf:diskId="d1" ovf:capacity="1048576"/>', files: '' }), () => ovf()],
  'disk.encrypted': [
    () =>
      virtualbox({ disks: VBOX_DISK('Normal').replace('/>', '><Property name="CRYPT/KeyId" value="a"/></HardDisk>') }),
    () => virtualbox({ disks: VBOX_DISK('Normal').replace('/>', '><Property name="note" value="a"/></HardDisk>') }),
  ],
  'disk.extent-not-read': [() => descriptor(EXTENT, 'RW 100 ZERO'), () => descriptor(EXTENT)],
  'disk.file-size': [
    ({ vmdk }) => ovf({ files: FILES.replace('70000', '5') }, { 'disk1.vmdk': vmdk }),
    ({ vmdk }) => ovf({ files: FILES.replace('70000', String(vmdk.length)) }, { 'disk1.vmdk': vmdk }),
  ],
  'disk.footer-missing': [
    ({ vhd }) => ({ 'a.vhd': Buffer.concat([vhd, Buffer.alloc(512)]) }),
    ({ vhd }) => ({ 'a.vhd': vhd }),
  ],
  'disk.format': [
    () => virtualbox({ disks: VBOX_DISK('Normal').replace('VDI', 'iSCSI') }),
    () => virtualbox({ disks: VBOX_DISK('Normal') }),
  ],
  'disk.format-doubt': [({ qcow2 }) => ({ 'a.raw': qcow2 }), () => ({ 'a.raw': Buffer.alloc(4096) })],
  'disk.format-guessed': [() => ({ 'a.img': Buffer.alloc(4096) }), () => ({ 'a.raw': Buffer.alloc(4096) })],
  'disk.format-unknown': [() => ovf({ disks: DISKS.replace(VMDK, 'urn:odd') }), () => ovf()],
  'disk.independent': [
    () => vmx(disk('scsi0:0.mode = "independent-persistent"')),
    () => vmx(disk('scsi0:0.mode = "persistent"')),
  ],
  'disk.kind': [
    () => vmx(disk('scsi0:0.deviceType = "scsi-passthru"')),
    () => vmx(disk('scsi0:0.deviceType = "scsi-hardDisk"')),
  ],
  'disk.kind-not-read': [
    () => ({ ...descriptor(), 'a.vmdk': String(descriptor(EXTENT)['a.vmdk']).replace('"vmfs"', '"odd"') }),
    () => descriptor(EXTENT),
  ],
  'disk.log-not-replayed': [
    ({ vhdx }) => ({
      'a.vhdx': changed(vhdx, (copy) => {
        for (const header of [65536, 131072]) copy.fill(7, header + 48, header + 64);
        sealVhdx(copy);
      }),
    }),
    ({ vhdx }) => ({ 'a.vhdx': vhdx }),
  ],
  'disk.no-controller': [() => ovf({ hardware: CPU + MEMORY + DISK }), () => ovf()],
  'disk.no-file': [() => vmx('scsi0:0.present = "TRUE"'), () => vmx(disk())],
  'disk.no-size': [() => ({ 'a.raw': Buffer.alloc(0) }), () => ({ 'a.raw': Buffer.alloc(512) })],
  'disk.outside': [
    () => vmx(disk('scsi0:1.present = "TRUE"', 'scsi0:1.fileName = "/vmfs/volumes/other/b.vmdk"')),
    () => vmx(disk()),
  ],
  'disk.raw-device': [
    () => vmx(disk('scsi0:0.deviceType = "rawDisk"')),
    () => vmx(disk('scsi0:0.deviceType = "disk"')),
  ],
  'disk.readonly': [
    () => ovf({ disks: DISKS.replace('ovf:diskId', 'ovf:read-only="true" ovf:diskId') }),
    () => ovf({ disks: DISKS.replace('ovf:diskId', 'ovf:read-only="false" ovf:diskId') }),
  ],
  'disk.redo-log': [() => vmx(disk('scsi0:0.redo = "./a.vmdk.REDO_x"')), () => vmx(disk('scsi0:0.redo = ""'))],
  'disk.same-file': [() => twoDisks('f1'), () => twoDisks('f2')],
  'disk.same-name': [
    () => domain(sources('/pool1/d.qcow2', '/pool2/d.qcow2')),
    () => domain(sources('/pool1/d.qcow2', '/pool1/d.qcow2')),
  ],
  'disk.sector-size': [
    ({ vhdx }) => ({
      'a.vhdx': changed(vhdx, (copy) => {
        const table = copy.indexOf('metadata');
        copy.writeUInt32LE(4096, table + copy.readUInt32LE(copy.indexOf(LOGICAL_SECTOR, table) + 16));
      }),
    }),
    ({ vhdx }) => ({ 'a.vhdx': vhdx }),
  ],
  'disk.shareable': [() => vmx(disk('scsi0:0.sharing = "multi-writer"')), () => vmx(disk('scsi0.sharedBus = "none"'))],
  'disk.size-differs': [
    ({ vmdk }) => ovf({}, { 'disk1.vmdk': vmdk }),
    ({ vmdk }) => ovf({ disks: DISKS.replace('"10"', '"1"').replace('2^30', '2^20') }, { 'disk1.vmdk': vmdk }),
  ],
  'disk.size-doubt': [
    ({ vhd }) => ({
      'a.vhd': changed(vhd, (copy) => {
        for (const footer of [copy.subarray(0, 512), copy.subarray(-512)]) {
          footer.writeUInt32BE(0x00200402, 56);
          sealVhd(footer);
        }
      }),
    }),
    ({ vhd }) => ({ 'a.vhd': vhd }),
  ],
  'disk.snapshot-layer': [() => vmx(disk('scsi0:0.fileName = "a-000001.vmdk"')), () => vmx(disk())],
  'disk.snapshots': [({ kept }) => ({ 'a.qcow2': kept }), ({ qcow2 }) => ({ 'a.qcow2': qcow2 })],
  'disk.transient': [
    () => vmx(disk('scsi0:0.mode = "independent-nonpersistent"')),
    () => vmx(disk('scsi0:0.mode = "independent-persistent"')),
  ],
  'disk.unaligned': [() => ({ 'a.raw': Buffer.alloc(1000) }), () => ({ 'a.raw': Buffer.alloc(1024) })],
  'disk.unattached': [
    () => ovf({ disks: `${DISKS}<Disk ovf:diskId="d2" ovf:capacity="10"/>` }),
    () => ovf({ disks: DISKS }),
  ],
  'disk.unreadable': [() => ovf(), ({ vmdk }) => ovf({}, { 'disk1.vmdk': vmdk })],
  'file.compression': [
    () => ovf({ files: FILES.replace('<File', '<File ovf:compression="lzo"') }),
    () => ovf({ files: FILES.replace('<File', '<File ovf:compression="identity"') }),
  ],
  'file.unused': [() => ovf({ files: `${FILES}<File ovf:id="x" ovf:href="x.txt"/>` }), () => ovf()],
  'filesystem.shared': [() => vmx('sharedFolder0.present = "TRUE"'), () => vmx('sharedFolder0.present = "FALSE"')],
  'firmware.32-bit': [
    () => virtualbox({ hardware: '<Firmware type="EFI32"/>' }),
    () => virtualbox({ hardware: '<Firmware type="EFI64"/>' }),
  ],
  'firmware.mismatch': [
    () => vmx('firmware = "bios"', 'uefi.secureBoot.enabled = "TRUE"'),
    () => vmx('firmware = "efi"', 'uefi.secureBoot.enabled = "TRUE"'),
  ],
  'firmware.unknown': [() => vmx('firmware = "coreboot"'), () => vmx('firmware = "efi"')],
  'firmware.variables-format': [
    () => vmx('firmware = "efi"', 'nvram = "a.nvram"'),
    () => vmx('firmware = "bios"', 'nvram = "a.nvram"'),
  ],
  'firmware.variables-missing': [
    () => domain("<os><loader type='pflash'>/code.fd</loader><nvram>/nvram/a_VARS.fd</nvram></os>"),
    () => ({
      ...domain("<os><loader type='pflash'>/code.fd</loader><nvram>/nvram/a_VARS.fd</nvram></os>"),
      'a_VARS.fd': Buffer.alloc(4096),
    }),
  ],
  'firmware.variables-new': [() => vmx('firmware = "efi"'), () => vmx('firmware = "bios"')],
  'hostdev.passthrough': [() => vmx('pciPassthru0.present = "TRUE"'), () => vmx('pciPassthru0.present = "FALSE"')],
  'hostdev.usb': [() => vmx('usb.autoConnect.device0 = "path:1/2"'), () => vmx('usb.present = "TRUE"')],
  'memory.ballooned': [() => vmx('sched.mem.maxmemctl = "0"'), () => vmx('sched.mem.maxmemctl = "-1"')],
  'memory.hotplug': [
    () => ovf({ hardware: `${ALL}<vmw:Config vmw:key="memoryHotAddEnabled" vmw:value="true"/>` }),
    () => ovf({ hardware: `${ALL}<vmw:Config vmw:key="memoryHotAddEnabled" vmw:value="false"/>` }),
  ],
  'manifest.missing': [() => ovf(), () => ovf({}, { 'a.mf': '' })],
  'manifest.name': [() => ovf({}, { 'a.ovf.mf': '' }), () => ovf({}, { 'a.MF': '' })],
  'manifest.unused': [() => ovf({}, { 'b.mf': '' }), () => ovf({}, { 'b.ovf': envelope(), 'b.mf': '' })],
  'memory.unstated': [() => ovf({ hardware: CPU + SCSI + DISK }), () => ovf()],
  'nic.address-made': [() => vmx(card()), () => vmx(card('address = "00:50:56:00:00:01"'))],
  'nic.address-missing': [
    () => ovf({ hardware: ALL + item(10, 9, { ResourceSubType: 'E1000', Connection: 'lan' }) }),
    () =>
      ovf({
        hardware: ALL + item(10, 9, { ResourceSubType: 'E1000', Connection: 'lan', Address: '00:50:56:00:00:01' }),
      }),
  ],
  'nic.disconnected': [() => vmx(card('startConnected = "FALSE"')), () => vmx(card('startConnected = "TRUE"'))],
  'nic.kind': [() => vmx(card('connectionType = "odd"')), () => vmx(card('connectionType = "nat"'))],
  'nic.mac': [() => vmx(card()), () => vmx(card('generatedAddress = "00:0c:29:00:00:01"'))],
  'nic.model': [() => vmx(card('virtualDev = "vmxnet"')), () => vmx(card('virtualDev = "vmxnet3"'))],
  'nic.port-forwarding': [
    () => virtualbox({ hardware: NETWORK('<NAT><Forwarding name="ssh"/></NAT>') }),
    () => virtualbox({ hardware: NETWORK('<NAT/>') }),
  ],
  'nic.sriov': [() => vmx(card('virtualDev = "sriov"')), () => vmx(card('virtualDev = "e1000"'))],
  'ovf.configuration': [
    () =>
      ovf({ envelope: '<DeploymentOptionSection><Info/><Configuration ovf:id="small"/></DeploymentOptionSection>' }),
    () => ovf({ envelope: '<DeploymentOptionSection><Info/></DeploymentOptionSection>' }),
  ],
  'ovf.eula': [() => ovf({ system: '<EulaSection><License/></EulaSection>' }), () => ovf()],
  'ovf.hardware-choice': [
    () => ({
      'a.ovf': envelope().replace(
        '</VirtualSystem>',
        '<VirtualHardwareSection><Info/></VirtualHardwareSection></VirtualSystem>',
      ),
    }),
    () => ovf(),
  ],
  'ovf.install': [() => ovf({ system: '<InstallSection><Info/></InstallSection>' }), () => ovf()],
  'ovf.instance-twice': [() => ovf({ hardware: ALL + item(5, 3) }), () => ovf({ hardware: ALL + item(5, 7) })],
  'ovf.properties': [
    () => ovf({ system: '<ProductSection><Property ovf:key="host"/></ProductSection>' }),
    () => ovf({ system: '<ProductSection><Product>host</Product></ProductSection>' }),
  ],
  'ovf.section-required': [
    () => ovf({ system: '<FooSection/>' }),
    () => ovf({ system: '<FooSection ovf:required="false"/>' }),
  ],
  'ovf.startup': [
    () => ({
      'a.ovf': wrapped(
        {},
        `<VirtualSystemCollection ovf:id="app"><Info/><StartupSection><Info/></StartupSection>${virtualSystem({})}</VirtualSystemCollection>`,
      ),
    }),
    () => ({
      'a.ovf': wrapped(
        {},
        `<VirtualSystemCollection ovf:id="app"><Info/>${virtualSystem({})}</VirtualSystemCollection>`,
      ),
    }),
  ],
  'removable.medium': [
    () => vmx('ide1:0.present = "TRUE"', 'ide1:0.deviceType = "cdrom-image"', 'ide1:0.fileName = "a.iso"'),
    () => vmx('ide1:0.present = "TRUE"', 'ide1:0.deviceType = "cdrom-raw"', 'ide1:0.fileName = "auto detect"'),
  ],
  'serial.backend': [() => vmx('serial0.present = "TRUE"'), () => vmx('serial0.present = "FALSE"')],
  'setting.not-carried-over': [() => vmx('tools.syncTime = "TRUE"'), () => vmx('tools.syncTime = "FALSE"')],
  'tpm.external': [() => vmx('vtpm.present = "TRUE"'), () => vmx('vtpm.present = "FALSE"')],
  'tpm.passthrough': [
    () => virtualbox({ hardware: '<TrustedPlatformModule type="Host"/>' }),
    () => virtualbox({ hardware: '<TrustedPlatformModule type="v2_0"/>' }),
  ],
  'tpm.state-missing': [() => vmx('vtpm.present = "TRUE"'), () => vmx('vtpm.present = "FALSE"')],
  'vbox.version': [() => virtualbox({ version: '1.99-linux' }), () => virtualbox({ version: '1.19-linux' })],
  'vm.consolidation': [
    () => ({
      ...vmx(disk('scsi0:0.fileName = "a-000001.vmdk"')),
      'a.vmsd': 'snapshot.lastUID = "3"\nsnapshot.numSnapshots = "0"',
    }),
    () => ({
      ...vmx(disk('scsi0:0.fileName = "a-000001.vmdk"')),
      'a.vmsd': 'snapshot0.uid = "1"\nsnapshot0.displayName = "one"',
    }),
  ],
  'vm.encrypted': [() => vmx('encryption.keySafe = "vmware:key/list/(pair/x)"'), () => vmx('encryption.keySafe = ""')],
  'vm.no-hardware': [
    () => ({ 'a.ovf': wrapped({ disks: '', files: '' }, '<VirtualSystem ovf:id="x"/>') }),
    () => ovf(),
  ],
  'vm.no-name': [() => ({ 'a.ovf': wrapped({}, virtualSystem({}, '')) }), () => ovf()],
  'vm.paravirtual': [() => xen('xen-3.0-x86_64'), () => xen('hvm-3.0-unknown')],
  'vm.placement': [() => ovirt('<AutoStartup>true</AutoStartup>'), () => ovirt('<AutoStartup>false</AutoStartup>')],
  'vm.snapshots': [
    () => ({ ...vmx(), 'a.vmsd': 'snapshot0.uid = "1"\nsnapshot0.displayName = "one"' }),
    () => ({ ...vmx(), 'a.vmsd': 'snapshot.numSnapshots = "0"' }),
  ],
  'vm.suspended': [() => vmx('checkpoint.vmState = "a.vmss"'), () => vmx('checkpoint.vmState = ""')],
  'vm.undescribed': [() => ({ 'a.raw': Buffer.alloc(512) }), () => vmx()],
  'vm.uuid': [() => ({ 'a.vmx': 'displayName = "a"\nmemsize = "64"' }), () => vmx()],
  'vm.uuid-made': [() => ovf(), () => ({ 'a.ovf': wrapped({}, virtualSystem({}, UUID)) })],
  'vmx.duplicate-key': [() => vmx('numvcpus = "1"', 'NumVCPUs = "2"'), () => vmx('numvcpus = "2"', 'NumVCPUs = "2"')],
  'vmx.encoding': [() => vmx('.encoding = "GBK"'), () => vmx('.encoding = "UTF-8"')],
};

function withParent(id: string): Files {
  const files = descriptor(EXTENT);
  return { ...files, 'a.vmdk': String(files['a.vmdk']).replace('ffffffff', id) };
}

function twoDisks(second: string): Files {
  const disks = `${DISKS}<Disk ovf:diskId="d2" ovf:fileRef="${second}" ovf:capacity="10" ovf:format="${VMDK}"/>`;
  const files = `${FILES}<File ovf:id="f2" ovf:href="disk2.vmdk"/>`;
  return ovf({
    files,
    disks,
    hardware: ALL + item(17, 5, { Parent: 3, AddressOnParent: 1, HostResource: 'ovf:/disk/d2' }),
  });
}

/** A raw disk by its declared and its real MiB. */
function rawDisk(declared: number, real: number): Files {
  const files = `<File ovf:id="f1" ovf:href="disk1.raw" ovf:size="${declared * 2 ** 20}"/>`;
  const disks = `<Disk ovf:diskId="d1" ovf:fileRef="f1" ovf:capacity="${declared * 2 ** 20}" ovf:format="http://example.net/raw"/>`;
  return ovf({ files, disks }, { 'disk1.raw': Buffer.alloc(real * 2 ** 20) });
}

function sources(...paths: string[]): string {
  const disk = (path: string, nth: number) =>
    `<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${path}'/><target dev='vd${'ab'.charAt(nth)}' bus='virtio'/></disk>`;
  return `<devices>${paths.map(disk).join('')}</devices>`;
}
