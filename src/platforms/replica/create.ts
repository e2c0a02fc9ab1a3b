import { dirname, join } from 'node:path';
import { VmferryError } from '../../errors.js';
import { readText } from '../../exec/files.js';
import type { ReplicaState } from '../platform.js';
import { digestOf, foldersOf, stateText } from './state.js';
import type { ReplicaStore } from './store.js';

/**
 * Writes down what is about to be created, so that `remove` and `sweep` know of it, and in the registry the directories
 * where it will lie, so that they are looked through ever after. @throws `Conflict`.
 */
export async function writePlan(
  { options: { host, platform, registry } }: ReplicaStore,
  folder: string,
  planned: ReplicaState,
  signal?: AbortSignal,
): Promise<void> {
  const text = stateText(planned);
  const script = `set -eu; umask 077; dir=$1 sha=$2 registry=$3 places=$4; shift 4; ours() { [ "$(sha256sum < "$1" | cut -c1-64)" = "$sha" ]; }
if [ -e "$dir/plan.json" ]; then ours "$dir/plan.json" || { echo "$dir"; exit 44; }; exit 0; fi
mkdir -p -- "$(dirname -- "$registry")"
while [ "$places" -gt 0 ]; do
  grep -qsxF -e "$1" -- "$registry" || printf '%s\n' "$1" >>"$registry"
  places=$((places - 1)); shift
done
sync -- "$registry"
for f in "$@"; do [ ! -e "$f" ] || { echo "$f"; exit 44; }; done
mkdir -p -- "$dir"; chmod 711 -- "$dir"; t="$dir/plan.json.$$"; cat > "$t"; sync -- "$t"; ours "$t" || exit 1
mv -f -- "$t" "$dir/plan.json"; sync -- "$dir" "$(dirname -- "$dir")"`;
  const paths = planned.disks.map((disk) => disk.path);
  const places = [...new Set([folder, ...foldersOf(planned)].map((each) => dirname(each)))];
  const args = ['-c', script, 'vmferry', folder, digestOf(text), registry, String(places.length), ...places, ...paths];
  const { stdout, exitCode } = await host.run('sh', args, {
    input: text,
    signal,
    okExitCodes: [0, 44],
  });
  // A replica that was made meanwhile by another try is no conflict.
  if (exitCode === 44 && (await readText(host, join(folder, 'replica.json'), { signal })) === null) {
    throw new VmferryError('Conflict', `cannot create ${stdout.trim()}: a file of that name is there already`, {
      platform,
      remedy: 'Move it away if nothing needs it.',
    });
  }
}

/** The replica that is there, if it is the one that was asked for. @throws VmferryError `Conflict`. */
export function sameReplica(
  { options: { platform } }: ReplicaStore,
  there: ReplicaState,
  planned: ReplicaState,
): ReplicaState {
  const shape = ({ owner, targetName, disks }: ReplicaState) => JSON.stringify([owner.migrationId, targetName, disks]);
  if (shape(there) === shape(planned)) return there;
  throw new VmferryError('Conflict', `cannot create the replica of ${planned.owner.migrationId}: it has other disks`, {
    platform,
    remedy: 'Remove the old replica, or ask for the same disks, names, formats and storage as before.',
  });
}
