import { parseXml } from './xml.js';
import { hardDisks } from './describe-disks.js';
import type { OwnedResource, Owner } from '../platform.js';
import type { LibvirtConnection } from './connect.js';
import { readMark } from './mark.js';
import { parseState } from './replica-state.js';
import { filePools, storageDirectory } from './storage.js';

/** Everything at a libvirt site that carries our mark: domains, and the working folders of replicas with their disks. */

export async function listOwned(at: LibvirtConnection, signal?: AbortSignal): Promise<OwnedResource[]> {
  const used = new Map<string, string>();
  const found: OwnedResource[] = [];
  for (const [name, uuid] of await at.virsh.names(signal)) {
    const text = await at.virsh.runOr(/domain not found|failed to get domain/i, ['dumpxml', '--domain', uuid], {
      signal,
    });
    if (text === null) continue;
    const domain = parseXml(text, `the definition of ${name}`);
    const runs = domain.get('id') !== null;
    for (const disk of hardDisks(domain)) for (const file of chain(disk)) used.set(file, name);
    const mark = await readMark(at, uuid, signal);
    if (!mark) continue;
    const { role, ...owner } = mark;
    const inUse = runs ? `the VM "${name}" is running` : null;
    found.push({ kind: `libvirt-${role}`, name, migrationId: mark.migrationId, owner, sizeBytes: null, inUse });
  }
  for (const folder of await folders(at, signal)) found.push(await replica(at, folder, used, signal));
  return found;
}

/** Files of a disk and of what it stands on, as libvirt tells. */
function chain(disk: ReturnType<typeof hardDisks>[number]): string[] {
  const files: string[] = [];
  for (let layer: typeof disk | null = disk; layer; layer = layer.at('backingStore')) {
    const file = layer.at('source')?.get('file');
    if (file) files.push(file);
  }
  return files;
}

async function folders(at: LibvirtConnection, signal?: AbortSignal): Promise<string[]> {
  const directories = new Set((await filePools(at, signal)).map((pool) => pool.path));
  if (at.config.storage.startsWith('/')) directories.add(await storageDirectory(at, null, signal));
  const script = `for d; do for f in "$d"/.vmferry-????????????; do [ ! -d "$f" ] || echo "$f"; done; done`;
  const { stdout } = await at.host.run('sh', ['-c', script, 'vmferry', ...directories], { signal });
  return stdout.split('\n').filter((path) => /\/\.vmferry-[0-9a-f]{12}$/.test(path));
}

const READ = `f="$1/replica.json"; [ -e "$f" ] || f="$1/plan.json"; [ ! -e "$f" ] || cat -- "$f"`;

async function replica(
  at: LibvirtConnection,
  folder: string,
  used: ReadonlyMap<string, string>,
  signal?: AbortSignal,
): Promise<OwnedResource> {
  const text = (await at.host.run('sh', ['-c', READ, 'vmferry', folder], { signal })).stdout;
  const migrationId = folder.slice(-12);
  let owner: Owner | null = null;
  const files = [folder];
  try {
    const state = text ? parseState(text, folder) : null;
    owner = state?.owner ?? null;
    files.push(...(state?.disks.map((disk) => disk.path) ?? []));
  } catch {
    // A folder whose state cannot be read is listed all the same, with nobody as its owner.
  }
  const du = await at.host.run('du', ['-sB1', '-c', '--', ...files], { signal, okExitCodes: [0, 1] });
  const sizeBytes = Number(/^(\d+)\ttotal$/m.exec(du.stdout)?.[1] ?? NaN);
  const user = [...used].find(([file]) => files.includes(file) || file.startsWith(`${folder}/`))?.[1];
  const inUse = user === undefined ? null : `the VM "${user}" stands on it`;
  const kind = 'libvirt-replica';
  return {
    kind,
    name: folder,
    migrationId,
    owner,
    sizeBytes: Number.isNaN(sizeBytes) ? null : sizeBytes,
    inUse,
    usedBy: user,
  };
}
