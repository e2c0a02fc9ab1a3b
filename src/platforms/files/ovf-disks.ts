import { ofDisk, type Finding } from '../../model/finding.js';
import type { DiskBus, VmDescription, VmDisk } from '../../model/vm.js';
import type { ForeignDisk, ImageFormat } from './foreign.js';
import { attachmentOf, fileOf, type Attachment } from './ovf-attachment.js';
import { capacityOf, capacityUnitOf } from './ovf-capacity.js';
import { diskFindings, noController, noImage, removableMedium } from './ovf-disk-findings.js';
import { isTrue, type OvfEnvelope, type OvfReference } from './ovf-envelope.js';
import { controllersOf, type OvfController, type OvfItem } from './ovf-items.js';
import type { OvfNode } from './ovf-node.js';
import { formatOf, isOptical } from './ovf-values.js';

/** Hard disks and drives of one virtual system. */

export interface FoundDisks {
  disks: VmDisk[];
  foreign: ForeignDisk[];
  removable: VmDescription['removable'];
  /** Ids of the envelope's disks, as often as they were attached. */
  used: string[];
  findings: Finding[];
}

interface Placed {
  item: OvfItem;
  held: Attachment;
  disk: OvfNode | null;
  file: OvfReference | null;
  format: ImageFormat | null;
  bus: DiskBus;
  model: string | null;
  /** On IDE: 2 * channel + device. */
  slot: number;
  /** To sort by: controllers in their order, then places at them. */
  key: readonly [number, number];
}

/** `properties` resolves `${…}` in capacities; `bootOrder` has ids of items in the order in which they are tried. */
export function describeDisks(
  items: readonly OvfItem[],
  envelope: OvfEnvelope,
  properties: ReadonlyMap<string, string>,
  bootOrder: readonly string[],
): FoundDisks {
  const controllers = controllersOf(items);
  const findings: Finding[] = [];
  const removable: VmDescription['removable'] = [];
  const placed: Placed[] = [];
  const used: string[] = [];
  const adrift: OvfItem[] = [];
  for (const item of items.filter((each) => ['disk', 'cdrom', 'floppy'].includes(each.kind))) {
    const held = attachmentOf(item, envelope);
    const controller = controllers.get(item.parent ?? '') ?? null;
    if (held.kind === 'disk') used.push(held.id);
    if (item.kind === 'disk' && !holdsOptical(held, envelope)) {
      placed.push(place(item, held, controller, envelope));
      if (placed.at(-1)!.key[0] === ADRIFT) adrift.push(item);
    } else {
      if (held.kind !== 'none') findings.push(removableMedium());
      removable.push(drive(item, controller));
    }
  }
  if (adrift.length > 0) findings.push(noController(adrift.map((each) => each.label)));
  placed.sort((a, b) => a.key[0] - b.key[0] || a.key[1] - b.key[1]);
  const ids = namesOf(placed);
  const order = bootSequence(placed, bootOrder);
  const disks = placed.map((each, index): VmDisk => {
    const id = ids[index]!;
    const said: Finding[] = [];
    const size = each.disk === null ? null : capacityOf(each.disk, id, envelope.what, properties, said);
    if (imageOf(each.held, envelope) === undefined) said.push(noImage(id, each.item.label, each.held));
    said.push(...diskFindings(id, each.disk, each.file, each.format));
    findings.push(...ofDisk(id, said));
    return {
      id,
      bus: each.bus,
      order: order.places[index]!,
      sizeBytes: size ?? 0,
      format: each.format ?? 'raw',
      path: each.file?.href ?? null,
      serial: null,
      bootOrder: order.numbers[index]!,
      allocatedBytes: null,
      changeTracking: false,
      discard: isTrue(each.disk?.get('pass-discard')),
      controllerModel: each.model,
    };
  });
  return {
    disks,
    removable,
    used,
    findings: once(findings),
    foreign: placed.map((each, index) => foreignDisk(ids[index]!, each)),
  };
}

/** The key of a disk whose controller is not said. */
const ADRIFT = 1e6;

function place(item: OvfItem, held: Attachment, controller: OvfController | null, envelope: OvfEnvelope): Placed {
  const disk = held.kind === 'disk' ? held.disk : null;
  const file = imageOf(held, envelope);
  const said = interfaceOf(disk);
  // XenServer says the place as "device=0,bootable=true,…".
  const device = /(?:^|[,;])device=(\d{1,4})/.exec(item.node.child('Connection') ?? '')?.[1];
  const at = item.addressOnParent ?? Number(device ?? 0);
  return {
    item,
    held,
    disk,
    file: file ?? null,
    format: formatOfDisk(disk, file ?? null),
    bus: said?.bus ?? controller?.bus ?? 'sata',
    model: said?.model ?? controller?.model ?? null,
    slot: (controller?.bus === 'ide' ? 2 * controller.address : 0) + at,
    key: [controller?.rank ?? (said ? 0 : ADRIFT), at],
  };
}

