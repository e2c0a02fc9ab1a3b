import type { Finding } from '../../model/finding.js';
import type { DiskBus, VmDescription, VmDisk } from '../../model/vm.js';
import { imageFormatOf } from './bare-image.js';
import type { ForeignDisk, ImageFormat } from './foreign.js';
import { foreignDisks, type ListedDisk } from './foreign-disks.js';
import { removableMedium, shareable } from './foreign-findings.js';
import { quoted } from './foreign-values.js';
import type { OvfDisk, OvfPackage } from './ovf.js';
import { TYPE, type Item } from './ovf-hardware.js';

/** Disks and drives of an OVF's machine: which controller each hangs on, and which file it is in. */

interface Controller {
  bus: DiskBus;
  model: string | null;
  /** IDE's channel. */
  number: number;
}

/** SCSI controllers by their subtypes; libvirt's names. */
const SCSI_MODELS: [RegExp, string][] = [
  [/sas/i, 'lsisas1068'],
  [/lsilogic|lsi/i, 'lsilogic'],
  [/buslogic/i, 'buslogic'],
  [/virtualscsi|pvscsi/i, 'vmpvscsi'],
  [/virtio/i, 'virtio-scsi'],
];

const DISKS: number[] = [TYPE.disk, TYPE.logicalDisk, TYPE.extent];

export interface OvfDisks {
  disks: VmDisk[];
  foreign: ForeignDisk[];
  removable: VmDescription['removable'];
  findings: Finding[];
}

export function describeDisks(items: readonly Item[], found: OvfPackage): OvfDisks {
  const controllers = controllersOf(items);
  const findings: Finding[] = [];
  const listed: (ListedDisk & { disk: OvfDisk; place: number })[] = [];
  for (const item of items.filter(({ type }) => DISKS.includes(type))) {
    const disk = diskOf(item, found);
    if (!disk) {
      findings.push(noDisk(item));
      continue;
    }
    const controller = (item.parent !== null && controllers.get(item.parent)) || byInterface(disk.interface);
    if (!controller) findings.push(noController(item));
    const { bus, model, number } = controller ?? { bus: 'sata', model: null, number: 0 };
    const place = item.addressOnParent ?? 0;
    listed.push({
      bus,
      ideSlot: 2 * number + place,
      reference: disk.reference?.href ?? '',
      format: formatOf(disk),
      controllerModel: bus === 'scsi' ? model : null,
      bootOrder: null,
      discard: false,
      disk,
      place: place + 1000 * [...controllers.keys()].indexOf(item.parent ?? ''),
    });
  }
  listed.sort((a, b) => busOrder(a.bus) - busOrder(b.bus) || a.place - b.place);
  const { disks, foreign } = foreignDisks(listed);
  for (const [index, { disk }] of listed.entries()) {
    const { id } = disks[index]!;
    disks[index]!.sizeBytes = disk.sizeBytes ?? 0;
    disks[index]!.path = disk.reference?.href ?? null;
    Object.assign(foreign[index]!, {
      reference: disk.reference?.href ?? null,
      compression: disk.reference?.compression ?? null,
      fileBytes: disk.reference?.sizeBytes ?? null,
      chunkBytes: disk.reference?.chunkBytes || null,
    });
    if (disk.parent) findings.push(delta(id));
    if (disk.sizeBytes === null && disk.reference === null) findings.push(noSize(id));
    if (
      disk.format !== null &&
      foreign[index]!.format === null &&
      disk.reference &&
      !imageFormatOf(disk.reference.href)
    )
      findings.push(strangeFormat(id, disk.format));
    const twin = listed.slice(0, index).findIndex((each) => each.disk.id === disk.id);
    if (twin !== -1) findings.push(shareable([disks[twin]!.id, id], 'both are one disk of the package'));
  }
  const drives = removable(items, controllers);
  if (drives.inserted) findings.push(removableMedium());
  return { disks, foreign, removable: drives.removable, findings };
}

function busOrder(bus: DiskBus): number {
  return ['ide', 'scsi', 'sata', 'nvme', 'virtio'].indexOf(bus);
}

/** By their InstanceID. */
function controllersOf(items: readonly Item[]): Map<string, Controller> {
  const controllers = new Map<string, Controller>();
  let ide = 0;
  for (const item of items) {
    if (item.type === TYPE.ide) {
      const number = item.address !== null && /^\d$/.test(item.address) ? Number(item.address) : ide;
      controllers.set(item.instance, { bus: 'ide', model: null, number });
      ide += 1;
    } else if (item.type === TYPE.scsi) {
      const model = SCSI_MODELS.find(([pattern]) => pattern.test(item.subType))?.[1] ?? null;
      controllers.set(item.instance, { bus: 'scsi', model, number: 0 });
    } else if (item.type === TYPE.storage) {
      const bus = /nvme/i.test(item.subType) ? 'nvme' : /virtio/i.test(item.subType) ? 'virtio' : 'sata';
      if (/ahci|sata|nvme|virtio/i.test(`${item.subType} ${item.name}`)) {
        controllers.set(item.instance, { bus, model: null, number: 0 });
      }
    }
  }
  return controllers;
}

