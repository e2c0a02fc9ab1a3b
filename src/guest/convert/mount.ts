import { VmferryError } from '../../errors.js';
import type { Finding } from '../../model/finding.js';
import type { InspectedGuest } from '../../model/guest.js';
import type { Appliance } from '../appliance.js';
import { shown } from '../config-files.js';

/**
 * Mounts what an inspection mounted and was unmounted since, for writing. What cannot be is said, lest it is missed in
 * silence what lies there, such as the boot loader's menu.
 * @throws VmferryError `GuestUnreadable` where the root cannot be.
 */
export async function mountForWriting(
  appliance: Pick<Appliance, 'maybe'>,
  { filesystems }: Pick<InspectedGuest, 'filesystems'>,
): Promise<Finding[]> {
  const mounts = filesystems.flatMap(({ device, mountpoint }) => (mountpoint === null ? [] : [{ device, mountpoint }]));
  mounts.sort((one, other) => one.mountpoint.length - other.mountpoint.length);
  let rooted = false;
  const findings: Finding[] = [];
  for (const { device, mountpoint } of mounts) {
    const mounted = (await appliance.maybe(['mount', device, mountpoint])) !== null;
    if (mountpoint === '/') rooted = mounted;
    if (mounted) continue;
    findings.push({
      id: 'guest.config-unreadable',
      severity: 'warning',
      message: `What the guest has at ${shown(mountpoint)} is left as it is: its file system cannot be mounted for writing.`,
      remedy: 'See by hand whether files there name disks or network cards that get other names at the target.',
    });
  }
  if (rooted) return findings;
  throw new VmferryError('GuestUnreadable', "cannot mount the guest's root file system for writing", {
    remedy: 'Shut the guest down cleanly and have its file system checked, or ask for "conversion": "none".',
  });
}