/** Undefined where the envelope lacks it. */
function imageOf(held: Attachment, envelope: OvfEnvelope): OvfReference | null | undefined {
  if (held.kind === 'disk') return fileOf(held.disk, envelope);
  return held.kind === 'file' ? held.file : undefined;
}

/** oVirt's `ovf:disk-interface`, which stands for a controller there (engine, DiskInterface). */
function interfaceOf(disk: OvfNode | null): { bus: DiskBus; model: string | null } | null {
  switch (disk?.get('disk-interface')?.toLowerCase()) {
    case 'virtio':
      return { bus: 'virtio', model: null };
    case 'virtio_scsi':
      return { bus: 'scsi', model: 'virtio-scsi' };
    case 'ide':
      return { bus: 'ide', model: null };
    case 'sata':
      return { bus: 'sata', model: null };
    default:
      return null;
  }
}

/**
 * oVirt gives raw disks the URI of VMDK, and tells the truth in `volume-format`. A file that no disk stands for is raw,
 * unless its name says otherwise; then whoever opens it finds out.
 */
function formatOfDisk(disk: OvfNode | null, file: OvfReference | null): ImageFormat | null {
  if (file === null) return 'raw';
  if (disk === null) return /\.(vmdk|vhdx?|vdi|qcow2?|avhdx?)(\.\w+)?$/i.test(file.href) ? null : 'raw';
  const volume = disk.get('volume-format')?.toUpperCase();
  if (volume === 'RAW') return 'raw';
  return volume === 'COW' ? 'qcow2' : formatOf(disk.get('format'));
}

function holdsOptical(held: Attachment, envelope: OvfEnvelope): boolean {
  if (held.kind === 'file') return isOptical(null, held.file.href);
  if (held.kind !== 'disk' || held.disk.get('volume-format') !== null) return false;
  return isOptical(held.disk.get('format'), fileOf(held.disk, envelope)?.href ?? null);
}

function drive(item: OvfItem, controller: OvfController | null): VmDescription['removable'][number] {
  return item.kind === 'floppy' ? { kind: 'floppy', bus: 'fdc' } : { kind: 'cdrom', bus: controller?.bus ?? 'ide' };
}

function foreignDisk(id: string, { file, format, disk }: Placed): ForeignDisk {
  const sizeUnitBytes = disk === null ? 1 : capacityUnitOf(disk);
  return {
    id,
    reference: file?.href ?? null,
    format,
    compression: file?.compression ?? null,
    fileBytes: file?.sizeBytes ?? null,
    chunkBytes: file?.chunkBytes ?? null,
    ...(sizeUnitBytes > 1 ? { sizeUnitBytes } : {}),
  };
}

/** By bus, as Linux did: `hda` by its place, `sda` on over SATA and SCSI in their order, `nvme0n1`, `vda`. */
function namesOf(placed: readonly Placed[]): string[] {
  const taken = new Set<string>();
  return placed.map(({ bus, slot }) => {
    let index = bus === 'ide' && slot < 4 ? slot : 0;
    while (taken.has(nameOf(bus, index))) index++;
    taken.add(nameOf(bus, index));
    return nameOf(bus, index);
  });
}

function nameOf(bus: DiskBus, index: number): string {
  if (bus === 'nvme') return `nvme${index}n1`;
  return `${bus === 'ide' ? 'hd' : bus === 'virtio' ? 'vd' : 'sd'}${letters(index)}`;
}

/** 0 is `a`, 25 `z`, 26 `aa`. */
function letters(index: number): string {
  const last = String.fromCharCode(97 + (index % 26));
  return index < 26 ? last : letters(Math.floor(index / 26) - 1) + last;
}

/** Those that are said to be booted from come first: by a list of items, or by a mark at the disk (oVirt, XenServer). */
function bootSequence(placed: readonly Placed[], bootOrder: readonly string[]) {
  const listedAt = (each: Placed) => {
    const at = bootOrder.indexOf(each.item.id);
    if (at >= 0) return at;
    return isTrue(each.disk?.get('boot')) || isTrue(each.disk?.get('isBootable')) ? bootOrder.length : Infinity;
  };
  const ranks = new Map(placed.map((each) => [each, listedAt(each)]));
  const sorted = [...placed].sort((a, b) => {
    const [first, second] = [ranks.get(a)!, ranks.get(b)!];
    return first === second ? 0 : first - second;
  });
  const places = new Map(sorted.map((each, index) => [each, index]));
  return {
    places: placed.map((each) => places.get(each)!),
    numbers: placed.map((each) => (ranks.get(each) === Infinity ? null : places.get(each)! + 1)),
  };
}

/** One of each id and message. */
function once(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map((each) => [`${each.id} ${each.message}`, each])).values()];
}
