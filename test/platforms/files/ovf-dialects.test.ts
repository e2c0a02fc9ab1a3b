import assert from 'node:assert/strict';
import test from 'node:test';
import { vmDescription, type VmDescription } from '../../../src/model/vm.js';
import { parseOvf } from '../../../src/platforms/files/ovf.js';
import {
  CPU,
  disk,
  DISK,
  DISKS,
  envelope,
  FILES,
  item,
  MEMORY,
  PLAIN,
  SCSI,
  virtualSystem,
  wrapped,
} from './ovf-samples.js';

function only(text: string) {
  const { vms, references } = parseOvf(text, 'test.ovf');
  assert.equal(vms.length, 1);
  const { vm, disks } = vms[0]!;
  const { findings, ...rest } = vmDescription.parse(vm);
  assert.deepEqual(
    disks.map((each) => each.id),
    vm.disks.map((each) => each.id),
  );
  return { vm: rest, ids: findings.map((each) => each.id).sort(), findings, disks, references };
}

const GUID = '3c1f0c6e-5a43-4b1f-9b50-0d0f6f1d3a10';

test('a plain machine is described with nothing left over', () => {
  const { vm, ids, disks, references } = only(envelope());
  assert.deepEqual(vm, PLAIN);
  assert.deepEqual(ids, []);
  assert.deepEqual(disks, [
    {
      id: 'sda',
      reference: 'disk1.vmdk',
      format: 'vmdk',
      compression: null,
      fileBytes: 70000,
      chunkBytes: null,
      sizeUnitBytes: 2 ** 30,
    },
  ]);
  assert.deepEqual(references, [
    { id: 'f1', href: 'disk1.vmdk', sizeBytes: 70000, compression: null, chunkBytes: null },
  ]);
});

