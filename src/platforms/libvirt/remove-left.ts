import { dirname } from 'node:path';
import { VmferryError } from '../../errors.js';
import type { Owner } from '../platform.js';
import { readMark } from './mark.js';
import { listOwned } from './owned.js';
import { removeLeftReplica } from '../replica/remove.js';
import { refreshPools } from './storage.js';
import { removeTpm } from './target-side-state.js';
import { isRunning, rehearsalUuid, sideFiles, type TargetTools } from './target-domain.js';

/**
 * For `sweep`: what a migration left at its target. A VM that runs is never stopped here, and nothing goes that one stands
 * on, running or not, unless it is this migration's own.
 */
export async function removeLeft(tools: TargetTools, owner: Owner, signal?: AbortSignal): Promise<void> {
  const { at, store } = tools;
  const { migrationId } = owner;
  const own: string[] = [];
  for (const [name, uuid] of await at.virsh.names(signal)) {
    const mark = await readMark(at, uuid, signal);
    if (mark?.migrationId !== migrationId) continue;
    if (mark.cluster !== owner.cluster || mark.namespace !== owner.namespace) throw foreign(migrationId);
    if (await isRunning(tools, uuid, signal)) throw runs(name);
    own.push(uuid);
  }
  for (const uuid of own) await undefineStopped(tools, uuid, signal);
  const users = (await listOwned(at, signal)).filter((each) => each.migrationId === migrationId && each.inUse !== null);
  if (users[0]) throw unsafe(migrationId, users[0].inUse ?? 'it is in use');
  const state = await store.read(migrationId, signal);
  await removeLeftReplica(store, owner, signal);
  await removeTpm(at.host, rehearsalUuid(migrationId), signal);
  if (!state) return;
  // Beside the disk, not in the folder.
  await at.host.run('rm', ['-f', '--', sideFiles(state, 'target').nvram], { signal });
  await refreshPools(at, [...new Set(state.disks.map((disk) => dirname(disk.path)))], signal);
}

/** Never ends it: a VM that was started meanwhile goes on, without a definition, and is seen as running. */
async function undefineStopped(tools: TargetTools, uuid: string, signal?: AbortSignal): Promise<void> {
  const { at } = tools;
  const flags = ['--nvram', '--managed-save', '--snapshots-metadata', '--checkpoints-metadata'];
  const args = ['undefine', '--domain', uuid, ...flags];
  await at.virsh.runOr(/domain not found|failed to get domain|transient/i, args, { signal });
  if (await isRunning(tools, uuid, signal)) throw runs(uuid);
  await removeTpm(at.host, uuid, signal);
}

function runs(vm: string): VmferryError {
  return new VmferryError('Unsafe', `cannot remove the VM "${vm}": it runs`, {
    platform: 'libvirt',
    remedy: '`vmferry recover` shows the migration and offers one of its sides.',
  });
}

function unsafe(migrationId: string, why: string): VmferryError {
  return new VmferryError('Unsafe', `cannot remove the replica of ${migrationId}: ${why}`, { platform: 'libvirt' });
}

function foreign(migrationId: string): VmferryError {
  return new VmferryError('Superseded', `cannot remove what ${migrationId} left: it is another cluster's`, {
    platform: 'libvirt',
  });
}