/** oVirt says the bus at the disk. */
function byInterface(name: string | null): Controller | null {
  const kinds: Record<string, Controller> = {
    VirtIO: { bus: 'virtio', model: null, number: 0 },
    VirtIO_SCSI: { bus: 'scsi', model: 'virtio-scsi', number: 0 },
    SPAPR_VSCSI: { bus: 'scsi', model: null, number: 0 },
    SATA: { bus: 'sata', model: null, number: 0 },
    IDE: { bus: 'ide', model: null, number: 0 },
  };
  return name !== null && Object.hasOwn(kinds, name) ? kinds[name]! : null;
}

/** `ovf:/disk/ID` and its old spellings, a file without a disk, or oVirt's `GROUP/IMAGE`. */
function diskOf(item: Item, found: OvfPackage): OvfDisk | null {
  for (const resource of item.hostResources) {
    const [, kind, id] = /^(?:ovf:\/{0,2})?\/?(disk|file)\/(.+)$/.exec(resource) ?? [];
    const disk = found.disks.get(id ?? resource);
    if (disk && kind !== 'file') return disk;
    const file = found.references.find((each) => each.id === (id ?? resource) || each.href === (id ?? resource));
    if (!file) continue;
    const own = [...found.disks.values()].find((each) => each.reference === file);
    if (own) return own;
    return {
      ...{ id: `file ${file.id}`, reference: file, sizeBytes: null, format: null },
      ...{ volumeFormat: null, interface: null, parent: false },
    };
  }
  // oVirt: the disk's own id is the item's.
  return found.disks.get(item.instance) ?? null;
}

const FORMATS: [RegExp, ImageFormat][] = [
  [/vhdx/i, 'vhdx'],
  [/vmdk|vmware/i, 'vmdk'],
  [/vhd|virtualserver|virtualpc|LinkId=137171|bb676673/i, 'vpc'],
  [/vdi|virtualbox/i, 'vdi'],
  [/qcow2|qcow-image|\bqcow\b/i, 'qcow2'],
  [/\braw\b|\bdd\b/i, 'raw'],
];

/** The URIs are a maker's choice; where the file's name says another one, the name is no lie of the makers that is known. */
function formatOf({ format, volumeFormat, reference }: OvfDisk): ImageFormat | null {
  if (volumeFormat === 'COW') return 'qcow2';
  if (volumeFormat === 'RAW') return 'raw';
  const byUri = FORMATS.find(([pattern]) => pattern.test(format ?? ''))?.[1] ?? null;
  return byUri ?? (reference ? (imageFormatOf(reference.href) ?? null) : null);
}

function removable(
  items: readonly Item[],
  controllers: ReadonlyMap<string, Controller>,
): { removable: VmDescription['removable']; inserted: boolean } {
  let inserted = false;
  const drives = items.flatMap((item): VmDescription['removable'] => {
    if (![TYPE.floppy, TYPE.cd, TYPE.dvd].some((each) => each === item.type)) return [];
    if (item.hostResources.some((each) => /file|disk|\.iso/i.test(each))) inserted = true;
    if (item.type === TYPE.floppy) return [{ kind: 'floppy', bus: 'fdc' }];
    return [{ kind: 'cdrom', bus: controllers.get(item.parent ?? '')?.bus ?? 'ide' }];
  });
  return { removable: drives, inserted };
}

function noDisk(item: Item): Finding {
  return {
    id: 'disk.no-file',
    severity: 'blocking',
    message: `The hard disk ${quoted(item.name || item.instance)} is in no file of the package (${quoted(item.hostResources[0] ?? '')}).`,
    remedy: 'Export the machine again, or waive this finding when the guest can do without the disk.',
  };
}

function noController(item: Item): Finding {
  return {
    id: 'disk.bus',
    severity: 'warning',
    message: `The hard disk ${quoted(item.name || item.instance)} is on no controller that is known; it becomes a SATA disk.`,
    remedy: 'Make sure that the guest finds its disks by UUID or label, and has a driver for SATA (AHCI).',
  };
}

function delta(id: string): Finding {
  return {
    id: 'disk.differencing',
    severity: 'blocking',
    message: `Disk ${id} holds only what differs from another disk of the package, which cannot be read for it.`,
    remedy: 'Export the machine again, without delta disks.',
  };
}

function noSize(id: string): Finding {
  return {
    id: 'disk.unreadable',
    severity: 'blocking',
    message: `Disk ${id} has neither a file nor a size.`,
    remedy: 'Leave it behind with excludeDisks, or export the machine again.',
  };
}

function strangeFormat(id: string, format: string): Finding {
  return {
    id: 'disk.format-unknown',
    severity: 'warning',
    message: `Disk ${id} is of the format ${quoted(format)}, which is not known; it is read as what its first bytes look like.`,
    remedy: 'Name the file by its format (.vmdk, .vhd, .qcow2, …) if that is not so.',
  };
}