test('VMware: UEFI, secure boot, TPM, sockets, all controllers and cards', () => {
  const found = only(
    envelope({
      files: `${FILES}<File ovf:id="f2" ovf:href="two.vmdk"/><File ovf:id="f3" ovf:href="vm-file3.nvram" ovf:size="270840"/>`,
      disks: `${DISKS}<Disk ovf:diskId="d2" ovf:fileRef="f2" ovf:capacity="5368709120" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#monolithicFlat"/>
        <Disk ovf:diskId="d3" ovf:capacity="2" ovf:capacityAllocationUnits="GigaBytes"/><Disk ovf:diskId="d4" ovf:capacity="3000" ovf:capacityAllocationUnits="MegaBytes"/>`,
      system: `<Name>web 1</Name><OperatingSystemSection ovf:id="112" vmw:osType="windows2019srv_64Guest"><Info/><Description>Windows</Description></OperatingSystemSection>`,
      hardware: `<System><vssd:VirtualSystemIdentifier>other name</vssd:VirtualSystemIdentifier><vssd:VirtualSystemType>vmx-19</vssd:VirtualSystemType></System>
        <Item><rasd:AllocationUnits>hertz * 10^6</rasd:AllocationUnits><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>8</rasd:VirtualQuantity><vmw:CoresPerSocket ovf:required="false">4</vmw:CoresPerSocket></Item>
        ${item(4, 2, { VirtualQuantity: 4, AllocationUnits: 'byte * 2^30' })}
        ${item(6, 4, { ResourceSubType: 'VirtualSCSI', Address: 1 })}${item(6, 3, { ResourceSubType: 'lsilogicsas', Address: 0 })}
        ${item(20, 5, { ResourceSubType: 'vmware.sata.ahci', Address: 0 })}${item(20, 6, { ResourceSubType: 'vmware.nvme.controller', Address: 0 })}
        ${item(17, 10, { Parent: 4, AddressOnParent: 0, HostResource: 'ovf:/disk/d2' })}
        ${item(17, 11, { Parent: 3, AddressOnParent: 1, HostResource: 'ovf:/disk/d3' })}
        ${item(17, 12, { Parent: 3, AddressOnParent: 0, HostResource: 'ovf:/disk/d1' })}
        ${item(17, 13, { Parent: 6, AddressOnParent: 0, HostResource: '/disk/d4' })}
        ${item(15, 14, { Parent: 5, AddressOnParent: 0, ResourceSubType: 'vmware.cdrom.remotepassthrough' }, 'ovf:required="false"')}
        ${item(14, 15, {})}${item(10, 16, { Connection: 'VM Network', ResourceSubType: 'VmxNet3', Address: '00:50:56:AA:bb:01', AutomaticAllocation: 'true' })}
        ${item(10, 17, { Connection: 'dmz', ResourceSubType: 'E1000e' }).replace('</Item>', '<vmw:Config ovf:required="false" vmw:key="slotInfo.pciSlotNumber" vmw:value="192"/></Item>')}${item(10, 18, { Connection: 'dmz', ResourceSubType: 'PCNet32 E1000', Address: '005056000003' })}
        ${item(23, 19, { ResourceSubType: 'vmware.usb.xhci' })}${item(24, 20)}${item(1, 21, { ResourceSubType: 'vmware.vmci' })}
        ${item(1, 22, { ResourceSubType: 'vmware.vtpm' })}${item(1, 23, { ResourceSubType: 'vmware.soundcard.hdaudio' })}${item(21, 24)}
        <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="efi"/><vmw:Config ovf:required="false" vmw:key="bootOptions.efiSecureBootEnabled" vmw:value="true"/>
        <vmw:Config ovf:required="false" vmw:key="uuid" vmw:value="${GUID}"/><vmw:Config ovf:required="false" vmw:key="videoRamSizeInKB" vmw:value="4096"/>
        <vmw:Config ovf:required="false" vmw:key="cpuHotAddEnabled" vmw:value="true"/><vmw:Config ovf:required="false" vmw:key="memoryHotAddEnabled" vmw:value="false"/>
        <vmw:ExtraConfig ovf:required="false" vmw:key="nvram" vmw:value="ovf:/file/f3"/><vmw:ExtraConfig ovf:required="false" vmw:key="isolation.tools.copy.disable" vmw:value="TRUE"/>`,
    }),
  );
  assert.deepEqual(found.vm, {
    ...{ name: 'web 1', uuid: GUID, firmware: 'uefi', secureBoot: true, memoryBytes: 4 * 2 ** 30 },
    tpm: { model: 'tpm-crb', version: '2.0', statePath: null },
    cpu: { count: 8, sockets: 2, coresPerSocket: 4, threadsPerCore: 1, model: null },
    disks: [
      disk({ controllerModel: 'lsisas1068' }),
      disk({ id: 'sdb', order: 1, sizeBytes: 2 * 2 ** 30, format: 'raw', path: null, controllerModel: 'lsisas1068' }),
      disk({ id: 'sdc', order: 2, sizeBytes: 5368709120, path: 'two.vmdk', controllerModel: 'vmpvscsi' }),
      disk({
        id: 'nvme0n1',
        bus: 'nvme',
        order: 3,
        sizeBytes: 3000 * 2 ** 20,
        format: 'raw',
        path: null,
        controllerModel: null,
      }),
    ],
    removable: [
      { kind: 'cdrom', bus: 'sata' },
      { kind: 'floppy', bus: 'fdc' },
    ],
    nics: [
      { mac: '00:50:56:aa:bb:01', network: 'VM Network', networkKind: 'network', model: 'vmxnet3' },
      { mac: '', network: 'dmz', networkKind: 'network', model: 'e1000e', slot: 192 },
      { mac: '00:50:56:00:00:03', network: 'dmz', networkKind: 'network', model: 'pcnet' },
    ],
    ...{ display: 'vmvga', sound: 'ich6', guestOs: 'windows2019srv_64Guest', machine: null, serialPorts: 1 },
    ...{ guestAgentChannel: false, clock: 'localtime', rng: false, nvramPath: 'vm-file3.nvram' },
  } satisfies Omit<VmDescription, 'findings'>);
  assert.deepEqual(found.ids, [
    ...['cpu.hotplug', 'firmware.variables-format', 'nic.address-missing', 'setting.not-carried-over'],
    'tpm.external',
  ]);
  assert.match(found.findings.map((each) => each.message).join('\n'), /: isolation.tools.copy.disable\./);
  assert.deepEqual(
    found.disks.map((each) => [each.reference, each.fileBytes]),
    [
      ['disk1.vmdk', 70000],
      [null, null],
      ['two.vmdk', null],
      [null, null],
    ],
  );
});

