import type { Finding } from '../model/finding.js';
import { shown, type ConfigFiles } from './config-files.js';

/** Device names that tell how a disk is attached, and so change when it is attached in another way. */

export interface GuestDevice {
  /** As the guest calls it at the source: one name of the kernel's, and any number of links. */
  path: string;
  /** Of the filesystem, swap space or LUKS container on it. */
  uuid: string | null;
  label: string | null;
}

/** Kernel names by bus, and links named by controller or serial number (udev, 60-persistent-storage.rules). */
export function isBusName(device: string): boolean {
  if (/^\/dev\/((sd|hd|vd|xvd)[a-z]{1,3}\d{0,3}|(nvme\d{1,3}n\d{1,3}|cciss\/c\dd\d{1,2})(p\d{1,3})?)$/.test(device)) {
    return true;
  }
  // What device-mapper and RAID call themselves does not depend on the bus.
  return /^\/dev\/disk\/by-path\/./.test(device) || /^\/dev\/disk\/by-id\/(?!dm-|md-|lvm-)./.test(device);
}

/** CD and floppy drives, which have no UUID of their own. */
export function isRemovable(device: string, type = ''): boolean {
  if (/^\/dev\/(sr\d|scd\d|fd\d|cdrom|dvd|cdrw|floppy)/.test(device)) return true;
  return isBusName(device) && type.split(',').some((each) => each === 'iso9660' || each === 'udf');
}

/** Looks up UUIDs, and notes each device that has none. */
export class BusNames {
  private readonly byPath = new Map<string, GuestDevice>();
  private readonly owners = new Map<string, number>();

  constructor(
    private readonly files: ConfigFiles,
    devices: readonly GuestDevice[],
  ) {
    for (const device of devices) {
      this.byPath.set(device.path, device);
      // The several names of one device are no two devices.
      if (device.uuid === null || device.path.startsWith('/dev/disk/')) continue;
      this.owners.set(device.uuid, (this.owners.get(device.uuid) ?? 0) + 1);
    }
  }

  /** `UUID=…` for a name that changes, or null: it stays, or has been noted. */
  stable(device: string, where: string): string | null {
    if (!isBusName(device)) return null;
    const known = this.byPath.get(device);
    const uuid = known?.uuid ?? '';
    if (!/^[0-9A-Za-z-]{4,64}$/.test(uuid)) {
      return this.note(device, where, 'whose UUID is not known', known?.label ?? null);
    }
    const owners = this.owners.get(uuid) ?? 1;
    if (owners > 1) return this.note(device, where, `whose UUID ${uuid} ${owners} devices have`, known?.label ?? null);
    return `UUID=${uuid}`;
  }

  /** Notes a device name that cannot be replaced where it stands. */
  note(device: string, where: string, why: string, label: string | null): null {
    const way = label && /^[\w.-]+$/.test(label) ? `, such as LABEL=${label}` : '';
    const finding: Finding = {
      id: 'guest.fstab-device',
      severity: 'warning',
      message: `${shown(where)} names ${shown(device)}, ${why}; it may be called otherwise at the target.`,
      remedy: `Name it in the guest in a way that does not depend on its bus${way}, or see that it is not needed.`,
    };
    this.files.note(finding);
    return null;
  }
}
