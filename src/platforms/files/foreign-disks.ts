import type { DiskBus, VmDisk } from '../../model/vm.js';
import { compressionOfDisk } from './compression.js';
import type { ForeignDisk, ImageFormat } from './foreign.js';
import { withoutDot } from './member-name.js';

/** Hard disks as a descriptor lists them, to the two lists that a foreign machine has. */

export interface ListedDisk {
  bus: DiskBus;
  /** On IDE: 2 * channel + device. Others are counted as they come. */
  ideSlot: number;
  reference: string;
  format: ImageFormat | null;
  controllerModel: string | null;
  /** From 1; null where the descriptor gives the disk no place. */
  bootOrder: number | null;
  discard: boolean;
}

/** Names them, by bus as Linux did: `hda` by its place, `sda` on over SATA and SCSI in their order, `nvme0n1`, `vda`. */
export function foreignDisks(listed: readonly ListedDisk[]): { disks: VmDisk[]; foreign: ForeignDisk[] } {
  const ids = namesOf(listed);
  const inBootOrder = [...listed].sort((a, b) => (a.bootOrder ?? Infinity) - (b.bootOrder ?? Infinity) || 0);
  const disks = listed.map((each, index): VmDisk => ({
    id: ids[index]!,
    bus: each.bus,
    order: inBootOrder.indexOf(each),
    sizeBytes: 0,
    format: each.format ?? 'raw',
    path: withoutDot(each.reference),
    serial: null,
    bootOrder: each.bootOrder,
    allocatedBytes: null,
    changeTracking: false,
    discard: each.discard,
    controllerModel: each.controllerModel,
  }));
  const foreign = listed.map((each, index): ForeignDisk => ({
    id: ids[index]!,
    reference: withoutDot(each.reference),
    format: each.format,
    compression: compressionOfDisk(each.reference),
    fileBytes: null,
    chunkBytes: null,
  }));
  return { disks, foreign };
}

function namesOf(listed: readonly ListedDisk[]): string[] {
  const taken = new Set<string>();
  return listed.map((each) => {
    let place = each.bus === 'ide' ? each.ideSlot : 0;
    while (taken.has(nameOf(each.bus, place))) place++;
    const name = nameOf(each.bus, place);
    taken.add(name);
    return name;
  });
}

function nameOf(bus: DiskBus, place: number): string {
  if (bus === 'nvme') return `nvme${place}n1`;
  return `${bus === 'ide' ? 'hd' : bus === 'virtio' ? 'vd' : 'sd'}${letters(place)}`;
}

/** 0 is `a`, 25 `z`, 26 `aa`. */
function letters(place: number): string {
  const last = String.fromCharCode(97 + (place % 26));
  return place < 26 ? last : letters(Math.floor(place / 26) - 1) + last;
}