test('VirtualBox: what only vbox:Machine says', () => {
  const found = only(
    envelope({
      files: `${FILES}<File ovf:id="f2" ovf:href="tools.iso"/>`,
      disks: `${DISKS}<Disk ovf:diskId="d2" ovf:fileRef="f2" ovf:capacity="50" ovf:format="http://www.ecma-international.org/publications/standards/Ecma-119.htm"/>`,
      system: `<OperatingSystemSection ovf:id="96"><Info/><Description>Debian_64</Description><vbox:OSType ovf:required="false">Debian_64</vbox:OSType></OperatingSystemSection>
        <vbox:Machine ovf:required="false" version="1.19-linux" uuid="{${GUID}}" name="vm" OSType="Debian_64"><Hardware><CPU count="2"/>
        <Memory RAMSize="1024"/><Firmware type="EFI"/><Chipset type="ICH9"/><Display controller="VMSVGA"/><TrustedPlatformModule type="v2_0"/>
        <Network><Adapter slot="1" enabled="true" MACAddress="080027000002" type="virtio"/><Adapter slot="0" enabled="true" MACAddress="080027000001" type="82540EM"/><Adapter slot="2" enabled="false" MACAddress="080027000003"/></Network>
        <AudioAdapter controller="HDA" enabled="true"/><UART><Port slot="0" enabled="true"/><Port slot="1" enabled="false"/></UART><RTC localOrUTC="local"/>
        <SharedFolders><SharedFolder name="x"/></SharedFolders><USB><DeviceFilters><DeviceFilter name="x"/></DeviceFilters></USB></Hardware></vbox:Machine>`,
      hardware: `<System><vssd:VirtualSystemIdentifier>box</vssd:VirtualSystemIdentifier><vssd:VirtualSystemType>virtualbox-2.2</vssd:VirtualSystemType></System>
        ${CPU}${item(4, 2, { VirtualQuantity: 1024, AllocationUnits: 'MegaBytes' })}${item(5, 3, { Address: 0, ResourceSubType: 'PIIX4' })}${item(5, 4, { Address: 1, ResourceSubType: 'PIIX4' })}
        ${item(20, 5, { Address: 0, ResourceSubType: 'AHCI' })}${item(35, 6, { ResourceSubType: 'ensoniq1371' })}${item(23, 7)}
        ${item(17, 8, { Parent: 5, AddressOnParent: 0, HostResource: '/disk/d1' })}${item(15, 9, { Parent: 4, AddressOnParent: 0, HostResource: '/disk/d2' })}
        ${item(10, 10, { Connection: 'NAT', ResourceSubType: 'E1000' })}${item(10, 11, { Connection: 'Bridged', ResourceSubType: 'PCNet32' })}`,
    }),
  );
  assert.deepEqual(found.vm, {
    ...PLAIN,
    ...{ name: 'box', uuid: GUID, firmware: 'uefi', tpm: { model: 'tpm-crb', version: '2.0', statePath: null } },
    cpu: { count: 2, sockets: 1, coresPerSocket: 2, threadsPerCore: 1, model: null },
    disks: [disk({ bus: 'sata', controllerModel: null })],
    removable: [{ kind: 'cdrom', bus: 'ide' }],
    nics: [
      { mac: '08:00:27:00:00:01', network: 'NAT', networkKind: 'network', model: 'e1000' },
      { mac: '08:00:27:00:00:02', network: 'Bridged', networkKind: 'network', model: 'virtio' },
    ],
    ...{ display: 'vmvga', sound: 'ich6', guestOs: 'Debian_64', machine: 'q35', serialPorts: 1, clock: 'localtime' },
  });
  assert.deepEqual(found.ids, ['filesystem.shared', 'hostdev.usb', 'removable.medium', 'tpm.external']);
});

