import { dirname, join } from 'node:path';
import { VmferryError } from '../../errors.js';
import type { ReplicaSpec, ReplicaState } from '../platform.js';
import { foldersOf, stateText, workFolder } from './state.js';
import { put } from './steps.js';
import { contended, TRIES, type ReplicaStore, type Seen } from './store.js';
import { EXIT, type Step } from './script.js';

/** When a kept replica may become another migration's, and how. */

const NONE = 'there is none at this site';
const STANDING = 'a VM stands on it';

/** See `TargetSite.whyNotAdopt`. */
export async function whyNotAdopt(
  store: ReplicaStore,
  kept: string,
  spec: ReplicaSpec,
  signal?: AbortSignal,
): Promise<string | null> {
  const state = await store.read(kept, signal);
  if (state) return whyNot(state, await store.plan(spec, signal), kept);
  const own = await store.read(spec.owner.migrationId, signal);
  return own ? null : NONE;
}

/** See `TargetSite.adoptReplica`. What an earlier try did not finish is finished. */
export async function adoptReplica(
  store: ReplicaStore,
  kept: string,
  spec: ReplicaSpec,
  signal?: AbortSignal,
): Promise<ReplicaState> {
  const { migrationId } = spec.owner;
  const planned = await store.plan(spec, signal);
  for (let tries = 0; tries < TRIES; tries++) {
    const seen = await store.see(kept, signal);
    const own = seen ? null : await store.read(migrationId, signal);
    if (own) return own;
    const why = seen ? whyNot(seen.state, planned, kept) : NONE;
    if (!seen || why !== null) throw cannotAdopt(store, kept, why ?? NONE);
    const mine = seen.state.owner.migrationId === migrationId;
    if (!mine && (seen.state.torn || seen.state.layers.length > 0)) {
      await store.discardTorn(kept, signal);
      await store.merge(kept, signal);
      if ((await store.read(kept, signal))?.layers.length) throw cannotAdopt(store, kept, STANDING);
      continue;
    }
    const result = await store.transact(kept, seen.folder, await takeOver(store, seen, planned, kept, signal));
    if (result.exitCode === EXIT.standing) throw cannotAdopt(store, kept, STANDING);
  }
  throw contended(store, kept);
}

async function takeOver(store: ReplicaStore, seen: Seen, planned: ReplicaState, kept: string, signal?: AbortSignal) {
  const { migrationId } = planned.owner;
  const mine = seen.state.owner.migrationId === migrationId;
  const next = mine ? seen.state : adopted(seen.state, planned);
  const folders = foldersOf(next).map((to) => [workFolder(dirname(to), kept), to] as const);
  const steps: Step[] = [
    ['end-exports'],
    ...folders.map(([from]): Step => ['standing', from]),
    ...next.disks.map((disk): Step => ['unused', disk.path]),
    ...(mine ? [] : [put(next)]),
    ['drop', join(seen.folder, 'plan.json')],
    ['drop-folder', store.runtimeDir(kept)],
    // The folder with the state and the lock goes last: until then another try finds it.
    ...folders.filter(([from]) => from !== seen.folder).map(([from, to]): Step => ['move', from, to]),
    ['move', seen.folder, await store.folder(migrationId, signal)],
  ];
  return { seen: seen.digest, steps, state: stateText(next), signal };
}

/** `planned`: what the new migration would create. Null where it fits, or has been taken over by it before. */
function whyNot(kept: ReplicaState, planned: ReplicaState, migrationId: string): string | null {
  const { owner } = kept;
  if (owner.migrationId === planned.owner.migrationId) return null;
  if (owner.migrationId !== migrationId) return `migration ${owner.migrationId} has taken it over`;
  if (owner.cluster !== planned.owner.cluster) return `it belongs to another Temporal cluster (${owner.cluster})`;
  if (owner.namespace !== planned.owner.namespace) return `it belongs to the namespace "${owner.namespace}"`;
  if (!kept.whole) return 'no pass of it is whole';
  const [is, wanted] = [kept.source, planned.source];
  if (!is || !wanted) return 'nothing says of which VM it is a copy';
  if (is.site !== wanted.site || is.uuid !== wanted.uuid)
    return `it is a copy of ${is.vm} (${is.uuid}) at ${is.site}, not of ${wanted.vm} (${wanted.uuid}) at ${wanted.site}`;
  const shape = ({ disks }: ReplicaState) =>
    disks.map(({ id, sizeBytes, format, path }) => `${id}: ${sizeBytes} bytes, ${format}, in ${dirname(path)}`);
  const [has, needs] = [shape(kept), shape(planned)];
  if (has.join('; ') !== needs.join('; ')) return `it has ${has.join('; ')}, and wanted are ${needs.join('; ')}`;
  return null;
}

/**
 * The replica as the new migration's own. Disks keep their files, whose names people may have noted; folders are renamed
 * to the new id, so that there is one place to look for a migration.
 */
function adopted(kept: ReplicaState, planned: ReplicaState): ReplicaState {
  return {
    ...planned,
    disks: planned.disks.map((disk, index) => ({ ...disk, path: kept.disks[index]!.path })),
    whole: { pass: 0, checkpoint: '', result: null },
    torn: null,
    layers: [],
    verifiedPass: -1,
  };
}

export function cannotAdopt({ options: { platform } }: ReplicaStore, migrationId: string, why: string): VmferryError {
  return new VmferryError('Conflict', `cannot adopt the replica of ${migrationId}: ${why}`, {
    platform,
    remedy: '`vmferry replicas` lists those that there are; without adoptReplica the VM is copied anew.',
  });
}
