import { VmferryError } from '../src/errors.js';
import type { Limiter } from '../src/blocks/index.js';
import type { PassRecord } from '../src/model/status.js';
import type { OpenPoint, OpenReplica, ReplicaState } from '../src/platforms/platform.js';
import { diskPrintOf, hardwarePrintOf } from './assess.js';
import { attemptOf, ownerOf, showProgress, signalOf } from './context.js';
import { coarsened, copyDisks, type CopiedDisks, type WrittenRanges } from './copy-disks.js';
import { driftOfDisks } from './cut-over.js';
import type { ActivityDeps, Site } from './deps.js';
import type { MigrationActivities, PassInput, PassResult } from './io.js';
import { SiteLimits } from './limits.js';
import { withPointCommands } from './point-commands.js';
import { Progress } from './progress.js';
import { keptSides, type KeptSides } from './sides.js';
import { assertUntouched, lookAtStopped, type Stopped } from './stopped.js';
import { verifyDisks, type Verified } from './verify-disks.js';

/** A watchdog at the source ends the point when it hears nothing for a minute. */
const KEEP_ALIVE_MS = 5_000;
/** More tries than any activity gets, so that a pass's generation outranks its tries. */
const TRIES_A_GENERATION = 10_000;

export function passActivities(deps: ActivityDeps): Pick<MigrationActivities, 'runPass' | 'verifyPass'> {
  const limits = new SiteLimits(deps.config);
  return {
    runPass(input) {
      const progress = new Progress();
      showProgress(() => progress.list());
      return runPass(deps, limits, input, progress);
    },
    async verifyPass(input) {
      const progress = new Progress();
      showProgress(() => progress.list());
      const target = deps.site(input.target);
      const sealed = (await target.readReplica(input.migrationId, signalOf()))?.whole?.result as Sealed | undefined;
      const ranges = input.readBack ? null : (sealed?.written ?? null);
      const plan = {
        limiter: limits.of(input.bandwidth, input.target),
        progress,
        signal: signalOf(),
        ranges,
        roots: true,
      };
      const { disks, failure } = await verifyDisks(target, input.migrationId, plan);
      if (failure) throw failure;
      return disks;
    },
  };
}

/** What is kept in the replica's state for a retry after the seal, and for verify. */
interface Sealed extends Pick<
  PassResult,
  'record' | 'checkpoint' | 'instance' | 'hardwareChanged' | 'changedBytes' | 'missedBytes'
> {
  /** Where the pass may have written; null where everything has to be read back. Never leaves the site for the history. */
  written: WrittenRanges | null;
  /** What the source looked like when the final pass was whole; null for any other pass. Stays at the site, too. */
  stopped: Stopped | null;
  /** The state beside the disks of the stopped source, from where the target gets it. Stays at the site, too. */
  sides?: KeptSides | null;
}

/**
 * One pass over all disks: a point in time of the source, copied into the replica or a layer, sealed, verified. A retry
 * goes on with the same point if it is still there; after the seal it only tidies up.
 */
