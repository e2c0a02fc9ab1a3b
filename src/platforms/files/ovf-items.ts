import type { DiskBus } from '../../model/vm.js';
import type { OvfEnvelope } from './ovf-envelope.js';
import type { OvfNode } from './ovf-node.js';
import { hostile } from './foreign-values.js';
import { placeOf } from './ovf-values.js';

/** The virtual hardware's items (DSP0243, "VirtualHardwareSection"), each a CIM resource allocation setting. */

export interface OvfItem {
  node: OvfNode;
  id: string;
  kind: ItemKind;
  /** One or more that would do, in order, in lower case. */
  subTypes: string[];
  parent: string | null;
  address: number | null;
  addressOnParent: number | null;
  hostResource: string | null;
  /** For messages. */
  label: string;
}

export type ItemKind =
  | (
      | 'cpu'
      | 'memory'
      | 'disk'
      | 'cdrom'
      | 'floppy'
      | 'nic'
      | 'controller'
      | 'serial'
      | 'video'
      | 'sound'
      | 'tpm'
      | 'rng'
    )
  /** Made anew at the target, or of no meaning there. */
  | 'made-anew'
  | ('passthrough' | 'nvdimm' | 'other');

/** CIM_ResourceAllocationSettingData.ResourceType, as DSP0243 and DSP1041 use it. */
const KINDS = new Map<number, ItemKind>([
  ...([3, 4, 14, 15, 16] as const).map((type): [number, ItemKind] => [
    type,
    ({ 3: 'cpu', 4: 'memory', 14: 'floppy', 15: 'cdrom', 16: 'cdrom' } as const)[type],
  ]),
  ...[5, 6, 20].map((type): [number, ItemKind] => [type, 'controller']),
  ...[10, 33].map((type): [number, ItemKind] => [type, 'nic']),
  ...[17, 19, 31, 32].map((type): [number, ItemKind] => [type, 'disk']),
  [21, 'serial'],
  [23, 'made-anew'],
  [24, 'video'],
  [35, 'sound'],
]);

/** oVirt gives some numbers a meaning of its own (OvfHardware): 20 and 32768 are monitors, 26 is a framebuffer. */
const OVIRT_KINDS = new Map<number, ItemKind>([
  [20, 'video'],
  [32768, 'video'],
  [24, 'made-anew'],
  [26, 'made-anew'],
]);

/** Of items of oVirt with the number 0: what stands in their `Type`. */
const OVIRT_TYPES = new Map<string, ItemKind>([
  ['rng', 'rng'],
  ['tpm', 'tpm'],
  ['sound', 'sound'],
  ['video', 'video'],
  ['console', 'serial'],
  ['hostdev', 'passthrough'],
  ...['controller', 'balloon', 'graphics', 'channel'].map((type): [string, ItemKind] => [type, 'made-anew']),
]);

const MAX_ITEMS = 1024;

/** Those of the configuration that is taken, in their order. @throws VmferryError `HostileInput` for too many. */
export function itemsOf(hardware: OvfNode, envelope: OvfEnvelope): OvfItem[] {
  const nodes = hardware.all('Item', 'StorageItem', 'EthernetPortItem');
  if (nodes.length > MAX_ITEMS) throw hostile(envelope.what, `a machine has more than ${MAX_ITEMS} items of hardware`);
  // A least or greatest value beside the normal one (DSP0243, "Ranges on elements").
  const normal = nodes.filter((node) => !['min', 'max'].includes(node.get('bound') ?? ''));
  const fit = normal.filter((node) => {
    const only = node.get('configuration')?.split(/\s+/);
    return !only || envelope.configuration === null || only.includes(envelope.configuration);
  });
  // One for this configuration takes the place of the general one with the same number.
  const replaced = new Set(fit.filter((node) => node.get('configuration') !== null).map(idOf));
  return fit
    .filter((node) => node.get('configuration') !== null || idOf(node) === '' || !replaced.has(idOf(node)))
    .map((node) => itemOf(node, envelope.ovirt));
}