/** As the engine and virt-v2v write it: `0.9`, sections by type, sizes in GiB, images in groups. */
const OVIRT = `<?xml version="1.0"?><ovf:Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1/" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
  xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ovf:version="0.9">
  <References><File ovf:href="g1/i1" ovf:id="i1" ovf:size="197120" ovf:description=""/><File ovf:href="g2/i2" ovf:id="i2" ovf:size="10737418240"/><Nic ovf:id="n1"/></References>
  <Section xsi:type="ovf:NetworkSection_Type"><Info>List of networks</Info><Network ovf:name="ovirtmgmt"/></Section>
  <Section xsi:type="ovf:DiskSection_Type"><Info>Disks</Info>
  <Disk ovf:diskId="i2" ovf:size="10" ovf:actual_size="10" ovf:parentRef="" ovf:fileRef="g2/i2" ovf:format="http://www.vmware.com/specifications/vmdk.html#sparse" ovf:volume-format="RAW" ovf:volume-type="Preallocated" ovf:disk-interface="VirtIO_SCSI" ovf:boot="false" ovf:pass-discard="true"/>
  <Disk ovf:diskId="i1" ovf:size="16" ovf:actual_size="1" ovf:parentRef="" ovf:fileRef="g1/i1" ovf:format="http://www.gnome.org/~markmc/qcow-image-format.html" ovf:volume-format="COW" ovf:volume-type="Sparse" ovf:disk-interface="VirtIO" ovf:boot="true"/></Section>
  <Content ovf:id="out" xsi:type="ovf:VirtualSystem_Type"><Name>db</Name><TemplateId>00000000-0000-0000-0000-000000000000</TemplateId><Description>x</Description><CreationDate>2024/01/01 00:00:00</CreationDate>
  <TimeZone>GMT Standard Time</TimeZone><BiosType>3</BiosType><CustomCpuName>Skylake-Server</CustomCpuName><VmType>1</VmType><DefaultDisplayType>1</DefaultDisplayType><Invented>1</Invented>
  <Section ovf:id="${GUID}" ovf:required="false" xsi:type="ovf:OperatingSystemSection_Type"><Info>Guest</Info><Description>windows_2019x64</Description></Section>
  <Section xsi:type="ovf:VirtualHardwareSection_Type"><Info>4 CPU</Info><System><vssd:VirtualSystemType>ENGINE 4.3.0.0</vssd:VirtualSystemType></System>
  <Item><rasd:InstanceId>1</rasd:InstanceId><rasd:ResourceType>3</rasd:ResourceType><rasd:num_of_sockets>2</rasd:num_of_sockets><rasd:cpu_per_socket>2</rasd:cpu_per_socket><rasd:threads_per_cpu>1</rasd:threads_per_cpu></Item>
  <Item><rasd:InstanceId>2</rasd:InstanceId><rasd:ResourceType>4</rasd:ResourceType><rasd:AllocationUnits>MegaBytes</rasd:AllocationUnits><rasd:VirtualQuantity>2048</rasd:VirtualQuantity></Item>
  <Item><rasd:InstanceId>i2</rasd:InstanceId><rasd:ResourceType>17</rasd:ResourceType><rasd:HostResource>g2/i2</rasd:HostResource><rasd:Parent>00000000-0000-0000-0000-000000000000</rasd:Parent><Type>disk</Type></Item>
  <Item><rasd:InstanceId>i1</rasd:InstanceId><rasd:ResourceType>17</rasd:ResourceType><rasd:HostResource>g1/i1</rasd:HostResource><rasd:Parent>00000000-0000-0000-0000-000000000000</rasd:Parent><Type>disk</Type></Item>
  <Item><rasd:InstanceId>n1</rasd:InstanceId><rasd:ResourceType>10</rasd:ResourceType><rasd:ResourceSubType>3</rasd:ResourceSubType><rasd:Connection>ovirtmgmt</rasd:Connection><rasd:Linked>false</rasd:Linked><rasd:MACAddress>00:1A:4a:16:01:51</rasd:MACAddress><rasd:Address>{type=pci, slot=0x03}</rasd:Address></Item>
  <Item><rasd:InstanceId>3</rasd:InstanceId><rasd:ResourceType>23</rasd:ResourceType><rasd:UsbPolicy>DISABLED</rasd:UsbPolicy></Item>
  <Item><rasd:InstanceId>v</rasd:InstanceId><rasd:ResourceType>20</rasd:ResourceType><Type>video</Type><Device>qxl</Device></Item>
  <Item><rasd:InstanceId>g</rasd:InstanceId><rasd:ResourceType>26</rasd:ResourceType><Type>graphics</Type><Device>spice</Device></Item>
  <Item><rasd:InstanceId>c</rasd:InstanceId><rasd:ResourceType>15</rasd:ResourceType><Type>disk</Type><Device>cdrom</Device></Item>
  <Item><rasd:ResourceType>0</rasd:ResourceType><rasd:InstanceId>r</rasd:InstanceId><Type>rng</Type><Device>virtio</Device></Item>
  <Item><rasd:ResourceType>0</rasd:ResourceType><rasd:InstanceId>b</rasd:InstanceId><Type>balloon</Type><Device>memballoon</Device></Item>
  <Item><rasd:ResourceType>0</rasd:ResourceType><rasd:InstanceId>w</rasd:InstanceId><rasd:Caption>dog</rasd:Caption><Type>watchdog</Type><Device>i6300esb</Device></Item></Section>
  <Section xsi:type="ovf:SnapshotsSection_Type"><Snapshot ovf:id="a"><Type>ACTIVE</Type></Snapshot><Snapshot ovf:id="b"><Type>REGULAR</Type></Snapshot></Section></Content></ovf:Envelope>`;

