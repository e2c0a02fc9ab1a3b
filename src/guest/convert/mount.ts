import { VmferryError } from '../../errors.js';
import type { InspectedGuest } from '../../model/guest.js';
import type { Appliance } from '../appliance.js';

/** Mounts what an inspection mounted and was unmounted since, for writing. @throws VmferryError `GuestUnreadable` where the root cannot be. */
export async function mountForWriting(appliance: Appliance, { filesystems }: InspectedGuest): Promise<void> {
  const mounts = filesystems.flatMap(({ device, mountpoint }) => (mountpoint === null ? [] : [{ device, mountpoint }]));
  mounts.sort((one, other) => one.mountpoint.length - other.mountpoint.length);
  let rooted = false;
  for (const { device, mountpoint } of mounts) {
    const mounted = (await appliance.maybe(['mount', device, mountpoint])) !== null;
    if (mountpoint === '/') rooted = mounted;
  }
  if (rooted) return;
  throw new VmferryError('GuestUnreadable', "cannot mount the guest's root file system for writing", {
    remedy: 'Shut the guest down cleanly and have its file system checked, or ask for "conversion": "none".',
  });
}
