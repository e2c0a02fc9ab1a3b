import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { VmferryError } from '../../../errors.js';
import type { OwnedResource, Owner } from '../../platform.js';
import { listReplicas } from '../../replica/list.js';
import { forbidCutover, removeOverlays } from '../../replica/overlays.js';
import { removeLeftReplica, removeReplica } from '../../replica/remove.js';
import { EXIT, type Step } from '../../replica/script.js';
import { finished, hiddenFolder } from './layout.js';
import { mustBeDirectory, type FilesTarget } from './tools.js';
import { readMade } from './write.js';

/** A written package, from there to its place, or away. */

/** See `TargetSite.finalize`. Called again after a crash, it goes on. */
export async function publish(
  tools: FilesTarget,
  vm: string,
  migrationId: string,
  signal?: AbortSignal,
): Promise<void> {
  const { directory, store, at } = tools;
  const seen = await store.see(migrationId, signal);
  // Removed last, so an earlier try has done all.
  if (!seen) return;
  const { folder } = seen;
  const made = await readMade(folder);
  if (!made) {
    throw new VmferryError('NotFound', `cannot make "${vm}" final at ${at.site}: its package is not there`, {
      platform: 'files',
    });
  }
  const from = join(finished(folder), made.name);
  const to = join(directory, made.name);
  const moved = (await lstat(from).catch(() => null)) === null;
  if (!moved) {
    const { exitCode } = await store.transact(migrationId, folder, { seen: null, steps: [['move', from, to]], signal });
    if (exitCode === EXIT.changed) throw taken(to);
  }
  if (!(await lstat(to).catch(() => null))) {
    throw new VmferryError('NotFound', `cannot make "${vm}" final at ${at.site}: ${to} is not there any more`, {
      platform: 'files',
    });
  }
  await removeReplica(store, migrationId, { signal });
}

function taken(path: string): VmferryError {
  return new VmferryError('Conflict', `cannot put the package to ${path}: there is a file of that name`, {
    platform: 'files',
    remedy: 'Move that file away, then resume.',
  });
}

/** See `TargetSite.undefine`. Order: forbidden first, so that no try that still runs writes it again. */
export async function takeBack({ store }: FilesTarget, migrationId: string, signal?: AbortSignal): Promise<void> {
  await forbidCutover(store, migrationId, signal);
  const seen = await store.see(migrationId, signal);
  if (!seen) return;
  const steps: Step[] = [['abandon'], ['drop-folder', finished(seen.folder)]];
  await store.transact(migrationId, seen.folder, { seen: null, steps, signal });
  await removeOverlays(store, migrationId, 'cutover', signal);
}

/** @throws VmferryError `Unsafe` while a package stands on it: that is undone or accepted first. */
export async function removeUnused(
  { at, store }: FilesTarget,
  migrationId: string,
  signal?: AbortSignal,
): Promise<void> {
  const seen = await store.see(migrationId, signal);
  if (seen && (await readMade(seen.folder))) {
    throw new VmferryError(
      'Unsafe',
      `cannot remove the replica of ${migrationId}: its package at ${at.site} is not final`,
      {
        platform: 'files',
        remedy: 'Undo the migration first.',
      },
    );
  }
  await removeReplica(store, migrationId, { signal });
}

export async function listOwned(tools: FilesTarget, signal?: AbortSignal): Promise<OwnedResource[]> {
  const { at, directory, store } = tools;
  // A directory that is gone holds nothing.
  if (
    !(await mustBeDirectory(at, directory).then(
      () => true,
      () => false,
    ))
  )
    return [];
  const where = { host: store.options.host, platform: 'files', directories: [hiddenFolder(directory)] };
  const replicas = await listReplicas(where, new Map(), signal);
  const packages: OwnedResource[] = [];
  for (const replica of replicas) {
    const made = await readMade(replica.name).catch(() => null);
    if (made) packages.push({ ...replica, kind: 'files-target', name: made.name, sizeBytes: null, packed: true });
  }
  return [...packages, ...replicas];
}

/** For `sweep`: what a migration left, its package that nobody accepted too. */
export async function removeLeft({ store }: FilesTarget, owner: Owner, signal?: AbortSignal): Promise<void> {
  await removeLeftReplica(store, owner, signal);
}
