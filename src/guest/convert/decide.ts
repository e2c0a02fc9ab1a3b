import type { ConversionKind, ConversionWish } from '../../model/conversion.js';
import type { Finding } from '../../model/finding.js';
import { devicesInWords, type TargetLimits } from '../../model/target.js';
import type { VmDescription } from '../../model/vm.js';
import { asGiven, onSafeDevices, onVirtio } from '../../model/devices.js';
import { needsOf, type Need } from './drivers.js';

/** What is known of a guest's drivers; null where nothing is. */
export interface Drivers {
  /** In what the boot loader starts: the kernel and its initramfs. Null where that could not be read. */
  boot: ReadonlySet<string> | null;
  /** Also what the running system loads. */
  run: ReadonlySet<string>;
}

export interface Decision {
  vm: VmDescription;
  /** The guest lacks drivers for `vm`, and is to be given them. */
  full: boolean;
  findings: Finding[];
}

/**
 * The devices that a guest gets, and whether it has to be given drivers for them: the smallest change that serves, and a safe
 * bus where that change is refused or cannot be made. `canBeFull`: whether virt-v2v knows this guest.
 */
export function decide(
  vm: VmDescription,
  limits: TargetLimits,
  wish: ConversionWish,
  drivers: Drivers | null,
  canBeFull: boolean,
): Decision {
  const given = asGiven(vm, limits);
  const wanted = wish.devices === 'virtio' || given === null ? onVirtio(vm) : given;
  const missing = missingFor(wanted, drivers);
  if (missing !== null && missing.length === 0) return { vm: wanted, full: wish.most === 'full', findings: [] };
  if (canBeFull && (wish.most === 'auto' || wish.most === 'full')) return { vm: wanted, full: true, findings: [] };
  const others = [given, onSafeDevices(vm), onVirtio(vm)].filter((each) => each !== null);
  const fit = others.find((each) => missingFor(each, drivers)?.length === 0);
  const last = fit ?? others[0]!;
  const lacks =
    missing === null
      ? 'Nothing could be learnt of the drivers that the guest has'
      : `The guest has no driver for ${devicesInWords(wanted)} (${inWords(missing)})`;
  const message = `${lacks}; it gets ${devicesInWords(last)}.`;
  return {
    vm: last,
    full: false,
    findings: [
      fit
        ? { id: 'guest.fallback-devices', severity: 'info', message, remedy: wayTo(wish, canBeFull) }
        : {
            id: 'guest.no-driver',
            severity: 'warning',
            message,
            remedy: `Nothing shows that it boots on these: look at the rehearsal. ${wayTo(wish, canBeFull)}`,
          },
    ],
  };
}

function wayTo({ most }: ConversionWish, canBeFull: boolean): string {
  if (!canBeFull) return 'Add the drivers to the guest and its initramfs before it moves.';
  return most === 'auto' || most === 'full'
    ? 'Add the drivers to the guest and its initramfs before it moves.'
    : `Ask for "conversion": "auto" to have virt-v2v give it the drivers.`;
}

/** The needs that nothing meets; null where it is not known. */
export function missingFor(vm: VmDescription, drivers: Drivers | null): Need[] | null {
  if (drivers === null) return null;
  const { boot, run } = needsOf(vm);
  if (drivers.boot === null && boot.length > 0) return null;
  const lacking = (needs: readonly Need[], has: ReadonlySet<string>) =>
    needs.filter((need) => !need.some((name) => has.has(name)));
  return [...lacking(boot, drivers.boot ?? drivers.run), ...lacking(run, drivers.run)];
}

function inWords(needs: readonly Need[]): string {
  return [...new Set(needs.map((need) => need.join(' or ')))].join(', ');
}

/** Of what was decided: nothing needed to change in it. */
export function kindOf(full: boolean, changes: readonly string[]): ConversionKind {
  if (full) return 'full';
  return changes.length === 0 ? 'none' : 'light';
}
