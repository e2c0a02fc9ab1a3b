import type { InspectedGuest } from '../../model/guest.js';
import type { Appliance } from '../appliance.js';
import type { GuestTree } from '../tree.js';
import { SYSTEM_PARTITION, type PartitionTypes } from './partitions.js';

/**
 * Which firmware finds something to start. BIOS: the first disk's first sector holds code and its signature (0x55AA).
 * UEFI: a system partition holds a loader under the name that firmware looks for without variables, or any at all.
 */
export async function bootsOf(
  appliance: Appliance,
  tree: GuestTree | null,
  partitions: PartitionTypes,
): Promise<InspectedGuest['boots']> {
  const [first] = partitions.keys();
  const sector =
    first === undefined ? null : await appliance.bytes(['pread-device', first, '512', '0']).catch(() => null);
  const bios = hasBootCode(sector);
  if (![...partitions.values()].flat().some((type) => SYSTEM_PARTITION.includes(type))) return { bios, uefi: false };
  if (tree === null) return { bios, uefi: null };
  for (const folder of ['/boot/efi', '/efi', '/boot']) {
    const efi = (await tree.list(folder)).find((name) => name.toLowerCase() === 'efi');
    if (efi === undefined) continue;
    for (const vendor of (await tree.list(`${folder}/${efi}`)).slice(0, 100)) {
      const names = await tree.list(`${folder}/${efi}/${vendor}`);
      if (names.some((name) => /\.efi$/i.test(name))) return { bios, uefi: true };
    }
  }
  // One that fstab does not mount is not looked into.
  return { bios, uefi: null };
}

function hasBootCode(sector: Buffer | null): boolean | null {
  if (sector === null || sector.length < 512) return null;
  // The first 440 bytes of an MBR are code; those of a GPT's protective one are zero where nothing is installed.
  return sector.readUInt16BE(510) === 0x55aa && sector.subarray(0, 440).some((byte) => byte !== 0);
}
