import type { InspectedGuest } from '../../model/guest.js';
import type { VmDescription, VmDisk } from '../../model/vm.js';
import type { GuestDevice } from '../bus-names.js';
import type { DiskNames } from '../disk-names.js';

const KINDS = { virtio: 'vd', nvme: 'nvme', ide: 'sd', sata: 'sd', scsi: 'sd' } as const;

/** A disk or partition: the disk as the appliance calls it, and the number within it, '' for the whole. */
interface Place {
  disk: string;
  part: string;
}

/**
 * File systems by the names that the guest has for them at the source. The appliance calls the disks /dev/sda and so on in
 * their order, whatever they are; the guest counts those of each kind. Disks on several buses that share one kind of name
 * are counted bus by bus, and which comes first only the name of the root tells. What the guest says and what was found
 * have to agree: where they do not, or nothing decides, no name is given.
 */
export function guestDevices(
  appliance: ReadonlyMap<string, string>,
  filesystems: InspectedGuest['filesystems'],
  { disks }: VmDescription,
  said: DiskNames,
): GuestDevice[] {
  const root = placeOf(filesystems.find(({ mountpoint }) => mountpoint === '/')?.device ?? '');
  const orders = ordersOf(disks).map((order) => namesIn(order, appliance));
  // Entries of boot loaders may be left over, with a root that is no more.
  const roots = said.roots.filter((name) => name.startsWith('/dev/sd'));
  const tells = root !== null && roots.length > 0 && isShared(orders, root);
  const fit = orders.filter((names) => !tells || roots.includes(nameOf(names, root) ?? ''));
  const found: GuestDevice[] = [];
  for (const { device, uuid, label } of filesystems) {
    const place = placeOf(device);
    // Names of volumes and RAIDs do not depend on the bus.
    if (place === null || device.startsWith('btrfsvol:')) continue;
    const [name, ...others] = new Set((isShared(orders, place) ? fit : orders).map((names) => nameOf(names, place)));
    if (name && others.length === 0) found.push({ path: name, uuid, label });
  }
  for (const link of said.all) {
    const there = linkedPlace(link, disks, appliance, said, root);
    const known = filesystems.find(({ device }) => device === `${there?.disk}${there?.part}`);
    if (known) found.push({ path: link, uuid: known.uuid, label: known.label });
  }
  return found;
}

function placeOf(device: string): Place | null {
  const [, disk, part = ''] = /^(?:btrfsvol:)?(\/dev\/[sv]d[a-z]+)(\d*)(?:\/|$)/.exec(device) ?? [];
  return disk === undefined ? null : { disk, part };
}

/** The disks in each order in which the guest may have counted them: one where no two buses share a kind of name. */
function ordersOf(disks: readonly VmDisk[]): VmDisk[][] {
  const others = disks.filter(({ bus }) => KINDS[bus] !== 'sd');
  const buses = [...new Set(disks.map(({ bus }) => bus).filter((bus) => KINDS[bus] === 'sd'))];
  const orders = permutations(buses);
  return orders.map((order) => [...others, ...order.flatMap((bus) => disks.filter((disk) => disk.bus === bus))]);
}

function permutations<T>(all: readonly T[]): T[][] {
  if (all.length === 0) return [[]];
  return all.flatMap((first) => permutations(all.filter((each) => each !== first)).map((rest) => [first, ...rest]));
}

/** The guest's names of disks by those of the appliance. */
function namesIn(order: readonly VmDisk[], appliance: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const counts = new Map<string, number>();
  const names = new Map<string, string>();
  for (const { id, bus } of order) {
    const kind = KINDS[bus];
    const index = counts.get(kind) ?? 0;
    counts.set(kind, index + 1);
    const device = appliance.get(id);
    if (device === undefined || index > 25) continue;
    names.set(device, kind === 'nvme' ? `/dev/nvme${index}n1` : `/dev/${kind}${String.fromCharCode(97 + index)}`);
  }
  return names;
}

/** Whether its name is of the kind that several buses share, so that the order of buses counts. */
function isShared(orders: readonly ReadonlyMap<string, string>[], { disk }: Place): boolean {
  return orders.some((names) => names.get(disk)?.startsWith('/dev/sd'));
}

function nameOf(names: ReadonlyMap<string, string>, { disk, part }: Place): string | null {
  const name = names.get(disk);
  if (name === undefined) return null;
  return `${name}${part !== '' && name.startsWith('/dev/nvme') ? 'p' : ''}${part}`;
}

/**
 * Where a link by serial number or controller leads (udev, 60-persistent-storage.rules), as far as it is sure: the disk
 * with that serial number or target number, the one that the root's link leads to, or the only one that there is.
 */
function linkedPlace(
  link: string,
  disks: readonly VmDisk[],
  appliance: ReadonlyMap<string, string>,
  { roots, needed }: DiskNames,
  root: Place | null,
): Place | null {
  const { base, part } = linkParts(link);
  if (!base.startsWith('/dev/disk/by-') || /[-/]usb-|[-/]ip-|-fc-/.test(base)) return null;
  const serials = disks.filter(({ serial }) => serial !== null && hasSerial(base, serial));
  if (serials.length > 0) return serials.length === 1 ? placed(appliance, serials[0], part) : null;
  const rootLinks = roots.map(linkParts).filter((each) => each.base === base);
  if (root && rootLinks.length > 0) {
    return rootLinks.every((each) => each.part === root.part) ? { disk: root.disk, part } : null;
  }
  // VMware's descriptors call a disk by its controller and its number there, which is the target number of SCSI.
  const target = /^\/dev\/disk\/by-path\/pci-.*-scsi-\d+:0:(\d+):0$/.exec(base)?.[1];
  const scsi = target === undefined ? [] : disks.filter(({ id }) => new RegExp(`^scsi\\d:${target}$`).test(id));
  if (scsi.length === 1) return placed(appliance, scsi[0], part);
  const there = disks.length === 1 && needed.some((each) => linkParts(each).base === base);
  return there ? placed(appliance, disks[0], part) : null;
}

function linkParts(link: string): { base: string; part: string } {
  const [, base = link, part = ''] = /^(.*)-part(\d{1,3})$/.exec(link) ?? [];
  return { base, part };
}

/** virtio's disks show 20 characters of it. */
function hasSerial(base: string, serial: string): boolean {
  const name = base.slice('/dev/disk/by-id/'.length);
  const shown = serial.replace(/\s/g, '_');
  if (!base.startsWith('/dev/disk/by-id/') || shown.length < 4) return false;
  return name === `virtio-${shown.slice(0, 20)}` || (/^(ata|scsi|nvme)-/.test(name) && name.endsWith(`_${shown}`));
}

function placed(appliance: ReadonlyMap<string, string>, disk: VmDisk | undefined, part: string): Place | null {
  const device = disk && appliance.get(disk.id);
  return device === undefined ? null : { disk: device, part };
}
