import { blocking, warning, ofDisk, type Finding } from '../../model/finding.js';
import type { DiskBus, VmDescription } from '../../model/vm.js';
import type { XmlElement } from '../xml.js';
import type { ImageFormat } from './foreign.js';
import type { ListedDisk } from './foreign-disks.js';
import { removableMedium } from './foreign-findings.js';
import { hostile, plainText, quoted, wholeNumber } from './foreign-values.js';
import { diskFindings, type Medium } from './vbox-media.js';

/** Storage controllers of a VirtualBox machine, what is attached to them, and the images that its registry names. */

/** As many as fit on VirtualBox's controllers is far below. */
const MAX_DISKS = 1024;
const MAX_MEDIA = 20_000;

/** Types of controllers (TStorageControllerType); the SCSI ones with libvirt's names. */
const CONTROLLERS = new Map<string, { bus: DiskBus; model: string | null }>([
  ['AHCI', { bus: 'sata', model: null }],
  ['PIIX3', { bus: 'ide', model: null }],
  ['PIIX4', { bus: 'ide', model: null }],
  ['ICH6', { bus: 'ide', model: null }],
  ['LsiLogic', { bus: 'scsi', model: 'lsilogic' }],
  ['BusLogic', { bus: 'scsi', model: 'buslogic' }],
  ['LsiLogicSas', { bus: 'scsi', model: 'lsisas1068' }],
  ['VirtioSCSI', { bus: 'scsi', model: 'virtio-scsi' }],
  ['NVMe', { bus: 'nvme', model: null }],
]);

const FORMATS = new Map<string, ImageFormat>([
  ['vdi', 'vdi'],
  ['vmdk', 'vmdk'],
  ['vhd', 'vpc'],
  ['vhdx', 'vhdx'],
  ['raw', 'raw'],
  ['qcow', 'qcow'],
]);

export interface ListedDisks {
  disks: ListedDisk[];
  /** What is to be said of them and of those that are not in the list, with the names that they were given. */
  findingsOf(ids: readonly string[]): Finding[];
}

export function hardDisks(machine: XmlElement, what: string): ListedDisks {
  const media = registry(machine, what);
  const disks: ListedDisk[] = [];
  const images: Medium[] = [];
  const others: Finding[] = [];
  for (const controller of controllers(machine)) {
    const known = CONTROLLERS.get(controller.get('type') ?? '');
    const attached = inOrder(controller, what).filter(({ element }) => element.get('type') === 'HardDisk');
    for (const { element, port, device } of attached) {
      const where = `${controller.get('name') ?? ''}:${port}:${device}`;
      const medium = media.get(element.at('Image')?.get('uuid')?.toLowerCase() ?? '');
      if (!medium) {
        others.push(unregistered(where));
        continue;
      }
      if (!known) others.push(strangeBus(where, controller.get('type') ?? ''));
      disks.push({
        bus: known?.bus ?? 'sata',
        ideSlot: 2 * port + device,
        reference: medium.location,
        format: FORMATS.get(medium.format.toLowerCase()) ?? null,
        controllerModel: known?.model ?? null,
        bootOrder: null,
        discard: element.get('discard') === 'true',
      });
      images.push(medium);
      if (disks.length > MAX_DISKS) throw hostile(what, `it has more than ${MAX_DISKS} disks`);
    }
  }
  const inserted = removableDevices(machine).some((each) => each.at('Image') !== null || each.at('HostDrive') !== null);
  return {
    disks,
    findingsOf: (ids) => [
      ...images.flatMap((medium, index) => {
        const id = ids[index] ?? '';
        return ofDisk(id, diskFindings(id, medium, disks[index]?.format ?? null));
      }),
      ...others,
      ...(inserted ? [removableMedium()] : []),
    ],
  };
}

export function describeRemovable(machine: XmlElement): VmDescription['removable'] {
  return controllers(machine).flatMap((controller) => {
    const kinds = controller.all('AttachedDevice').map((each) => each.get('type') ?? null);
    return removableAt(controller.get('type') ?? null, kinds);
  });
}

