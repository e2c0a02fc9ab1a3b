import { checkGuest } from '../checks/index.js';
import { LocalHost } from '../exec/local.js';
import { openAppliance } from '../guest/appliance.js';
import { inspectGuest } from '../guest/inspect/inspect-guest.js';
import type { VmDescription } from '../model/vm.js';
import { accelerator } from '../platforms/libvirt/accelerator.js';

/** Adds what is found inside the disks to a description, and what should be known of it. */
export function inspected(signal: AbortSignal) {
  return async (vm: VmDescription, disks: { id: string; nbdSocket: string }[]): Promise<VmDescription> => {
    const host = new LocalHost();
    const tcg = (await accelerator(host, signal)) === 'tcg';
    const appliance = await openAppliance(host, disks, { readOnly: true, tcg, signal });
    try {
      const guest = await inspectGuest(appliance, vm, signal);
      return { ...vm, guest, findings: [...vm.findings, ...checkGuest(vm, guest)] };
    } finally {
      await appliance.close();
    }
  };
}
