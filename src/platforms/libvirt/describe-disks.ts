import { diskBus, type VmDescription, type VmDisk } from '../../model/vm.js';
import type { LibvirtFinding } from './finding-kinds.js';
import type { ImageInfo } from './image-info.js';
import type { XmlElement } from '../xml.js';

/** What the site knows of a disk beside its XML. */
export interface DiskFacts {
  /** File or device; resolved for disks that are named as a pool's volume. */
  path: string | null;
  sizeBytes: number | null;
  allocatedBytes: number | null;
  /** From the image's header; null where it is raw or could not be read. */
  image: ImageInfo | null;
}

/** The target device's name, which is the disk's id everywhere. */
export function diskIdOf(disk: XmlElement): string {
  return disk.at('target')?.get('dev') ?? '';
}

/** Elements `disk` that hold a hard disk. */
export function hardDisks(domain: XmlElement): XmlElement[] {
  const disks = domain.at('devices')?.all('disk') ?? [];
  return disks.filter((each) => ['disk', 'lun'].includes(each.get('device') ?? 'disk') && diskIdOf(each) !== '');
}

export function describeRemovable(domain: XmlElement): VmDescription['removable'] {
  return (domain.at('devices')?.all('disk') ?? []).flatMap((each) => {
    const kind = each.get('device');
    return kind === 'cdrom' || kind === 'floppy' ? [{ kind, bus: each.at('target')?.get('bus') ?? 'ide' }] : [];
  });
}

export function describeDisks(
  domain: XmlElement,
  facts: ReadonlyMap<string, DiskFacts>,
): { disks: VmDisk[]; findings: LibvirtFinding[] } {
  const elements = hardDisks(domain);
  const disks = elements.map((element) => {
    const id = diskIdOf(element);
    const known = facts.get(id);
    const bus = busOf(element) ?? 'sata';
    const format = element.at('driver')?.get('type') ?? 'raw';
    // libvirt.org/formatdomain.html, blockio.
    const sectorBytes = Number(element.at('blockio')?.get('logical_block_size') ?? 0);
    const disk: VmDisk = {
      id,
      bus,
      order: 0,
      sizeBytes: known?.sizeBytes ?? 0,
      format,
      path: known?.path ?? null,
      serial: element.text('serial'),
      bootOrder: numberOrNull(element.at('boot')?.get('order')),
      allocatedBytes: known?.allocatedBytes ?? null,
      changeTracking: format === 'qcow2' && known?.image?.tracksChanges === true,
      discard: element.at('driver')?.get('discard') === 'unmap',
      controllerModel: bus === 'scsi' ? scsiModel(domain, element) : null,
      ...(sectorBytes > 0 && sectorBytes !== 512 ? { sectorBytes } : {}),
    };
    return disk;
  });
  const findings = elements.flatMap((element) => describedFindings(element, facts.get(diskIdOf(element))));
  return { disks: inBootOrder(disks), findings };
}

/** What of a disk could not be described as it is. */
export function describedFindings(element: XmlElement, known: DiskFacts | undefined): LibvirtFinding[] {
  const id = diskIdOf(element);
  return [
    ...(known?.sizeBytes == null ? [unreadable(id, known?.path ?? null)] : []),
    ...(busOf(element) === null ? [strangeBus(id, element)] : []),
  ];
}

/** Numbered ones first, then as the definition lists them; `order` counts in that sequence, the list keeps its own. */
function inBootOrder(disks: VmDisk[]): VmDisk[] {
  const last = Number.MAX_SAFE_INTEGER;
  const sorted = [...disks].sort((a, b) => (a.bootOrder ?? last) - (b.bootOrder ?? last));
  return disks.map((disk) => ({ ...disk, order: sorted.indexOf(disk) }));
}

/** Null where nothing like it is carried over. */
function busOf(element: XmlElement): VmDisk['bus'] | null {
  return diskBus.safeParse(element.at('target')?.get('bus') ?? 'virtio').data ?? null;
}

function strangeBus(id: string, element: XmlElement): LibvirtFinding {
  return {
    id: 'disk.bus',
    disk: id,
    severity: 'warning',
    message: `Disk ${id} is on the bus "${element.at('target')?.get('bus') ?? ''}", which is not carried over; it becomes a SATA disk.`,
    remedy: 'Make sure that the guest finds its disks by UUID or label, and has a driver for SATA (AHCI).',
  };
}

function scsiModel(domain: XmlElement, disk: XmlElement): string | null {
  const index = disk.at('address')?.get('controller') ?? '0';
  const controllers = domain.at('devices')?.all('controller') ?? [];
  const own = controllers.find((each) => each.get('type') === 'scsi' && (each.get('index') ?? '0') === index);
  return own?.get('model') ?? null;
}

function unreadable(id: string, path: string | null): LibvirtFinding {
  return {
    id: 'disk.unreadable',
    disk: id,
    severity: 'blocking',
    message: `The size of disk ${id} (${path ?? 'no file'}) cannot be read.`,
    remedy: 'See whether the file is there and its storage is mounted, or leave the disk behind with excludeDisks.',
  };
}

function numberOrNull(text: string | null | undefined): number | null {
  return text == null ? null : Number(text);
}