test('oVirt and RHV: sections by type, GiB, interfaces at the disk, numbers for cards', () => {
  const found = only(OVIRT);
  assert.deepEqual(found.vm, {
    ...{ name: 'db', uuid: GUID, firmware: 'uefi', secureBoot: true, tpm: null, memoryBytes: 2 ** 31 },
    cpu: { count: 4, sockets: 2, coresPerSocket: 2, threadsPerCore: 1, model: 'Skylake-Server' },
    disks: [
      disk({ order: 1, format: 'raw', path: 'g2/i2', discard: true, controllerModel: 'virtio-scsi' }),
      disk({
        id: 'vda',
        bus: 'virtio',
        sizeBytes: 16 * 2 ** 30,
        format: 'qcow2',
        path: 'g1/i1',
        bootOrder: 1,
        controllerModel: null,
      }),
    ],
    removable: [{ kind: 'cdrom', bus: 'ide' }],
    nics: [{ mac: '00:1a:4a:16:01:51', network: 'ovirtmgmt', networkKind: 'network', model: 'virtio' }],
    ...{ display: 'qxl', sound: null, guestOs: 'windows_2019x64', machine: 'q35', serialPorts: 0 },
    ...{ guestAgentChannel: false, clock: 'localtime', rng: true, nvramPath: null },
  } satisfies Omit<VmDescription, 'findings'>);
  assert.deepEqual(found.ids, [
    ...['device.not-carried-over', 'nic.disconnected', 'setting.not-carried-over', 'vm.snapshots'],
  ]);
  assert.match(found.findings.map((each) => each.message).join('\n'), /carried over: Invented/);
});

