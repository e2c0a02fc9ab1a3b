import { VmferryError } from '../../errors.js';
import { workFolder } from './state.js';
import type { ReplicaStore } from './store.js';

/**
 * The replica's state file, or the plan of one whose creation never ended, in the first of the directories that has one;
 * then those that the registry lists.
 */
const FIND = `
id=$1 registry=$2; shift 2
look() {
  for file in replica.json plan.json; do
    [ -e "$1/.vmferry-$id/$file" ] || continue
    printf '%s\\n%s\\n' "$1" "$file"
    exec cat -- "$1/.vmferry-$id/$file"
  done
}
for directory; do look "$directory"; done
[ -e "$registry" ] || exit 44
while IFS= read -r directory; do look "$directory"; done <"$registry"
exit 44`;

export interface FoundReplica {
  folder: string;
  file: 'replica.json' | 'plan.json';
  text: string;
}

/** Looks in the site's default storage first, then wherever a replica was ever put at this site: the default may change. */
export async function findReplica(
  store: ReplicaStore,
  migrationId: string,
  signal?: AbortSignal,
): Promise<FoundReplica | null> {
  const { host, registry } = store.options;
  // Refuses what is no id of a migration.
  workFolder('/', migrationId);
  const first = await store.options.storageDir(null, signal).catch((error: unknown) => {
    if (error instanceof VmferryError && error.code === 'NotFound') return [];
    throw error;
  });
  const args = ['-c', FIND, 'vmferry', migrationId, registry, ...[first].flat()];
  const { stdout, exitCode } = await host.run('sh', args, { signal, okExitCodes: [0, 44] });
  if (exitCode === 44) return null;
  const [directory = '', file] = stdout.split('\n', 2);
  const text = stdout.slice(directory.length + (file ?? '').length + 2);
  return { folder: workFolder(directory, migrationId), file: file === 'plan.json' ? file : 'replica.json', text };
}
