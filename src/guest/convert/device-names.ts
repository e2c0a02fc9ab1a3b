import type { InspectedGuest } from '../../model/guest.js';
import type { VmDescription } from '../../model/vm.js';
import type { GuestDevice } from '../bus-names.js';

/**
 * File systems by the names that the guest has for them at the source. The appliance calls the disks /dev/sda and so on in
 * their order, whatever they are; the guest counts those of each kind. Where that count is not sure (disks on several buses
 * that share one kind of name), none is given.
 */
export function guestDevices(
  appliance: ReadonlyMap<string, string>,
  filesystems: InspectedGuest['filesystems'],
  { disks }: VmDescription,
): GuestDevice[] {
  const kinds = { virtio: 'vd', nvme: 'nvme', ide: 'sd', sata: 'sd', scsi: 'sd' } as const;
  const counts = new Map<string, number>();
  const names = new Map<string, string>();
  const shared = new Set(disks.map(({ bus }) => bus).filter((bus) => kinds[bus] === 'sd')).size > 1;
  for (const { id, bus } of disks) {
    const kind = kinds[bus];
    const index = counts.get(kind) ?? 0;
    counts.set(kind, index + 1);
    const device = appliance.get(id);
    if (device === undefined || index > 25 || (kind === 'sd' && shared)) continue;
    const name = kind === 'nvme' ? `/dev/nvme${index}n1` : `/dev/${kind}${String.fromCharCode(97 + index)}`;
    names.set(device, name);
  }
  return filesystems.flatMap(({ device, uuid, label }) => {
    const [, disk = '', part = ''] = /^(\/dev\/[a-z]+)(\d*)$/.exec(device) ?? [];
    const name = names.get(disk);
    // Names of volumes and RAIDs do not depend on the bus.
    if (name === undefined) return [];
    const between = part !== '' && name.startsWith('/dev/nvme') ? 'p' : '';
    return [{ path: `${name}${between}${part}`, uuid, label }];
  });
}
