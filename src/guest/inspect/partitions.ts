import type { Appliance } from '../appliance.js';

const MOST = 128;

export interface Partition {
  /** As the appliance names it. */
  device: string;
  /** What it is marked as: a GUID in capitals (UEFI 2.10, 5.3.3), or a number of an MBR's such as `0x83`. */
  type: string;
}
/** By disk, in their order. */
export type Partitions = ReadonlyMap<string, readonly Partition[]>;

/** An EFI system partition (UEFI 2.10, 5.3.3). */
export const SYSTEM_PARTITION = ['C12A7328-F81F-11D2-BA4B-00A0C93EC93B', '0xef'];
/** Windows' dynamic disks: their database and their data (Microsoft, PARTITION_INFORMATION_GPT), and both in an MBR. */
export const DYNAMIC_DISK = ['5808C8AA-7E8F-42E0-85D2-E1E90434CFB3', 'AF9B60A0-1431-4F62-BC68-3311714A69AD', '0x42'];

export async function partitionsOf(appliance: Appliance): Promise<Partitions> {
  const found = new Map<string, Partition[]>();
  for (const device of appliance.devices.values()) {
    const list = (await appliance.maybe(['part-list', device])) ?? '';
    const numbers = [...list.matchAll(/^ {2}part_num: (\d+)$/gm)].map(([, number]) => number ?? '');
    const partitions: Partition[] = [];
    for (const number of numbers.slice(0, MOST)) {
      const guid = (await appliance.maybe(['part-get-gpt-type', device, number]))?.trim().toUpperCase();
      const type = guid ?? (await appliance.maybe(['part-get-mbr-id', device, number]))?.trim().toLowerCase();
      if (type) partitions.push({ device: `${device}${number}`, type });
    }
    found.set(device, partitions);
  }
  return found;
}
