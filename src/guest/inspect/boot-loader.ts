import type { InspectedGuest } from '../../model/guest.js';
import type { Appliance } from '../appliance.js';
import { fallbackOf, startsSomething, type SystemPartitions } from './system-partition.js';

/**
 * Which firmware finds something to start. BIOS: the first disk's first sector holds code and its signature (0x55AA).
 * UEFI: a system partition holds a loader; whether under the name that firmware looks for without variables is told apart.
 */
export async function bootsOf(
  appliance: Appliance,
  { found, unread }: SystemPartitions,
): Promise<InspectedGuest['boots']> {
  const [first] = appliance.devices.values();
  const sector =
    first === undefined ? null : await appliance.bytes(['pread-device', first, '512', '0']).catch(() => null);
  const unknown = unread.length > 0 ? null : false;
  return {
    bios: hasBootCode(sector),
    uefi: found.some(startsSomething) || unknown,
    uefiFallback: found.some((each) => fallbackOf(each) !== null) || unknown,
  };
}

function hasBootCode(sector: Buffer | null): boolean | null {
  if (sector === null || sector.length < 512) return null;
  // The first 440 bytes of an MBR are code; those of a GPT's protective one are zero where nothing is installed.
  return sector.readUInt16BE(510) === 0x55aa && sector.subarray(0, 440).some((byte) => byte !== 0);
}