async function runPass(
  deps: ActivityDeps,
  limits: SiteLimits,
  input: PassInput,
  progress: Progress,
): Promise<PassResult> {
  const signal = signalOf();
  const source = deps.site(input.source);
  const target = deps.site(input.target);
  const before = await target.readReplica(input.migrationId, signal);
  if (before === null)
    throw new VmferryError(
      'Drift',
      `cannot copy to ${input.target}: the replica of migration ${input.migrationId} is gone`,
      { remedy: 'Abort, and start a new migration.' },
    );
  const limiter = limits.of(input.bandwidth, input.source, input.target);
  let sealed: Sealed;
  if (before.whole && before.whole.pass >= input.number) {
    sealed = before.whole.result as Sealed;
    await source.endPoints(input.vm, input.migrationId, signal);
  } else {
    sealed = await copyPass(deps, input, { progress, limiter, signal }).catch((error: unknown) =>
      sealedMeanwhile(target, input, error),
    );
  }
  const { written, ...result } = withoutSource(sealed);
  const reading = limits.of(input.bandwidth, input.target);
  const ranges = input.readBack ? null : written;
  const roots = input.kind === 'seed' || input.readBack === true;
  const plan = { limiter: reading, progress, signal, ranges, roots };
  const verifyAndMerge = async () => {
    const { disks, failure }: Verified = input.verify
      ? await verifyDisks(target, input.migrationId, plan)
      : { disks: [], failure: null };
    if (input.kind !== 'final') await target.mergeLayers(input.migrationId, signal);
    return { disks, failure };
  };
  const forget = async () => {
    // The final pass's checkpoints go at the end, when nothing can lead back to copying.
    if (input.kind === 'final') return;
    await source.deleteCheckpoints(input.vm, input.migrationId, [sealed.checkpoint], signal);
  };
  const [{ disks, failure }] = await bothToTheEnd(verifyAndMerge(), forget());
  if (!failure) return { ...result, disks, verified: input.verify };
  return { ...result, disks, verified: false, record: { ...result.record, note: failure.message } };
}

/** The history has no use for what the stopped source looks like, and must not hold what its TPM keeps. */
function withoutSource(sealed: Sealed): Omit<Sealed, 'stopped' | 'sides'> {
  const { stopped, sides, ...rest } = sealed;
  void stopped;
  void sides;
  return rest;
}

/** An earlier try may have sealed the pass while this one was about to begin; then there is nothing left to copy. */
async function sealedMeanwhile(target: Site, input: PassInput, error: unknown): Promise<Sealed> {
  if (!(error instanceof VmferryError) || error.code !== 'Superseded') throw error;
  const whole = (await target.readReplica(input.migrationId, signalOf()))?.whole;
  if (!whole || whole.pass < input.number) throw error;
  return whole.result as Sealed;
}

/** Both settle, whatever becomes of the other: nothing may go on when the activity has ended. */
async function bothToTheEnd<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([a, b]);
  return [await a, await b];
}

interface Running {
  progress: Progress;
  limiter: Limiter;
  signal: AbortSignal;
}

async function copyPass(deps: ActivityDeps, input: PassInput, running: Running): Promise<Sealed> {
  const { signal } = running;
  const source = deps.site(input.source);
  const began = performance.now();
  const startedAt = new Date().toISOString();
  const attempt = input.generation * TRIES_A_GENERATION + attemptOf();
  const looking = lookAt(source, input, signal);
  const opening = deps.site(input.target).openReplica(input.migrationId, input.number, attempt, signal);
  await Promise.allSettled([looking, opening]);
  const replica = await opening;
  try {
    const seen = await looking;
    const point = await openPoint(deps, source, input, replica, seen.instance !== null, signal);
    const lost = new AbortController();
    const final = input.kind === 'final';
    const lookingFirst = final ? lookAtStopped(source, input, signal) : Promise.resolve(null);
    const readingSides = final ? source.readSideState(input.vm, signal).then(keptSides) : Promise.resolve(null);
    // Awaited when all is copied.
    lookingFirst.catch(() => undefined);
    readingSides.catch(() => undefined);
    const alive = setInterval(() => void point.keepAlive().catch((error: unknown) => lost.abort(error)), KEEP_ALIVE_MS);
    try {
      const copied = await copyDisks({
        point,
        replica,
        ...running,
        audit: input.audit,
        signal: AbortSignal.any([signal, lost.signal]),
      });
      const first = await lookingFirst;
      if (first) await Promise.all([lookAt(source, input, signal), assertUntouched(source, input, first, signal)]);
      const sides = await readingSides;
      const reset = !final && (await point.wasReset(signal));
      const sealed: Sealed = {
        record: record(input, point, { ...copied, reset }, startedAt, performance.now() - began),
        checkpoint: point.checkpoint,
        instance: seen.instance,
        hardwareChanged: seen.hardwareChanged,
        changedBytes: copied.changedBytes,
        missedBytes: copied.missedBytes,
        written: trusted(replica.state) ? coarsened(copied.ranges) : null,
        stopped: first,
        sides,
      };
      await replica.seal({ pass: input.number, checkpoint: sealed.checkpoint, result: sealed });
      await bothToTheEnd(replica.close(), point.end());
      return sealed;
    } catch (error) {
      // The point stays at the source for the next try; its watchdog ends it if none comes.
      await point.detach().catch(() => undefined);
      // What the watchdog says outranks the errors of the connections that it cut.
      throw lost.signal.aborted && !signal.aborted ? lost.signal.reason : error;
    } finally {
      clearInterval(alive);
    }
  } finally {
    await replica.close().catch(() => undefined);
  }
}