test('virt-v2v for RHV and the OVA of oVirt: newer form, disks by id, UUID as id of the system', () => {
  const found = only(
    wrapped(
      {
        files: '<File ovf:href="i1" ovf:id="i1" ovf:size="197120"/>',
        disks: `<Disk ovf:diskId="d1" ovf:capacity="10" ovf:capacityAllocationUnits="byte * 2^30" ovf:parentRef="" ovf:fileRef="i1" ovf:format="http://www.gnome.org/~markmc/qcow-image-format.html" ovf:volume-format="COW" ovf:disk-interface="IDE" ovf:boot="true"/>`,
      },
      virtualSystem(
        {
          system:
            '<Name>v2v</Name><BiosType>0</BiosType><OperatingSystemSection ovirt:id="24" ovf:id="80" ovf:required="false"><Info/><Description>rhel_7x64</Description></OperatingSystemSection>',
          hardware: `<System><vssd:VirtualSystemType>RHEVM 4.6</vssd:VirtualSystemType></System>${CPU}${MEMORY}${item(17, 'i1', { HostResource: 'ovf:/disk/d1' })}${item(32768, 5, { Caption: 'Graphical Controller' })}`,
        },
        GUID,
      ),
    ),
  );
  assert.deepEqual(found.vm, {
    ...PLAIN,
    ...{ name: 'v2v', uuid: GUID, guestOs: 'rhel_7x64 (CIM 80)', machine: 'pc' },
    disks: [disk({ id: 'hda', bus: 'ide', format: 'qcow2', path: 'i1', bootOrder: 1, controllerModel: null })],
  });
  assert.deepEqual(found.ids, []);
});

test('virt-v2v for libvirt and others: raw, or qcow2, on virtio', () => {
  const found = only(
    envelope({
      disks:
        '<Disk ovf:diskId="d1" ovf:fileRef="f1" ovf:capacity="10737418240" ovf:format="http://en.wikipedia.org/wiki/Byte"/>',
      hardware:
        CPU +
        MEMORY +
        item(20, 3, { ResourceSubType: 'virtio-scsi' }) +
        item(17, 4, { Parent: 3, HostResource: 'disk/d1' }),
    }),
  );
  assert.deepEqual(found.vm, { ...PLAIN, disks: [disk({ format: 'raw', controllerModel: 'virtio-scsi' })] });
  assert.deepEqual(found.ids, []);
});

