import { randomBytes } from 'node:crypto';
import type { Host } from '../../exec/host.js';
import type { OwnedResource, ReplicaState } from '../platform.js';
import { foldersOf, parseState } from './state.js';

/** Every replica at a site, whosever it is. */

export interface ReplicaPlaces {
  host: Host;
  platform: string;
  /** Where replicas may lie. */
  directories: readonly string[];
}

/** Folder and state, or nothing, of everything that looks like a replica's working folder in these directories. */
const FOLDERS = `
mark=$1; shift
for d; do
  for folder in "$d"/.vmferry-????????????; do
    [ -d "$folder" ] || continue
    printf '%s\\n%s\\n' "$mark" "$folder"
    state="$folder/replica.json"; [ -e "$state" ] || state="$folder/plan.json"
    [ ! -e "$state" ] || cat -- "$state"
  done
done
exit 0`;

interface Folder {
  path: string;
  migrationId: string;
  /** Null where the state cannot be read; undefined where there is none: the folder holds disks for another. */
  state: ReplicaState | null | undefined;
}

/**
 * The working folders of replicas in these directories, with their disks. Read with two commands, however many there are.
 * `used`: VMs by the files that they are defined on.
 */
export async function listReplicas(
  where: ReplicaPlaces,
  used: ReadonlyMap<string, string>,
  signal?: AbortSignal,
): Promise<OwnedResource[]> {
  const all = await folders(where, signal);
  const mains = all.filter((each) => each.state !== undefined);
  const parts = new Set(mains.flatMap(({ state }) => (state ? foldersOf(state) : [])));
  const entries = all
    .filter((each) => each.state !== undefined || !parts.has(each.path))
    .map((each) => ({ ...each, files: filesOf(each) }));
  const sizes = await sizesOf(
    where.host,
    entries.flatMap(({ files }) => files),
    signal,
  );
  return entries.map(({ path, migrationId, state, files }) => {
    const user = [...used].find(([file]) => files.some((each) => file === each || file.startsWith(`${each}/`)))?.[1];
    const known = files.flatMap((file) => sizes.get(file) ?? []);
    return {
      kind: `${where.platform}-replica`,
      name: path,
      migrationId,
      // A folder whose state cannot be read is listed all the same, with nobody as its owner.
      owner: state?.owner ?? null,
      sizeBytes: known.length === 0 ? null : known.reduce((sum, each) => sum + each, 0),
      inUse: user === undefined ? null : `the VM "${user}" stands on it`,
      usedBy: user,
    };
  });
}

function filesOf({ path, state }: Folder): string[] {
  return [...new Set([path, ...(state ? [...foldersOf(state), ...state.disks.map((disk) => disk.path)] : [])])];
}

async function folders({ host, directories }: ReplicaPlaces, signal?: AbortSignal): Promise<Folder[]> {
  const mark = `=== ${randomBytes(12).toString('hex')}`;
  const { stdout } = await host.run('sh', ['-c', FOLDERS, 'vmferry', mark, ...directories], { signal });
  return stdout
    .split(`${mark}\n`)
    .slice(1)
    .flatMap((part): Folder[] => {
      const end = part.indexOf('\n');
      const path = part.slice(0, end);
      const migrationId = /\/\.vmferry-([0-9a-f]{12})$/.exec(path)?.[1];
      return migrationId === undefined ? [] : [{ path, migrationId, state: stateOf(part.slice(end + 1), path) }];
    });
}

function stateOf(text: string, path: string): Folder['state'] {
  if (text.trim() === '') return undefined;
  try {
    return parseState(text, path);
  } catch {
    return null;
  }
}

async function sizesOf(host: Host, files: readonly string[], signal?: AbortSignal): Promise<Map<string, number>> {
  if (files.length === 0) return new Map();
  const { stdout } = await host.run('du', ['-0', '-sB1', '--', ...files], { signal, okExitCodes: [0, 1] });
  return new Map(
    stdout
      .split('\0')
      .filter(Boolean)
      .map((line) => [line.slice(line.indexOf('\t') + 1), Number(line.slice(0, line.indexOf('\t')))]),
  );
}
