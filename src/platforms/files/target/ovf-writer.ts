import type { VmDescription } from '../../../model/vm.js';
import { xml, type XmlElement } from '../../xml.js';
import { hardwareItems } from './ovf-items.js';
import { operatingSystem } from './operating-system.js';

/** An OVF descriptor (DMTF DSP0243 1.1) with VMware's settings, in the words that VMware's and VirtualBox's readers know. */

export interface PackagedFile {
  name: string;
  sizeBytes: number;
}

export interface OvfContent {
  /** As `exportedVm` gives it. */
  vm: VmDescription;
  /** What the source's description says of the guest's system. */
  declaredOs: string | null;
  /** The file of each disk, in the order of `vm.disks`. */
  files: readonly PackagedFile[];
}

const NAMESPACES = {
  xmlns: 'http://schemas.dmtf.org/ovf/envelope/1',
  'xmlns:cim': 'http://schemas.dmtf.org/wbem/wscim/1/common',
  'xmlns:ovf': 'http://schemas.dmtf.org/ovf/envelope/1',
  'xmlns:rasd': 'http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData',
  'xmlns:vmw': 'http://www.vmware.com/schema/ovf',
  'xmlns:vssd': 'http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData',
  'xmlns:xsi': 'http://www.w3.org/2001/XMLSchema-instance',
} as const;

/** By format: each maker's own URI; only that of VMDK is in the specification. */
const FORMATS: Record<string, string> = {
  vmdk: 'http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized',
  sparse: 'http://www.vmware.com/interfaces/specifications/vmdk.html#sparse',
  qcow2: 'http://www.gnome.org/~markmc/qcow-image-format.html',
  qcow: 'http://www.gnome.org/~markmc/qcow-image-format-version-1.html',
  vpc: 'http://technet.microsoft.com/en-us/virtualserver/bb676673.aspx#vhd',
  vhdx: 'http://technet.microsoft.com/en-us/library/hh831446.aspx#vhdx',
  vdi: 'http://www.virtualbox.org/vdi',
  raw: 'http://en.wikipedia.org/wiki/Byte',
};

/** The lowest of VMware's hardware versions with AHCI and E1000E; of those with NVMe and secure boot. */
const HARDWARE = 'vmx-10';
const NEWER_HARDWARE = 'vmx-13';

/** The text of the descriptor. @throws VmferryError `InvalidRequest` for a name that XML cannot hold. */
export function ovfDescriptor({ vm, declaredOs, files }: OvfContent): string {
  const networks = [...new Set(vm.nics.map(({ network }) => network))];
  const envelope = xml(
    'Envelope',
    NAMESPACES,
    xml(
      'References',
      {},
      ...files.map(({ name, sizeBytes }, index) =>
        xml('File', { 'ovf:href': name, 'ovf:id': `file${index + 1}`, 'ovf:size': sizeBytes }),
      ),
    ),
    xml('DiskSection', {}, xml('Info', {}, 'The disks of the machine'), ...vm.disks.map(diskElement)),
    xml(
      'NetworkSection',
      {},
      xml('Info', {}, 'The networks that its cards are on'),
      ...networks.map((name) => xml('Network', { 'ovf:name': name }, xml('Description', {}, `The network ${name}`))),
    ),
    virtualSystem(vm, declaredOs),
  );
  return `<?xml version="1.0" encoding="UTF-8"?>\n${indented(envelope)}`;
}

function diskElement({ sizeBytes, format }: VmDescription['disks'][number], index: number): XmlElement {
  return xml('Disk', {
    'ovf:capacity': sizeBytes,
    'ovf:capacityAllocationUnits': 'byte',
    'ovf:diskId': `vmdisk${index + 1}`,
    'ovf:fileRef': `file${index + 1}`,
    'ovf:format': FORMATS[format],
  });
}

function virtualSystem(vm: VmDescription, declaredOs: string | null): XmlElement {
  const { cim } = operatingSystem(declaredOs);
  const newer = vm.secureBoot || vm.disks.some(({ bus }) => bus === 'nvme');
  return xml(
    'VirtualSystem',
    { 'ovf:id': vm.name },
    xml('Info', {}, 'A virtual machine'),
    xml('Name', {}, vm.name),
    xml(
      'OperatingSystemSection',
      { 'ovf:id': cim, 'vmw:osType': vm.guestOs },
      xml('Info', {}, 'The system that the guest runs'),
      declaredOs === null ? null : xml('Description', {}, declaredOs),
    ),
    xml(
      'VirtualHardwareSection',
      {},
      xml('Info', {}, 'What the machine is made of'),
      xml(
        'System',
        {},
        xml('vssd:ElementName', {}, 'Virtual Hardware Family'),
        xml('vssd:InstanceID', {}, 0),
        xml('vssd:VirtualSystemIdentifier', {}, vm.name),
        xml('vssd:VirtualSystemType', {}, newer ? NEWER_HARDWARE : HARDWARE),
      ),
      ...hardwareItems(vm),
      setting('Config', 'firmware', vm.firmware === 'uefi' ? 'efi' : 'bios'),
      vm.secureBoot && setting('Config', 'bootOptions.efiSecureBootEnabled', 'true'),
      setting('ExtraConfig', 'uuid.bios', vmwareUuid(vm.uuid)),
    ),
  );
}

function setting(element: string, key: string, value: string): XmlElement {
  return xml(`vmw:${element}`, { 'ovf:required': 'false', 'vmw:key': key, 'vmw:value': value });
}

/** As VMX files have it: `56 4d 2f … -… 0a`. */
function vmwareUuid(uuid: string): string {
  const bytes = uuid.replaceAll('-', '').match(/../g) ?? [];
  return `${bytes.slice(0, 8).join(' ')}-${bytes.slice(8).join(' ')}`;
}

/** One element a line; text stays with its element. */
function indented(element: XmlElement, indent = ''): string {
  const inner = element.all();
  if (inner.length === 0) return `${indent}${element.toString()}\n`;
  const open = xml(element.name, Object.fromEntries(element.attributes)).toString().replace(/\/>$/, '>');
  return `${indent}${open}\n${inner.map((each) => indented(each, `${indent}  `)).join('')}${indent}</${element.name}>\n`;
}
