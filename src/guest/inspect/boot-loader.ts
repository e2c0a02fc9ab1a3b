import type { InspectedGuest } from '../../model/guest.js';
import type { Appliance } from '../appliance.js';
import { SYSTEM_PARTITION, type Partitions } from './partitions.js';
import { fallbackOf, systemPartitions } from './system-partition.js';

/**
 * Which firmware finds something to start. BIOS: the first disk's first sector holds code and its signature (0x55AA).
 * UEFI: a system partition holds a loader; whether under the name that firmware looks for without variables is told apart.
 * Ask before anything is mounted.
 */
export async function bootsOf(appliance: Appliance, partitions: Partitions): Promise<InspectedGuest['boots']> {
  const [first] = partitions.keys();
  const sector =
    first === undefined ? null : await appliance.bytes(['pread-device', first, '512', '0']).catch(() => null);
  const bios = hasBootCode(sector);
  if (![...partitions.values()].flat().some(({ type }) => SYSTEM_PARTITION.includes(type)))
    return { bios, uefi: false, uefiFallback: false };
  const { found, unread } = await systemPartitions(appliance, partitions);
  const unknown = unread.length > 0 ? null : false;
  return {
    bios,
    uefi: found.some(({ folders }) => folders.some(({ loaders }) => loaders.length > 0)) || unknown,
    uefiFallback: found.some((each) => fallbackOf(each) !== null) || unknown,
  };
}

function hasBootCode(sector: Buffer | null): boolean | null {
  if (sector === null || sector.length < 512) return null;
  // The first 440 bytes of an MBR are code; those of a GPT's protective one are zero where nothing is installed.
  return sector.readUInt16BE(510) === 0x55aa && sector.subarray(0, 440).some((byte) => byte !== 0);
}
