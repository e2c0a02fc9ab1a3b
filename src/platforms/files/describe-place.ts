import { VmferryError } from '../../errors.js';
import type { VmDescription } from '../../model/vm.js';
import type { ReadableDisks } from '../platform.js';
import { placeOf } from './connect.js';
import { described, withVariables } from './describe.js';
import {
  leftOutOf,
  machinesIn,
  namesAtSite,
  openMachine,
  openRoot,
  packagesOf,
  shownLeftOut,
  type Machine,
} from './machines.js';
import type { LeftOut } from './member.js';
import { openPackage, type Package } from './package.js';
import { checkPackage } from './package-check.js';
import { served } from './served.js';

/**
 * Describes the one machine, or the one of that name, that lies at a path or an address.
 * @param check compares the files with the package's manifest, too.
 * @param tell is told in a line what takes long.
 * @param look has its disks served while it works, and gives what is to be said of the machine.
 * @throws VmferryError `NotFound`, `InvalidRequest` where there are several and none is named, `HostileInput`.
 */
export async function describePlace(
  place: string,
  vm: string | null,
  check: boolean,
  signal?: AbortSignal,
  tell?: (line: string) => void,
  look?: (vm: VmDescription, readable: ReadableDisks) => Promise<VmDescription>,
): Promise<{ described: VmDescription; compared: number | null }> {
  const at = placeOf(place, tell);
  const { root, only } = await openRoot(at);
  try {
    const found = await packagesOf(root, only, signal);
    // Of one file, whatever is wrong with it is said.
    const packages = found.size === 0 && only !== null ? new Map([[only, only]]) : found;
    const [one] = packages;
    const leftOut = await leftOutOf(root, only, signal);
    if (!one || (packages.size > 1 && vm === null)) throw several(place, [...packages.keys()], null, leftOut);
    if (vm === null) for (const { name, why } of leftOut) tell?.(`Left out: ${name}, as ${why}.`);
    const machine =
      packages.size > 1
        ? await openMachine(at, root, only, vm!, signal)
        : await oneOf(place, one[0], await openPackage(root, one[1], at.scratch, signal), vm);
    try {
      const compared = check ? ((await checkPackage(machine.from, signal, tell))?.size ?? null) : null;
      const asDescribed = await withVariables(machine, await described(at, machine, signal), signal);
      return {
        described: look ? await served(at, machine, null, (disks) => look(asDescribed, disks), signal) : asDescribed,
        compared,
      };
    } finally {
      await machine.from.close();
    }
  } finally {
    await root.close();
  }
}

/** The only machine of a package, or the one that is called so in it or at a site. */
async function oneOf(place: string, name: string, from: Package, vm: string | null): Promise<Machine> {
  const within = [...machinesIn(from).keys()];
  const nth = vm === null ? 0 : Math.max(within.indexOf(vm), namesAtSite(from, name).indexOf(vm));
  const foreign = vm === null && within.length > 1 ? undefined : from.machines[nth];
  if (foreign) return { name: within[nth]!, from, foreign };
  await from.close();
  throw several(place, within, vm);
}

function several(
  place: string,
  known: string[],
  vm: string | null = null,
  leftOut: readonly LeftOut[] = [],
): VmferryError {
  const list = known.slice(0, 50).join(', ');
  const besides = leftOut.length === 0 ? '' : ` Left out: ${shownLeftOut(leftOut)}.`;
  if (known.length === 0) {
    return new VmferryError('NotFound', `there is no machine at ${place}`, {
      platform: 'files',
      remedy: `Name an .ova, .ovf, .vmx, .vbox, .xml of libvirt or a disk image, or the directory of one.${besides}`,
    });
  }
  if (vm !== null) {
    return new VmferryError('NotFound', `there is no machine "${vm}" at ${place}`, {
      platform: 'files',
      remedy: `Machines there: ${list}.`,
    });
  }
  return new VmferryError('InvalidRequest', `there are several machines at ${place}`, {
    platform: 'files',
    remedy: `Name one of them: ${list}.${besides}`,
  });
}
