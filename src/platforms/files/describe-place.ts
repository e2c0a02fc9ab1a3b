import { VmferryError } from '../../errors.js';
import type { VmDescription } from '../../model/vm.js';
import { placeOf } from './connect.js';
import { described } from './describe.js';
import { openRoot, packagesOf } from './machines.js';
import { openPackage } from './package.js';
import { checkPackage } from './package-check.js';

/**
 * Describes the one machine, or the one of that name, that lies at a path or an address.
 * @param check compares the files with the package's manifest, too.
 * @throws VmferryError `NotFound`, `InvalidRequest` where there are several and none is named, `HostileInput`.
 */
export async function describePlace(
  place: string,
  vm: string | null,
  check: boolean,
  signal?: AbortSignal,
): Promise<{ described: VmDescription; compared: number | null }> {
  const at = placeOf(place);
  const { root, only } = await openRoot(at);
  try {
    const packages = await packagesOf(root, only, signal);
    if (only === null && packages.size !== 1) throw several(place, [...packages.values()]);
    const path = only ?? [...packages.values()][0]!;
    const from = await openPackage(root, path, at.scratch, signal);
    try {
      const names = from.machines.map((each) => each.vm.name);
      const found = from.machines.filter((each) => vm === null || each.vm.name === vm);
      if (found.length !== 1) throw several(place, names, vm);
      const compared = check ? await checkPackage(from, signal) : null;
      return { described: await described(at, { name: names[0]!, from, foreign: found[0]! }, signal), compared };
    } finally {
      await from.close();
    }
  } finally {
    await root.close();
  }
}

function several(place: string, known: string[], vm: string | null = null): VmferryError {
  const list = known.slice(0, 50).join(', ');
  if (known.length === 0) {
    return new VmferryError('NotFound', `there is no machine at ${place}`, {
      platform: 'files',
      remedy: 'Name an .ova, .ovf, .vmx, .vbox, .xml of libvirt or a disk image, or the directory of one.',
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
    remedy: `Name one of them: ${list}.`,
  });
}