/** Of the devices at a controller, by their types, the drives for what can be taken out. */
export function removableAt(
  controllerType: string | null,
  deviceTypes: readonly (string | null)[],
): VmDescription['removable'] {
  const bus = CONTROLLERS.get(controllerType ?? '')?.bus ?? 'sata';
  return deviceTypes.flatMap((type): VmDescription['removable'] => {
    if (type === 'DVD') return [{ kind: 'cdrom', bus }];
    return type === 'Floppy' ? [{ kind: 'floppy', bus: 'fdc' }] : [];
  });
}

function removableDevices(machine: XmlElement): XmlElement[] {
  const devices = controllers(machine).flatMap((controller) => controller.all('AttachedDevice'));
  return devices.filter((each) => ['DVD', 'Floppy'].includes(each.get('type') ?? ''));
}

/** In the order in which VirtualBox's export lists them, too, in whatever order they were made. */
const BUS_ORDER: readonly DiskBus[] = ['ide', 'sata', 'scsi', 'virtio', 'nvme'];

/** They stand in the hardware since 1.15 or so, and before that beside it. */
function controllers(machine: XmlElement): XmlElement[] {
  const places = [machine.at('Hardware/StorageControllers'), machine.at('StorageControllers')];
  const rank = (each: XmlElement) => BUS_ORDER.indexOf(CONTROLLERS.get(each.get('type') ?? '')?.bus ?? 'sata');
  return places.flatMap((each) => each?.all('StorageController') ?? []).sort((a, b) => rank(a) - rank(b));
}

function inOrder(controller: XmlElement, what: string): { element: XmlElement; port: number; device: number }[] {
  const number = (element: XmlElement, name: string) => wholeNumber(element.get(name) ?? '0', name, what, 0, 1023);
  return controller
    .all('AttachedDevice')
    .map((element) => ({ element, port: number(element, 'port'), device: number(element, 'device') }))
    .sort((a, b) => a.port - b.port || a.device - b.device);
}

/** All images by UUID. One inside another holds what was written since a snapshot of the other. */
function registry(machine: XmlElement, what: string): Map<string, Medium> {
  const media = new Map<string, Medium>();
  const add = (element: XmlElement, parent: Medium | null) => {
    const medium: Medium = {
      location: plainText(element.get('location') ?? '', 'the location of an image', what),
      format: plainText(element.get('format') ?? '', 'the format of an image', what),
      type: element.get('type') ?? parent?.type ?? 'Normal',
      parent: parent?.location ?? null,
      encrypted: element.all('Property').some((each) => each.get('name')?.startsWith('CRYPT/') === true),
    };
    const uuid = element.get('uuid')?.toLowerCase() ?? '';
    if (uuid === '' || media.has(uuid))
      throw hostile(what, `an image has the UUID ${quoted(uuid)} of another, or none`);
    if (medium.location === '') throw hostile(what, `the image ${quoted(uuid)} names no file`);
    media.set(uuid, medium);
    if (media.size > MAX_MEDIA) throw hostile(what, `it has more than ${MAX_MEDIA} images`);
    for (const child of element.all('HardDisk')) add(child, medium);
  };
  for (const each of machine.at('MediaRegistry/HardDisks')?.all('HardDisk') ?? []) add(each, null);
  return media;
}

function unregistered(where: string): Finding {
  return {
    id: 'disk.no-file',
    ...blocking(
      `The disk at ${quoted(where)} is not in the machine's list of images; it is not carried over.`,
      'Save the VM with a current VirtualBox, or waive this finding when the guest can do without the disk.',
    ),
  };
}

function strangeBus(where: string, type: string): Finding {
  return {
    id: 'disk.bus',
    ...warning(
      `The disk at ${quoted(where)} is on a controller of the kind ${quoted(type)}, which is not carried over; it becomes a SATA disk.`,
      'Make sure that the guest finds its disks by UUID or label, and has a driver for SATA (AHCI).',
    ),
  };
}
