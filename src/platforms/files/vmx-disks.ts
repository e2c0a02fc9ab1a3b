import { blocking, type Finding } from '../../model/finding.js';
import type { DiskBus, VmDescription } from '../../model/vm.js';
import type { ListedDisk } from './foreign-disks.js';
import { quoted } from './foreign-values.js';
import type { VmxDictionary } from './vmx-dictionary.js';

/** Drives in a .vmx: `<bus><controller>:<unit>.…`, such as `scsi0:1.fileName`. */

export interface VmxDisk extends ListedDisk {
  /** Its name in the file, such as `scsi0:1`. */
  node: string;
  /** The controller's, such as `scsi0`. */
  controller: string;
}

interface Drive {
  node: string;
  bus: DiskBus;
  controller: number;
  unit: number;
}

/** VMware's BIOS looks at IDE first when nothing else is said; within a bus it goes by address. */
const BUS_ORDER: readonly DiskBus[] = ['ide', 'scsi', 'sata', 'nvme'];

const HARD_DISK_TYPES = new Set(['', 'disk', 'harddisk', 'plaindisk', 'scsi-harddisk', 'ata-harddisk']);
const RAW_DISK_TYPES = new Set(['rawdisk', 'scsi-passthru-rdm', 'scsi-nonpassthru-rdm']);
const CD_TYPES = new Set(['cdrom-image', 'cdrom-raw', 'atapi-cdrom', 'scsi-cdrom']);

/** Names of VMware's SCSI controllers in libvirt's terms. */
const SCSI_MODELS = new Map([
  ['buslogic', 'buslogic'],
  ['lsilogic', 'lsilogic'],
  ['lsisas1068', 'lsisas1068'],
  ['pvscsi', 'vmpvscsi'],
]);

export function hardDisks(vmx: VmxDictionary): { disks: VmxDisk[]; findings: Finding[] } {
  const order = bootOrder(vmx);
  const disks: VmxDisk[] = [];
  const findings: Finding[] = [];
  for (const drive of drives(vmx)) {
    const kind = kindOf(vmx, drive);
    if (kind === 'cdrom') continue;
    const reference = vmx.text(`${drive.node}.fileName`);
    if (kind === 'unknown') {
      findings.push(unknownDrive(drive.node, vmx.raw(`${drive.node}.deviceType`)));
    } else if (reference === null) {
      findings.push(withoutFile(drive.node));
    } else {
      const place = order.indexOf(drive.node);
      disks.push({
        node: drive.node,
        controller: `${drive.bus}${drive.controller}`,
        bus: drive.bus,
        ideSlot: 2 * drive.controller + drive.unit,
        reference,
        format: 'vmdk',
        controllerModel: drive.bus === 'scsi' ? scsiModel(vmx, drive.controller) : null,
        bootOrder: place < 0 ? null : place + 1,
        discard: false,
      });
    }
  }
  return { disks, findings };
}

export function describeRemovable(vmx: VmxDictionary): VmDescription['removable'] {
  const cds = drives(vmx).filter((drive) => kindOf(vmx, drive) === 'cdrom');
  return [
    ...cds.map(({ bus }) => ({ kind: 'cdrom' as const, bus })),
    ...floppies(vmx).map(() => ({ kind: 'floppy' as const, bus: 'fdc' })),
  ];
}

/** Names of the drives that are not hard disks. */
export function removableNodes(vmx: VmxDictionary): string[] {
  const cds = drives(vmx).filter((drive) => kindOf(vmx, drive) === 'cdrom');
  return [...cds.map(({ node }) => node), ...floppies(vmx).map((number) => `floppy${number}`)];
}

/** Whether the drive is one of a raw device, whose descriptor only points to it. */
export function isRawDevice(vmx: VmxDictionary, node: string): boolean {
  return (
    RAW_DISK_TYPES.has(vmx.raw(`${node}.deviceType`).toLowerCase()) ||
    /^(\\\\\.\\|\/dev\/)/.test(vmx.raw(`${node}.fileName`))
  );
}

/** Present ones, in order. A controller that is not mentioned counts as there, so that no disk is lost over it. */
function drives(vmx: VmxDictionary): Drive[] {
  const nodes = new Map<string, Drive>();
  for (const key of vmx.keys()) {
    const [, node = '', kind, controller, unit] =
      /^((scsi|sata|nvme|ide)([0-3]):(\d{1,2}))\./.exec(key.toLowerCase()) ?? [];
    const bus = BUS_ORDER.find((each) => each === kind);
    if (bus) nodes.set(node, { node, bus, controller: Number(controller), unit: Number(unit) });
  }
  return [...nodes.values()]
    .filter(({ node, bus, controller }) => vmx.flag(`${node}.present`) && vmx.flag(`${bus}${controller}.present`, true))
    .sort(
      (a, b) => BUS_ORDER.indexOf(a.bus) - BUS_ORDER.indexOf(b.bus) || a.controller - b.controller || a.unit - b.unit,
    );
}

function kindOf(vmx: VmxDictionary, { node }: Drive): 'disk' | 'cdrom' | 'unknown' {
  const type = vmx.raw(`${node}.deviceType`).toLowerCase();
  if (CD_TYPES.has(type)) return 'cdrom';
  if (type === '' && /\.iso$/i.test(vmx.raw(`${node}.fileName`))) return 'cdrom';
  return HARD_DISK_TYPES.has(type) || RAW_DISK_TYPES.has(type) ? 'disk' : 'unknown';
}

function floppies(vmx: VmxDictionary): number[] {
  return vmx.present('floppy');
}

/** Without a name it depends on the guest (libvirt, src/vmx/vmx.c): 64-bit ones have no driver for BusLogic. */
function scsiModel(vmx: VmxDictionary, controller: number): string {
  const model = vmx.text(`scsi${controller}.virtualDev`)?.toLowerCase();
  if (model === undefined) return /-64$/.test(vmx.raw('guestOS')) ? 'lsilogic' : 'buslogic';
  return SCSI_MODELS.get(model) ?? model;
}

/** `bios.hddOrder`: names of drives, with commas. */
function bootOrder(vmx: VmxDictionary): string[] {
  const names = vmx.raw('bios.hddOrder').slice(0, 4096).toLowerCase().split(',');
  return [...new Set(names.map((name) => name.trim()).filter(Boolean))];
}

function unknownDrive(node: string, type: string): Finding {
  return {
    id: 'disk.kind',
    ...blocking(
      `The drive ${node} is of the kind ${quoted(type)}, which cannot be read; it is not carried over.`,
      'Convert it into a virtual disk at the source, or waive this finding when the guest can do without.',
    ),
  };
}

function withoutFile(node: string): Finding {
  return {
    id: 'disk.no-file',
    ...blocking(
      `The disk ${node} names no file; it is not carried over.`,
      'Remove it at the source, or waive this finding when the guest can do without.',
    ),
  };
}
