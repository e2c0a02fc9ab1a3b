import type { InspectedGuest } from '../../model/guest.js';
import type { VmDescription } from '../../model/vm.js';
import type { ReadableDisks } from '../../platforms/platform.js';
import { openAppliance } from '../appliance.js';
import { inspectGuest } from './inspect-guest.js';

/** Looks into disks that are only read, in an appliance of their own. @throws as `openAppliance` and `inspectGuest`. */
export async function lookInside(
  { host, accelerator, disks }: ReadableDisks,
  vm: Pick<VmDescription, 'nics'>,
  signal?: AbortSignal,
): Promise<InspectedGuest> {
  const appliance = await openAppliance(host, disks, { readOnly: true, tcg: accelerator === 'tcg', signal });
  try {
    return await inspectGuest(appliance, vm, signal);
  } finally {
    await appliance.close();
  }
}
