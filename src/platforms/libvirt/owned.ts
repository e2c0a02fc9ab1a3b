import { randomBytes } from 'node:crypto';
import type { OwnedResource, ReplicaState } from '../platform.js';
import { allDomains } from './all-domains.js';
import type { LibvirtConnection } from './connect.js';
import { hardDisks } from './describe-disks.js';
import { markOf } from './mark.js';
import { foldersOf, parseState } from './replica-state.js';
import { filePools, rememberedStorages, storageDirectory } from './storage.js';

/**
 * Everything at a libvirt site that carries our mark: domains, and the working folders of replicas with their disks. Read
 * with a few commands, however many VMs and replicas there are.
 */
export async function listOwned(at: LibvirtConnection, signal?: AbortSignal): Promise<OwnedResource[]> {
  const used = new Map<string, string>();
  const found: OwnedResource[] = [];
  for (const { name, domain } of await allDomains(at, signal)) {
    const runs = domain.get('id') !== null;
    for (const disk of hardDisks(domain)) for (const file of chain(disk)) used.set(file, name);
    const mark = markOf(domain);
    if (!mark) continue;
    const { role, ...owner } = mark;
    const inUse = runs ? `the VM "${name}" is running` : null;
    found.push({ kind: `libvirt-${role}`, name, migrationId: mark.migrationId, owner, sizeBytes: null, inUse });
  }
  return [...found, ...(await replicas(at, used, signal))];
}

/** Files of a disk and of what it stands on, as libvirt tells. */
export function chain(disk: ReturnType<typeof hardDisks>[number]): string[] {
  const files: string[] = [];
  for (let layer: typeof disk | null = disk; layer; layer = layer.at('backingStore')) {
    const file = layer.at('source')?.get('file');
    if (file) files.push(file);
  }
  return files;
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

async function replicas(
  at: LibvirtConnection,
  used: ReadonlyMap<string, string>,
  signal?: AbortSignal,
): Promise<OwnedResource[]> {
  const all = await folders(at, signal);
  const mains = all.filter((each) => each.state !== undefined);
  const parts = new Set(mains.flatMap(({ state }) => (state ? foldersOf(state) : [])));
  const entries = all
    .filter((each) => each.state !== undefined || !parts.has(each.path))
    .map((each) => ({ ...each, files: filesOf(each) }));
  const sizes = await sizesOf(
    at,
    entries.flatMap(({ files }) => files),
    signal,
  );
  return entries.map(({ path, migrationId, state, files }) => {
    const user = [...used].find(([file]) => files.some((each) => file === each || file.startsWith(`${each}/`)))?.[1];
    const known = files.flatMap((file) => sizes.get(file) ?? []);
    return {
      kind: 'libvirt-replica',
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

async function folders(at: LibvirtConnection, signal?: AbortSignal): Promise<Folder[]> {
  const directories = new Set((await filePools(at, signal)).map((pool) => pool.path));
  for (const each of await rememberedStorages(at, signal)) directories.add(each);
  // A default storage that is gone holds nothing, and must not hide the others.
  const own = await storageDirectory(at, null, signal).catch(() => null);
  if (own !== null) directories.add(own);
  const mark = `=== ${randomBytes(12).toString('hex')}`;
  const { stdout } = await at.host.run('sh', ['-c', FOLDERS, 'vmferry', mark, ...directories], { signal });
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

async function sizesOf(
  at: LibvirtConnection,
  files: readonly string[],
  signal?: AbortSignal,
): Promise<Map<string, number>> {
  if (files.length === 0) return new Map();
  const { stdout } = await at.host.run('du', ['-0', '-sB1', '--', ...files], { signal, okExitCodes: [0, 1] });
  return new Map(
    stdout
      .split('\0')
      .filter(Boolean)
      .map((line) => [line.slice(line.indexOf('\t') + 1), Number(line.slice(0, line.indexOf('\t')))]),
  );
}
