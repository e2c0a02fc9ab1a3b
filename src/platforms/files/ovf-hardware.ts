import type { XmlElement } from '../xml.js';
import { attribute, children, numberOf, sections, textOf } from './ovf-xml.js';

/** One device of a machine: an `Item` (CIM_ResourceAllocationSettingData), or those that OVF 2.0 has beside it. */
export interface Item {
  /** Numbers of CIM's ResourceType; oVirt uses some for other things (see `ovf-system.ts`). */
  type: number;
  subType: string;
  instance: string;
  parent: string | null;
  /** Place on the parent; null where it is not said. */
  addressOnParent: number | null;
  address: string | null;
  quantity: number | null;
  units: string | null;
  hostResources: string[];
  connections: string[];
  name: string;
  /** False for what a target may leave out. */
  required: boolean;
  element: XmlElement;
}

export const TYPE = {
  other: 1,
  cpu: 3,
  memory: 4,
  ide: 5,
  scsi: 6,
  ethernet: 10,
  floppy: 14,
  cd: 15,
  dvd: 16,
  disk: 17,
  /** XenServer's disks. */
  extent: 19,
  storage: 20,
  serial: 21,
  parallel: 22,
  usb: 23,
  graphics: 24,
  logicalDisk: 31,
  ethernetPort: 33,
  sound: 35,
} as const;

const MOST_ITEMS = 10_000;

/** The items of the one hardware section that counts, without those of other configurations and without ranges. */
export function itemsOf(hardware: XmlElement, configuration: string | null): Item[] {
  const elements = hardware.all().filter(({ name }) => /(^|:)(Item|StorageItem|EthernetPortItem)$/.test(name));
  return elements
    .slice(0, MOST_ITEMS)
    .filter((each) => {
      const only = attribute(each, 'configuration')?.split(/\s+/).filter(Boolean) ?? [];
      const bound = attribute(each, 'bound') ?? 'normal';
      return bound === 'normal' && (only.length === 0 || configuration === null || only.includes(configuration));
    })
    .map(itemOf);
}

function itemOf(element: XmlElement): Item {
  const text = (name: string) => textOf(element, name);
  const texts = (name: string) => children(element, name).flatMap((each) => each.text() || []);
  return {
    type: numberOf(text('ResourceType')) ?? -1,
    subType: text('ResourceSubType') ?? '',
    instance: text('InstanceID') ?? text('InstanceId') ?? '',
    parent: text('Parent'),
    addressOnParent: numberOf(text('AddressOnParent')),
    address: text('Address') ?? text('MACAddress'),
    quantity: numberOf(text('VirtualQuantity')),
    units: text('VirtualQuantityUnits') ?? text('AllocationUnits'),
    hostResources: texts('HostResource'),
    connections: texts('Connection'),
    name: text('ElementName') ?? text('Caption') ?? '',
    required: attribute(element, 'required') !== 'false',
    element,
  };
}

/** VMware's settings beside the items: `<vmw:Config vmw:key="firmware" vmw:value="efi"/>`. */
export function configOf(hardware: XmlElement): Map<string, string> {
  const all = [...children(hardware, 'Config'), ...children(hardware, 'ExtraConfig')];
  return new Map(
    all.slice(0, MOST_ITEMS).map((each) => [attribute(each, 'key') ?? '', attribute(each, 'value') ?? '']),
  );
}

export function hardwareOf(system: XmlElement): XmlElement[] {
  return sections(system, 'VirtualHardwareSection');
}
