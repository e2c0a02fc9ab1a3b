import { olderKernels } from '../../checks/guest-boot.js';
import type { ConversionKind, ConversionWish } from '../../model/conversion.js';
import { asGiven, givesVirtio, onSafeDevices, onVirtio, sameDevices, wishedDevices } from '../../model/devices.js';
import { missingDrivers, needsOf } from '../../model/drivers.js';
import type { Finding } from '../../model/finding.js';
import type { InspectedGuest } from '../../model/guest.js';
import { devicesInWords, type TargetLimits } from '../../model/target.js';
import type { VmDescription } from '../../model/vm.js';

export interface Decision {
  vm: VmDescription;
  /** The guest lacks drivers for `vm`, and is to be given them. */
  full: boolean;
  findings: Finding[];
}

/**
 * The devices that a guest gets, and whether it has to be given drivers for them: the smallest change that serves, and a safe
 * bus where that change is refused or cannot be made. `vm` has the devices of the source; `canBeFull`: whether virt-v2v can
 * help this guest.
 */
export function decide(
  vm: VmDescription,
  limits: TargetLimits,
  wish: ConversionWish,
  guest: InspectedGuest | null,
  canBeFull: boolean,
): Decision {
  const given = asGiven(vm, limits);
  const virtio = givesVirtio(limits, vm);
  const wanted = wishedDevices(vm, limits, wish.devices);
  const missing = missingFor(wanted, vm, guest);
  if (missing !== null && missing.length === 0)
    return { vm: wanted, full: wish.most === 'full', findings: wish.most === 'full' ? [] : others(wanted, vm, guest) };
  // It gives a guest drivers for virtio, and for nothing else.
  const helps = canBeFull && virtio;
  if (helps && (wish.most === 'auto' || wish.most === 'full')) return { vm: wanted, full: true, findings: [] };
  const choices = [given, virtio ? null : wanted, onSafeDevices(vm), virtio ? onVirtio(vm) : null].filter(
    (each) => each !== null,
  );
  const fit = choices.find((each) => missingFor(each, vm, guest)?.length === 0);
  const last = fit ?? choices[0]!;
  const lacks =
    missing === null
      ? 'Nothing could be learnt of the drivers that the guest has'
      : `The guest has no driver for ${devicesInWords(wanted)} (${missing.join(', ')})`;
  const message = `${lacks}; it gets ${devicesInWords(last)}.`;
  const allowed = helps && (wish.most === 'none' || wish.most === 'light');
  const way = allowed
    ? 'Ask for "conversion": "auto" to have virt-v2v give it the drivers.'
    : 'Add the drivers to the guest and its initramfs before it moves.';
  return {
    vm: last,
    full: false,
    findings: [
      fit
        ? { id: 'guest.fallback-devices', severity: 'info', message, remedy: way }
        : {
            id: 'guest.no-driver',
            severity: 'warning',
            message,
            remedy: `Nothing shows that it boots on these: ${wish.onlyDevices ? 'try the package' : 'look at the rehearsal'}. ${way}`,
          },
    ],
  };
}

/** The drivers that the guest lacks for devices; null where it is not known. What it runs on at the source it has. */
export function missingFor(vm: VmDescription, source: VmDescription, guest: InspectedGuest | null): string[] | null {
  const unknown = sameDevices(vm, source) ? [] : null;
  if (guest?.os?.kind === 'linux') {
    const kernel = guest.kernels.at(-1);
    const needs = needsOf(vm);
    if (!kernel) return unknown;
    // Without its initramfs, only what is built into the kernel is known to be there in time.
    const lacking = missingDrivers({ ...kernel, initramfsRead: true }, needs);
    if (lacking.length > 0 && !kernel.initramfsRead) return unknown;
    return [...new Set(lacking.map((need) => need.join(' or ')))];
  }
  if (guest?.os?.kind === 'windows' && unknown !== null) return unknown;
  if (guest?.windows && sameDevices(vm, onVirtio(source))) {
    const { virtioDisk, virtioNet } = guest.windows;
    if (virtioDisk === null || virtioNet === null) return null;
    return [...(virtioDisk ? [] : ['viostor']), ...(virtioNet ? [] : ['netkvm'])];
  }
  return null;
}

/** What is to be said of kernels that could be started instead of the newest. What runs on its devices of today, runs on. */
function others(wanted: VmDescription, source: VmDescription, guest: InspectedGuest | null): Finding[] {
  if (guest?.os?.kind !== 'linux' || sameDevices(wanted, source)) return [];
  return olderKernels(guest.kernels, needsOf(wanted).boot).map((found) => ({ id: 'guest.disk-driver', ...found }));
}

/** Of what was decided: nothing needed to change in it. */
export function kindOf(full: boolean, changes: readonly string[]): ConversionKind {
  if (full) return 'full';
  return changes.length === 0 ? 'none' : 'light';
}
