import { VmferryError } from '../src/errors.js';
import { ownerOf, pause, signalOf } from './context.js';
import { RateLimiter } from '../src/blocks/index.js';
import type { DiskRecord } from '../src/model/status.js';
import type { ReplicaSpec, ReplicaState } from '../src/platforms/platform.js';
import { Progress } from './progress.js';
import { verifyDisks } from './verify-disks.js';
import type { ActivityDeps, Site } from './deps.js';
import type { MigrationActivities, Ref } from './io.js';

type Names = 'prepare' | 'removeTarget' | 'restoreSource' | 'watchSource' | 'cleanSource' | 'cleanTarget';

const WATCH_POLL_MS = 1_000;

/** Claim and replica, and the way back from them. */
export function cleanUpActivities(deps: ActivityDeps): Pick<MigrationActivities, Names> {
  return {
    async prepare(input) {
      const owner = ownerOf(deps, input);
      const { vm, uuid, targetName, disks } = input;
      const source = deps.site(input.source);
      const run = await source.runState(vm, signalOf());
      const before = { ran: run?.instance == null ? 'no' : 'yes', autostart: run?.autostart ? 'yes' : 'no' } as const;
      // Nothing is made for a VM that another migration has.
      await source.claim(vm, { ...owner, vm, claimedAt: new Date().toISOString(), ...before }, signalOf());
      const target = deps.site(input.target);
      const spec = { owner, targetName, source: { site: input.source, vm, uuid }, disks };
      if (input.adopt === null) await target.createReplica(spec, signalOf());
      else await adopt(deps, target, input.adopt, spec);
    },
    async removeTarget(ref) {
      const target = deps.site(ref.target);
      await target.undefine(ref.migrationId, signalOf());
    },
    restoreSource: (input) => restoreSource(deps, input),
    async watchSource(input) {
      const source = deps.site(input.source);
      const signal = signalOf();
      for (const endsAt = performance.now() + input.forMs; performance.now() < endsAt;) {
        if ((await source.runState(input.vm, signal))?.instance === null) {
          await restoreSource(deps, { ...input, start: true });
          return { startedAgain: true };
        }
        await pause(WATCH_POLL_MS, signal);
      }
      return { startedAgain: false };
    },
    cleanSource: (ref) => cleanSource(deps, ref),
    async cleanTarget(input) {
      const target = deps.site(input.target);
      const state = await target.readReplica(input.migrationId, signalOf());
      if (state?.whole && input.keepWhole) {
        await target.discardTorn(input.migrationId, signalOf());
        await target.mergeLayers(input.migrationId, signalOf());
        return { kept: true, disks: await rootsOf(target, state) };
      }
      // Without a state, too: its creation may have been cut off half-way.
      await target.removeReplica(input.migrationId, signalOf());
      return { kept: false };
    },
  };
}

async function restoreSource(
  deps: ActivityDeps,
  input: Parameters<MigrationActivities['restoreSource']>[0],
): Promise<void> {
  const source = deps.site(input.source);
  if (!input.targetConfirmedDown) await assertTargetGone(deps, input);
  await source.endPoints(input.vm, input.migrationId, signalOf());
  await source.setAutostart(input.vm, input.autostart, signalOf());
  const run = await source.runState(input.vm, signalOf());
  if (!input.start || run?.state === 'running') return;
  // A crashed guest may have left its QEMU, which would pass for one that runs.
  if (run?.state === 'crashed') await source.forceOff(input.vm, signalOf());
  await source.start(input.vm, signalOf());
}

/** Ends points, checkpoints and claim at the source. */
export async function cleanSource(deps: ActivityDeps, ref: Ref): Promise<void> {
  const source = deps.site(ref.source);
  await source.endPoints(ref.vm, ref.migrationId, signalOf());
  await source.deleteCheckpoints(ref.vm, ref.migrationId, [], signalOf());
  await source.releaseClaim(ref.vm, ref.migrationId, signalOf());
}

/** Of a replica that was read back, from its manifests; none of one that was not. */
async function rootsOf(target: Site, { owner, whole, verifiedPass }: ReplicaState): Promise<DiskRecord[]> {
  if (!whole || verifiedPass < whole.pass) return [];
  const plan = { limiter: new RateLimiter(null), progress: new Progress(), signal: signalOf(), ranges: null };
  return (await verifyDisks(target, owner.migrationId, { ...plan, roots: true })).disks;
}

/** Takes over what another migration kept, once its workflow is seen to be over. */
async function adopt(deps: ActivityDeps, target: Site, kept: string, spec: ReplicaSpec): Promise<void> {
  const state = await target.readReplica(kept, signalOf());
  const others = state !== null && state.owner.migrationId !== spec.owner.migrationId;
  if (others && (await deps.workflowRuns(state.owner))) {
    throw new VmferryError(
      'Conflict',
      `cannot adopt the replica of ${kept}: its workflow ${state.owner.workflowId} runs`,
      {
        remedy: 'Let that migration end, then resume.',
      },
    );
  }
  await target.adoptReplica(kept, spec, signalOf());
}

/**
 * The source is started only after the target was seen unable to run: undefined at its own site, under whatever name; and
 * what has the same id, though nothing marks it as ours, does not run there.
 */
async function assertTargetGone(
  deps: ActivityDeps,
  ref: Parameters<MigrationActivities['restoreSource']>[0],
): Promise<void> {
  const target = deps.site(ref.target);
  const owned = (await target.listOwned(signalOf())).find(
    ({ kind, migrationId }) => kind.endsWith('-target') && migrationId === ref.migrationId,
  );
  const source = await deps.site(ref.source).whereabouts({ name: ref.vm }, [], signalOf());
  const twin = source && (await target.whereabouts({ id: source.id }, [], signalOf()));
  const runs = twin && twin.run.state !== 'off';
  if (!owned && !runs) return;
  const still = owned ? `${owned.name} is still defined` : `${twin?.name}, which has the same UUID, runs`;
  throw new VmferryError('Unsafe', `cannot start ${ref.vm} at ${ref.source}: ${still} at ${ref.target}`, {
    remedy: `Stop and undefine it there, or declare that side down: vmferry confirm-down --side target`,
  });
}
