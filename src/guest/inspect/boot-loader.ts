import type { InspectedGuest } from '../../model/guest.js';
import type { Appliance } from '../appliance.js';
import type { GuestTree } from '../tree.js';

/** Type of an EFI system partition (UEFI 2.10, 5.3.3), and of one in an MBR. */
const ESP_GUID = 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B';
const ESP_MBR = '0xef';
const MAX_PARTITIONS = 128;

/**
 * Which firmware finds something to start. BIOS: the first disk's first sector holds code and its signature (0x55AA).
 * UEFI: a system partition holds a loader under the name that firmware looks for without variables, or any at all.
 */
export async function bootsOf(
  appliance: Appliance,
  tree: GuestTree | null,
  disks: InspectedGuest['disks'],
): Promise<InspectedGuest['boots']> {
  let bios: boolean | null = disks.length === 0 ? null : false;
  let partition: string | null = null;
  for (const [index, { device }] of disks.entries()) {
    if (index === 0) bios = hasBootCode(await appliance.bytes(['pread-device', device, '512', '0']).catch(() => null));
    partition ??= await systemPartition(appliance, device);
  }
  if (partition === null) return { bios, uefi: false };
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

async function systemPartition(appliance: Appliance, device: string): Promise<string | null> {
  const list = (await appliance.maybe(['part-list', device])) ?? '';
  const numbers = [...list.matchAll(/^ {2}part_num: (\d+)$/gm)].map(([, number]) => number ?? '');
  for (const number of numbers.slice(0, MAX_PARTITIONS)) {
    const guid = (await appliance.maybe(['part-get-gpt-type', device, number]))?.trim().toUpperCase();
    const type = guid ?? (await appliance.maybe(['part-get-mbr-id', device, number]))?.trim().toLowerCase();
    if (type === ESP_GUID || type === ESP_MBR) return `${device}${number}`;
  }
  return null;
}
