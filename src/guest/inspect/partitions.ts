import type { Appliance } from '../appliance.js';

const MOST = 128;

/** What partitions are marked as, by disk: a GUID in capitals (UEFI 2.10, 5.3.3), or a number of an MBR's such as `0x83`. */
export type PartitionTypes = ReadonlyMap<string, readonly string[]>;

/** An EFI system partition (UEFI 2.10, 5.3.3). */
export const SYSTEM_PARTITION = ['C12A7328-F81F-11D2-BA4B-00A0C93EC93B', '0xef'];
/** Windows' dynamic disks: their database and their data (Microsoft, PARTITION_INFORMATION_GPT), and both in an MBR. */
export const DYNAMIC_DISK = ['5808C8AA-7E8F-42E0-85D2-E1E90434CFB3', 'AF9B60A0-1431-4F62-BC68-3311714A69AD', '0x42'];

export async function partitionTypes(appliance: Appliance): Promise<PartitionTypes> {
  const found = new Map<string, string[]>();
  for (const device of appliance.devices.values()) {
    const list = (await appliance.maybe(['part-list', device])) ?? '';
    const numbers = [...list.matchAll(/^ {2}part_num: (\d+)$/gm)].map(([, number]) => number ?? '');
    const types: string[] = [];
    for (const number of numbers.slice(0, MOST)) {
      const guid = (await appliance.maybe(['part-get-gpt-type', device, number]))?.trim().toUpperCase();
      const type = guid ?? (await appliance.maybe(['part-get-mbr-id', device, number]))?.trim().toLowerCase();
      if (type) types.push(type);
    }
    found.set(device, types);
  }
  return found;
}
