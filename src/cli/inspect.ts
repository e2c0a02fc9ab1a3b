import { checkGuest } from '../checks/index.js';
import { lookInside } from '../guest/inspect/look-inside.js';
import type { VmDescription } from '../model/vm.js';
import type { ReadableDisks } from '../platforms/platform.js';

/** Adds what is found inside the disks to a description, and what should be known of it. */
export function inspected(signal: AbortSignal) {
  return async (vm: VmDescription, readable: ReadableDisks): Promise<VmDescription> => {
    const guest = await lookInside(readable, vm, signal);
    return { ...vm, guest, findings: [...vm.findings, ...checkGuest(vm, guest)] };
  };
}
