import type { VmDescription } from '../../../src/model/vm.js';

/** Small envelopes as each tool writes them, made for the tests from what the tools' documentation says. */

const SPACES = `xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
  xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
  xmlns:vmw="http://www.vmware.com/schema/ovf" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xmlns:vbox="http://www.virtualbox.org/ovf/machine" xmlns:ovirt="http://www.ovirt.org/ovf"`;
export const VMDK = 'http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized';

/** An item of hardware: `item(17, 4, { Parent: 3 })`. */
export function item(
  type: number,
  id: number | string,
  more: Record<string, string | number> = {},
  attributes = '',
): string {
  const all = { InstanceID: id, ...more, ResourceType: type };
  const inner = Object.entries(all).map(([key, value]) => `<rasd:${key}>${value}</rasd:${key}>`);
  return `<Item ${attributes}>${inner.join('')}</Item>`;
}

export const CPU = item(3, 1, { VirtualQuantity: 2, AllocationUnits: 'hertz * 10^6' });
export const MEMORY = item(4, 2, { VirtualQuantity: 1024, AllocationUnits: 'byte * 2^20' });
export const SCSI = item(6, 3, { ResourceSubType: 'lsilogic', Address: 0 });
export const DISK = item(17, 4, { Parent: 3, AddressOnParent: 0, HostResource: 'ovf:/disk/d1' });

export interface Parts {
  files?: string;
  disks?: string;
  /** Within the envelope, before the system. */
  envelope?: string;
  /** Within the virtual system, before the hardware. */
  system?: string;
  hardware?: string;
}

export const FILES = '<File ovf:id="f1" ovf:href="disk1.vmdk" ovf:size="70000"/>';
export const DISKS = `<Disk ovf:diskId="d1" ovf:fileRef="f1" ovf:capacity="10" ovf:capacityAllocationUnits="byte * 2^30" ovf:format="${VMDK}"/>`;

export function virtualSystem({ system = '', hardware = CPU + MEMORY + SCSI + DISK }: Parts, id = 'vm'): string {
  return `<VirtualSystem ovf:id="${id}"><Info>A machine</Info>${system}
    <VirtualHardwareSection><Info/>${hardware}</VirtualHardwareSection></VirtualSystem>`;
}

export function wrapped({ files = FILES, disks = DISKS, envelope = '' }: Parts, systems: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?><Envelope ${SPACES}><References>${files}</References>
    <DiskSection><Info/>${disks}</DiskSection>${envelope}${systems}</Envelope>`;
}

export function envelope(parts: Parts = {}): string {
  return wrapped(parts, virtualSystem(parts));
}

/** What `envelope()` says, without findings. */
export const PLAIN: Omit<VmDescription, 'findings'> = {
  ...{ name: 'vm', uuid: '', firmware: 'bios', secureBoot: false, tpm: null, memoryBytes: 2 ** 30 },
  cpu: { count: 2, sockets: 2, coresPerSocket: 1, threadsPerCore: 1, model: null },
  disks: [disk({})],
  ...{ removable: [], nics: [], display: 'vga', sound: null, guestOs: null, machine: null, serialPorts: 0 },
  ...{ guestAgentChannel: false, clock: 'utc', rng: false, nvramPath: null },
};

export function disk(more: Partial<VmDescription['disks'][number]>): VmDescription['disks'][number] {
  return {
    ...{ id: 'sda', bus: 'scsi', order: 0, sizeBytes: 10 * 2 ** 30, format: 'vmdk', path: 'disk1.vmdk', serial: null },
    ...{ bootOrder: null, allocatedBytes: null, changeTracking: false, discard: false, controllerModel: 'lsilogic' },
    ...more,
  };
}
