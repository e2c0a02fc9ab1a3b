import { join } from 'node:path';
import { VmferryError } from '../../errors.js';
import { readText } from '../../exec/files.js';
import type { Owner } from '../platform.js';
import { digestOf, foldersOf, parseState } from './replica-state.js';
import { superseded, type ReplicaStore } from './replica-store.js';
import { EXIT, type Step } from './site-script.js';

/**
 * For `sweep`: removes overlays, replica and folders, if they are still this owner's and nothing has a file of them open.
 * @throws VmferryError `Superseded`, `Unsafe`.
 */
export async function removeLeftReplica(store: ReplicaStore, owner: Owner, signal?: AbortSignal): Promise<void> {
  const { migrationId } = owner;
  const { host } = store.options;
  const folder = await store.folder(migrationId, signal);
  const path = join(folder, 'replica.json');
  const whole = await readText(host, path, { signal });
  const text = whole ?? (await readText(host, join(folder, 'plan.json'), { signal }));
  if (text === null) return;
  const state = parseState(text, folder);
  if (!sameOwner(state.owner, owner)) throw superseded(migrationId, `it belongs to ${state.owner.migrationId} now`);
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
  if (result.exitCode !== EXIT.standing) throw superseded(migrationId, 'somebody else is at work on it');
  throw new VmferryError('Unsafe', `cannot remove the replica of ${migrationId}: something has its files open`, {
    platform: 'libvirt',
    remedy: `See what does: fuser -v ${state.disks.map((disk) => disk.path).join(' ')} ${folder}/*`,
  });
}

function sameOwner(a: Owner, b: Owner): boolean {
  return a.migrationId === b.migrationId && a.cluster === b.cluster && a.namespace === b.namespace;
}