function itemOf(node: OvfNode, ovirt: boolean): OvfItem {
  const subTypes = (node.child('ResourceSubType') ?? '')
    .toLowerCase()
    .split(/[\s,;]+/)
    .filter((each) => each !== '');
  return {
    node,
    id: idOf(node),
    kind: kindOf(node, subTypes, ovirt),
    subTypes,
    parent: node.child('Parent'),
    address: placeOf(node.child('Address')),
    addressOnParent: placeOf(node.child('AddressOnParent')),
    hostResource: node.child('HostResource'),
    label: shown(node.child('ElementName', 'Caption', 'Description') ?? `item ${idOf(node)}`),
  };
}

function shown(text: string): string {
  const plain = text.slice(0, 80).replace(/[^\p{L}\p{N}\p{P}\p{S}]+/gu, ' ');
  return text.length > 80 ? `${plain}…` : plain;
}

function idOf(node: OvfNode): string {
  return node.child('InstanceID', 'InstanceId') ?? '';
}

function kindOf(node: OvfNode, subTypes: readonly string[], ovirt: boolean): ItemKind {
  if (node.name === 'EthernetPortItem') return 'nic';
  const type = Number(node.child('ResourceType') ?? NaN);
  if (ovirt) return OVIRT_KINDS.get(type) ?? (type === 0 ? ovirtKind(node) : (KINDS.get(type) ?? 'other'));
  const [sub = ''] = subTypes;
  if (/\.vtpm$|^vtpm|^tpm/.test(sub)) return 'tpm';
  if (/\.soundcard\./.test(sub)) return 'sound';
  if (/^vmware\.(pci|scsi)\.passthrough/.test(sub)) return 'passthrough';
  if (/nvdimm\.device/.test(sub)) return 'nvdimm';
  // A way for guest and host to talk that every VM of VMware has.
  if (/\.vmci$/.test(sub)) return 'made-anew';
  return KINDS.get(type) ?? 'other';
}

function ovirtKind(node: OvfNode): ItemKind {
  // virtio-serial, memory balloon and the like come as controllers; what is unmanaged has other names.
  return OVIRT_TYPES.get((node.child('Type') ?? '').toLowerCase()) ?? 'other';
}

export interface OvfController {
  bus: DiskBus;
  model: string | null;
  /** Of its kind: 0 and 1 are the two channels of IDE. */
  address: number;
  /** Among all controllers: kinds as they come, and each kind by address. */
  rank: number;
}

/** VMware's and VirtualBox's names in libvirt's terms. */
const SCSI_MODELS: [RegExp, string][] = [
  [/^lsilogicsas$/, 'lsisas1068'],
  [/^lsilogic$/, 'lsilogic'],
  [/^buslogic$/, 'buslogic'],
  [/^(virtualscsi|pvscsi)$/, 'vmpvscsi'],
  [/^virtio-?scsi$/, 'virtio-scsi'],
];

/** By the number that their disks name as parent. */
export function controllersOf(items: readonly OvfItem[]): Map<string, OvfController> {
  const counts = new Map<DiskBus, number>();
  const found = items
    .filter((each) => each.kind === 'controller' && each.id !== '')
    .map((item) => {
      const bus = busOf(item);
      const before = counts.get(bus) ?? 0;
      counts.set(bus, before + 1);
      return { item, bus, address: item.address ?? before };
    });
  const buses = [...counts.keys()];
  found.sort((a, b) => buses.indexOf(a.bus) - buses.indexOf(b.bus) || a.address - b.address);
  return new Map(
    found.map(({ item, bus, address }, rank) => [
      item.id,
      { bus, address, rank, model: bus === 'scsi' ? scsiModel(item) : null },
    ]),
  );
}

function busOf(item: OvfItem): DiskBus {
  const type = item.node.child('ResourceType');
  if (type === '5') return 'ide';
  const text = `${item.subTypes.join(' ')} ${item.subTypes.length === 0 ? item.label : ''}`.toLowerCase();
  if (type === '6' || /scsi|lsilogic|buslogic/.test(text)) return 'scsi';
  if (/nvme/.test(text)) return 'nvme';
  return /virtio/.test(text) ? 'virtio' : 'sata';
}

function scsiModel(item: OvfItem): string | null {
  for (const name of item.subTypes) {
    const known = SCSI_MODELS.find(([pattern]) => pattern.test(name));
    if (known) return known[1];
  }
  return null;
}
