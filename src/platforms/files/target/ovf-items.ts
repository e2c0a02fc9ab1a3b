import type { DiskBus, VmDescription } from '../../../model/vm.js';
import { xml, type XmlElement } from '../../xml.js';

/**
 * The items of the virtual hardware (DSP0243 1.1, 8; CIM_ResourceAllocationSettingData): elements of an item stand in
 * alphabetical order, as its schema wants them.
 */

interface Item {
  required?: false;
  fields: Record<string, string | number>;
}

const KIND = { cpu: 3, memory: 4, ide: 5, scsi: 6, network: 10, floppy: 14, cdrom: 15, disk: 17, other: 20, sound: 35 };

const NIC_TYPES: Record<string, string> = { e1000: 'E1000', e1000e: 'E1000e', vmxnet3: 'VmxNet3', pcnet: 'PCNet32' };
const SCSI_TYPES: Record<string, string> = {
  ...{ lsilogic: 'lsilogic', lsisas1068: 'lsilogicsas', vmpvscsi: 'VirtualSCSI', buslogic: 'buslogic' },
};
const SOUND_TYPES: Record<string, string> = {
  ich6: 'vmware.soundcard.hdaudio',
  es1370: 'vmware.soundcard.ensoniq1371',
};

/** @param vm as `exportedVm` gives it. */
export function hardwareItems(vm: VmDescription): XmlElement[] {
  const items: Item[] = [];
  const add = (fields: Item['fields'], required?: false): number => {
    items.push({ fields: { ...fields, InstanceID: items.length + 1 }, ...(required === false ? { required } : {}) });
    return items.length;
  };
  const { cpu } = vm;
  add({
    AllocationUnits: 'hertz * 10^6',
    ElementName: `${cpu.count} virtual CPU(s)`,
    ResourceType: KIND.cpu,
    VirtualQuantity: cpu.count,
    'vmw:CoresPerSocket': cpu.coresPerSocket,
  });
  add({
    AllocationUnits: 'byte * 2^20',
    ElementName: `${vm.memoryBytes / 2 ** 20}MB of memory`,
    ResourceType: KIND.memory,
    VirtualQuantity: vm.memoryBytes / 2 ** 20,
  });
  const places = new Places(vm, add);
  vm.disks.forEach(({ bus }, index) => {
    const { Parent, AddressOnParent } = places.next(bus);
    const HostResource = `ovf:/disk/vmdisk${index + 1}`;
    const ElementName = `Hard Disk ${index + 1}`;
    add({ AddressOnParent, ElementName, HostResource, Parent, ResourceType: KIND.disk });
  });
  vm.removable.forEach(({ kind, bus }, index) => {
    if (kind === 'floppy') return;
    // Where it was, if there is such a controller for disks, too; else with IDE, which every machine has.
    const { Parent, AddressOnParent } = places.next(bus === 'sata' || bus === 'scsi' ? bus : 'ide');
    const ElementName = `CD/DVD drive ${index + 1}`;
    add({ AddressOnParent, AutomaticAllocation: 'false', ElementName, Parent, ResourceType: KIND.cdrom }, false);
  });
  vm.nics.forEach(({ mac, network, model }, index) => {
    add({
      Address: mac,
      AddressOnParent: index + 7,
      AutomaticAllocation: 'true',
      Connection: network,
      ElementName: `Network adapter ${index + 1}`,
      ResourceSubType: NIC_TYPES[model] ?? model,
      ResourceType: KIND.network,
    });
  });
  const sound = vm.sound === null ? undefined : SOUND_TYPES[vm.sound];
  if (sound !== undefined) {
    add(
      { AutomaticAllocation: 'false', ElementName: 'Sound card', ResourceSubType: sound, ResourceType: KIND.sound },
      false,
    );
  }
  return items.map(itemElement);
}

/** Controllers, each made when the first drive comes to it. */
class Places {
  private readonly made = new Map<string, number>();
  private readonly taken = new Map<DiskBus, number>();

  constructor(
    private readonly vm: VmDescription,
    private readonly add: (fields: Item['fields']) => number,
  ) {}

  next(bus: DiskBus): { Parent: number; AddressOnParent: number } {
    const nth = this.taken.get(bus) ?? 0;
    this.taken.set(bus, nth + 1);
    if (bus === 'ide') {
      // Two channels with two drives each.
      return { Parent: this.controller(bus, Math.floor(nth / 2)), AddressOnParent: nth % 2 };
    }
    // Unit 7 is the controller's own.
    return { Parent: this.controller(bus, 0), AddressOnParent: bus === 'scsi' && nth >= 7 ? nth + 1 : nth };
  }

  private controller(bus: DiskBus, Address: number): number {
    const key = `${bus}${Address}`;
    const known = this.made.get(key);
    if (known !== undefined) return known;
    const id = this.add({ Address, ...this.kindOf(bus), ElementName: `${bus.toUpperCase()} Controller ${Address}` });
    this.made.set(key, id);
    return id;
  }

  private kindOf(bus: DiskBus): Item['fields'] {
    if (bus === 'ide') return { ResourceType: KIND.ide };
    if (bus === 'sata') return { ResourceSubType: 'vmware.sata.ahci', ResourceType: KIND.other };
    if (bus === 'nvme') return { ResourceSubType: 'vmware.nvme.controller', ResourceType: KIND.other };
    const model = this.vm.disks.find((disk) => disk.bus === 'scsi')?.controllerModel ?? 'lsilogic';
    return { ResourceSubType: SCSI_TYPES[model] ?? 'lsilogic', ResourceType: KIND.scsi };
  }
}

function itemElement({ fields, required }: Item): XmlElement {
  const own = Object.entries(fields).filter(([name]) => !name.includes(':'));
  const others = Object.entries(fields).filter(([name]) => name.includes(':'));
  return xml(
    'Item',
    { 'ovf:required': required === false ? 'false' : null },
    ...own.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => xml(`rasd:${name}`, {}, value)),
    ...others.map(([name, value]) => xml(name, { 'ovf:required': 'false' }, value)),
  );
}