const VHD = 'http://www.microsoft.com/technet/virtualserver/downloads/vhdspec.mspx';
const xen = (type: string, policy: string) =>
  `<ovf:Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:xenovf="http://schemas.citrix.com/ovf/envelope/1" xmlns:rasd="r" xmlns:vssd="v" ovf:version="1.0.0">
  <ovf:References><ovf:File ovf:id="f1" ovf:href="disk1.vhd" ovf:size="70000"/></ovf:References>
  <ovf:DiskSection><ovf:Info/><ovf:Disk ovf:diskId="d1" ovf:fileRef="f1" ovf:capacity="10737418240" ovf:format="${VHD}" xenovf:isBootable="true"/></ovf:DiskSection>
  <ovf:VirtualSystem ovf:id="${GUID}"><ovf:Info/><ovf:Name>xen vm</ovf:Name><ovf:OperatingSystemSection ovf:id="94"><ovf:Info/><ovf:Description>Ubuntu</ovf:Description></ovf:OperatingSystemSection>
  <ovf:VirtualHardwareSection><ovf:Info/><ovf:System><vssd:VirtualSystemIdentifier>${GUID}</vssd:VirtualSystemIdentifier><vssd:VirtualSystemType>${type}</vssd:VirtualSystemType></ovf:System>
  <ovf:Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>4</rasd:VirtualQuantity></ovf:Item>
  <ovf:Item><rasd:AllocationUnits>MB</rasd:AllocationUnits><rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>1024</rasd:VirtualQuantity></ovf:Item>
  <ovf:Item><rasd:Address>9A:00:00:00:00:01</rasd:Address><rasd:Connection>net0</rasd:Connection><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceType>10</rasd:ResourceType></ovf:Item>
  <ovf:Item><rasd:Connection>device=0,bootable=true,mode=RW</rasd:Connection><rasd:ElementName>root</rasd:ElementName><rasd:InstanceID>d1</rasd:InstanceID><rasd:ResourceType>19</rasd:ResourceType></ovf:Item>
  <xenovf:VirtualSystemOtherConfigurationData ovf:required="false" Name="HVM_boot_policy"><xenovf:Value>${policy}</xenovf:Value></xenovf:VirtualSystemOtherConfigurationData>
  <xenovf:VirtualSystemOtherConfigurationData ovf:required="false" Name="HVM_boot_params"><xenovf:Value>order=dc;firmware=uefi;</xenovf:Value></xenovf:VirtualSystemOtherConfigurationData>
  <xenovf:VirtualSystemOtherConfigurationData ovf:required="false" Name="platform"><xenovf:Value>nx=true;acpi=1;cores-per-socket=2;secureboot=true;timeoffset=3600;</xenovf:Value></xenovf:VirtualSystemOtherConfigurationData>
  <xenovf:VirtualSystemOtherConfigurationData ovf:required="false" Name="recommendations"><xenovf:Value>&lt;restrictions&gt;&lt;/restrictions&gt;</xenovf:Value></xenovf:VirtualSystemOtherConfigurationData>
  </ovf:VirtualHardwareSection></ovf:VirtualSystem></ovf:Envelope>`;

test('XenServer and XCP-ng: disks by number of the item, platform and firmware from the VM record', () => {
  const found = only(xen('hvm-3.0-unknown', 'BIOS order'));
  assert.deepEqual(found.vm, {
    ...PLAIN,
    ...{
      name: 'xen vm',
      uuid: GUID,
      firmware: 'uefi',
      secureBoot: true,
      guestOs: 'Ubuntu (CIM 94)',
      clock: 'localtime',
    },
    cpu: { count: 4, sockets: 2, coresPerSocket: 2, threadsPerCore: 1, model: null },
    disks: [disk({ bus: 'sata', format: 'vpc', path: 'disk1.vhd', bootOrder: 1, controllerModel: null })],
    nics: [{ mac: '9a:00:00:00:00:01', network: 'net0', networkKind: 'network', model: 'unknown' }],
  });
  assert.deepEqual(found.ids, ['disk.no-controller', 'nic.model']);
});

test('Oracle VM and XenServer: a paravirtual machine is a blocking finding', () => {
  for (const text of [xen('xen-3.0-unknown', 'BIOS order'), xen('hvm-3.0-unknown', '')]) {
    const found = only(text).findings.find((each) => each.id === 'vm.paravirtual');
    assert.equal(found?.severity, 'blocking');
  }
});

