import { join } from 'node:path';
import { VmferryError } from '../../errors.js';
import type { Owner } from '../platform.js';
import { findReplica } from './find.js';
import { digestOf, foldersOf, parseState } from './state.js';
import { superseded, type ReplicaStore } from './store.js';
import { EXIT, type Step } from './script.js';

/** Removes replica, manifests, layers and folders. `keepDisks`: the disks stay (they are the VM's own now). */
export async function removeReplica(
  store: ReplicaStore,
  migrationId: string,
  options: { keepDisks?: boolean; signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const { keepDisks = false, signal } = options;
  const found = await findReplica(store, migrationId, signal);
  const folder = found?.folder ?? (await store.folder(migrationId, signal));
  const state = found ? parseState(found.text, folder) : null;
  const folders = state ? foldersOf(state).filter((each) => each !== folder) : [];
  await store.transact(migrationId, folder, {
    seen: null,
    steps: [
      ['end-exports'],
      ...(keepDisks ? [] : (state?.disks ?? []).map((disk): Step => ['drop', disk.path])),
      ...folders.map((each): Step => ['drop-folder', each]),
      ['drop-folder', store.runtimeDir(migrationId)],
      ['drop-folder', folder],
    ],
    signal,
  });
}

/**
 * For `sweep`: removes overlays, replica and folders, if they are still this owner's and nothing has a file of them open.
 * @throws VmferryError `Superseded`, `Unsafe`.
 */
export async function removeLeftReplica(store: ReplicaStore, owner: Owner, signal?: AbortSignal): Promise<void> {
  const { migrationId } = owner;
  const found = await findReplica(store, migrationId, signal);
  if (found === null) return;
  const { folder, text } = found;
  const path = join(folder, 'replica.json');
  const whole = found.file === 'replica.json' ? text : null;
  const state = parseState(text, folder);
  if (!sameOwner(state.owner, owner))
    throw superseded(store, migrationId, `it belongs to ${state.owner.migrationId} now`);
  const result = await store.transact(migrationId, folder, {
    seen: whole === null ? null : digestOf(whole),
    steps: [
      ...(whole === null ? [['absent', path] as const] : []),
      ['end-exports'],
      ...[...state.disks.map((disk) => disk.path), ...foldersOf(state)].map((each): Step => ['unused', each]),
      ...state.disks.map((disk): Step => ['drop', disk.path]),
      ...foldersOf(state)
        .filter((each) => each !== folder)
        .map((each): Step => ['drop-folder', each]),
      ['drop-folder', store.runtimeDir(migrationId)],
      ['drop-folder', folder],
    ],
    signal,
  });
  if (result.exitCode === 0 || result.exitCode === EXIT.none) return;
  if (result.exitCode !== EXIT.standing) throw superseded(store, migrationId, 'somebody else is at work on it');
  throw new VmferryError('Unsafe', `cannot remove the replica of ${migrationId}: something has its files open`, {
    platform: store.options.platform,
    remedy: `See what does: fuser -v ${state.disks.map((disk) => disk.path).join(' ')} ${folder}/*`,
  });
}

function sameOwner(a: Owner, b: Owner): boolean {
  return a.migrationId === b.migrationId && a.cluster === b.cluster && a.namespace === b.namespace;
}
