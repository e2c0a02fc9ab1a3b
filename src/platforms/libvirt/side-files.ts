import type { VmDescription } from '../../model/vm.js';
import type { LibvirtConnection } from './connect.js';

/** Where state beside the disks lies, and whether it is there. */

/** Prints the paths that are not there. */
const ABSENT = 'for path; do [ -e "$path" ] || echo "$path"; done; exit 0';

/** Of the paths that a VM's state is said to lie at, those where nothing is. Asks nothing where none is named. */
export async function absentSides(
  at: LibvirtConnection,
  { nvramPath, tpm }: Pick<VmDescription, 'nvramPath' | 'tpm'>,
  signal?: AbortSignal,
): Promise<{ nvram: string | null; tpm: string | null }> {
  const statePath = tpm?.statePath ?? null;
  const named = [nvramPath, statePath].filter((path) => path !== null);
  if (named.length === 0) return { nvram: null, tpm: null };
  const { stdout } = await at.host.run('sh', ['-c', ABSENT, 'sh', ...named], { signal });
  const absent = new Set(stdout.split('\n'));
  const ifAbsent = (path: string | null) => (path !== null && absent.has(path) ? path : null);
  return { nvram: ifAbsent(nvramPath), tpm: ifAbsent(statePath) };
}