test('Microsoft: VHD and VHDX, IDE by place, second generation is UEFI', () => {
  const found = only(
    envelope({
      files:
        '<File ovf:id="f1" ovf:href="a.vhdx"/><File ovf:id="f2" ovf:href="b.vhd" ovf:compression="gzip" ovf:chunkSize="2147483648"/>',
      disks: `<Disk ovf:diskId="d1" ovf:fileRef="f1" ovf:capacity="10" ovf:capacityAllocationUnits="byte * 2^30" ovf:format="http://technet.microsoft.com/vhdx"/>
        <Disk ovf:diskId="d2" ovf:fileRef="f2" ovf:capacity="1" ovf:capacityAllocationUnits="GigaBytes" ovf:format="${VHD}"/>`,
      hardware: `<System><vssd:VirtualSystemIdentifier>${GUID.toUpperCase()}</vssd:VirtualSystemIdentifier><vssd:VirtualSystemType>Microsoft:Hyper-V:SubType:2</vssd:VirtualSystemType></System>${CPU}${MEMORY}
        ${item(5, 3, { Address: 1 })}${item(5, 4, { Address: 0 })}${item(17, 5, { Parent: 3, AddressOnParent: 1, HostResource: 'ovf://disk/d2' })}${item(17, 6, { Parent: 4, AddressOnParent: 0, HostResource: 'ovf://disk/d1' })}`,
      system: '<Name>hv</Name>',
    }),
  );
  assert.deepEqual(found.vm, {
    ...PLAIN,
    ...{ name: 'hv', uuid: GUID, firmware: 'uefi' },
    disks: [
      disk({ id: 'hda', bus: 'ide', format: 'vhdx', path: 'a.vhdx', controllerModel: null }),
      disk({
        id: 'hdd',
        bus: 'ide',
        order: 1,
        sizeBytes: 2 ** 30,
        format: 'vpc',
        path: 'b.vhd',
        controllerModel: null,
      }),
    ],
  });
  assert.deepEqual(found.ids, []);
  assert.deepEqual(found.disks[1], {
    ...{ id: 'hdd', reference: 'b.vhd', format: 'vpc', compression: 'gzip', fileBytes: null, chunkBytes: 2 ** 31 },
    sizeUnitBytes: 2 ** 30,
  });
});

test('OVF 2.0: storage and ethernet port items with prefixes of their own', () => {
  const found = only(
    envelope({
      hardware: `${CPU}${MEMORY}${SCSI}
        <StorageItem xmlns:sasd="s"><sasd:AddressOnParent>0</sasd:AddressOnParent><sasd:HostResource>/disk/d1</sasd:HostResource><sasd:InstanceID>4</sasd:InstanceID><sasd:Parent>3</sasd:Parent><sasd:ResourceType>31</sasd:ResourceType></StorageItem>
        <EthernetPortItem xmlns:epasd="e"><epasd:Address>52-54-00-00-00-01</epasd:Address><epasd:Connection>lan</epasd:Connection><epasd:InstanceID>5</epasd:InstanceID><epasd:ResourceSubType>VirtIO</epasd:ResourceSubType><epasd:ResourceType>33</epasd:ResourceType></EthernetPortItem>`,
    }).replaceAll('ovf/envelope/1"', 'ovf/envelope/2"'),
  );
  const nics = [{ mac: '52:54:00:00:00:01', network: 'lan', networkKind: 'network', model: 'virtio' }];
  assert.deepEqual(found.vm, { ...PLAIN, nics });
  assert.deepEqual(found.ids, []);
});

test("VMware's first tools (OVF 0.9): all is a section with a type", () => {
  const text = envelope({ system: '<Section xsi:type="ovf:OperatingSystemSection_Type" ovf:id="36"><Info/></Section>' })
    .replaceAll('http://schemas.dmtf.org/ovf/envelope/1', 'http://www.vmware.com/schema/ovf/1/envelope')
    .replace(/<DiskSection>(.*?)<\/DiskSection>/s, '<Section xsi:type="ovf:DiskSection_Type">$1</Section>')
    .replace(
      /<VirtualHardwareSection>(.*?)<\/VirtualHardwareSection>/s,
      '<Section xsi:type="ovf:VirtualHardwareSection_Type">$1</Section>',
    )
    .replace(/<VirtualSystem (.*?)<\/VirtualSystem>/s, '<Content xsi:type="ovf:VirtualSystem_Type" $1</Content>')
    .replaceAll('InstanceID', 'InstanceId');
  assert.match(text, /<Content xsi/);
  const found = only(text);
  assert.deepEqual(found.vm, { ...PLAIN, guestOs: 'CIM 36' });
  assert.deepEqual(found.ids, []);
  assert.equal(DISK.includes('ovf:/disk/d1'), true);
});