/** Whether all that lies beneath this pass was read back; if not, leaves that are copied again may lie anywhere. */
function trusted(state: ReplicaState): boolean {
  return state.whole !== null && state.verifiedPass >= state.whole.pass;
}

/** @throws VmferryError `Drift` when the disks changed, or when the source runs in the final pass. */
async function lookAt(
  source: Site,
  input: PassInput,
  signal: AbortSignal,
): Promise<{ instance: string | null; hardwareChanged: boolean }> {
  const [found, run] = await Promise.all([source.describe(input.vm, signal), source.runState(input.vm, signal)]);
  if (diskPrintOf(found) !== input.diskPrint) throw driftOfDisks(input.vm);
  if (input.kind === 'final' && run?.state !== 'off') {
    throw new VmferryError(
      'Drift',
      `cannot finish ${input.vm}: somebody started it during the final pass (it is ${run?.state ?? 'gone'})`,
      {
        remedy: 'The cutover is undone; the source goes on as it runs.',
      },
    );
  }
  return { instance: run?.instance ?? null, hardwareChanged: hardwarePrintOf(found) !== input.hardwarePrint };
}

/** The point of an earlier try of this pass if it still exists, else a new one; noted beside the replica before the first block. */
async function openPoint(
  deps: ActivityDeps,
  source: Site,
  input: PassInput,
  replica: OpenReplica,
  running: boolean,
  signal: AbortSignal,
): Promise<OpenPoint> {
  const points = replica.state.torn?.points ?? [];
  // Without a point noted, whatever stands at the source was not copied from.
  const current = points.length > 0 ? await source.currentPoint(input.vm, input.migrationId, signal) : null;
  const known = current !== null && points.includes(current);
  const checkpoint = known ? current : pointName(input, points.length + 1);
  const { vm, disks, quiesce } = input;
  const since = sinceOf(replica.state, points);
  const open = () => source.openPoint({ owner: ownerOf(deps, input), vm, disks, checkpoint, since, quiesce }, signal);
  const point = await (running ? withPointCommands(source, input, known, open) : open());
  try {
    await replica.notePoint(point.checkpoint);
    return point;
  } catch (error) {
    await point.detach().catch(() => undefined);
    throw error;
  }
}

function pointName(input: PassInput, nth: number): string {
  const name = `vmferry-${input.migrationId}-${input.number}`;
  return nth === 1 ? name : `${name}-${nth}`;
}

/** Changes are asked for since the last whole pass; for a torn seed since the oldest of its points. */
function sinceOf(state: ReplicaState, points: readonly string[]): string | null {
  // An adopted replica is of no point that the source knows.
  return state.whole ? state.whole.checkpoint || null : (points[0] ?? null);
}

function record(
  input: PassInput,
  point: OpenPoint,
  copied: CopiedDisks & { reset: boolean },
  startedAt: string,
  durationMs: number,
): PassRecord {
  const notes = [point.note, copied.reset ? 'the guest rebooted during this pass' : null];
  return {
    number: input.number,
    kind: input.kind,
    bytesRead: copied.bytesRead,
    bytesWritten: copied.bytesWritten,
    durationMs: Math.round(durationMs),
    resumedFromBytes: copied.resumedFromBytes,
    startedAt,
    pointInTime: point.takenAt,
    quiesced: point.quiesced,
    tracking: copied.tracking,
    note: notes.filter(Boolean).join('; ') || null,
  };
}
