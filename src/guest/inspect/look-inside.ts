import type { InspectedGuest } from '../../model/guest.js';
import type { VmDescription } from '../../model/vm.js';
import type { ReadableDisks } from '../../platforms/platform.js';
import { inAppliance } from '../open-appliance.js';
import { inspectGuest } from './inspect-guest.js';

/** Looks into disks that are only read, in an appliance of their own. @throws as `inAppliance` and `inspectGuest`. */
export function lookInside(
  disks: ReadableDisks,
  vm: Pick<VmDescription, 'nics'>,
  signal?: AbortSignal,
): Promise<InspectedGuest> {
  return inAppliance(disks, { readOnly: true, signal }, (appliance) => inspectGuest(appliance, vm, signal));
}
