import { VmferryError } from '../src/errors.js';
import type { Whereabouts } from '../src/platforms/platform.js';
import { pause, signalOf } from './context.js';
import type { ActivityDeps, Site } from './deps.js';
import type { PassInput, Ref } from './io.js';
import type { KeptSides } from './sides.js';

/**
 * Source and target never run at the same time, and nothing that the source's guest wrote is lost: what the stopped
 * source looked like when the final pass was whole is kept in the replica's state, and looked at again before the target
 * is started or plugged in.
 */
export type Stopped = Pick<Whereabouts, 'id' | 'disks'>;

/** What the last whole pass kept in the replica's state; a pass of a running source keeps neither. */
export interface FinalPass {
  stopped?: Stopped | null;
  sides?: KeptSides | null;
}

export async function finalPassOf(deps: ActivityDeps, ref: Ref): Promise<FinalPass> {
  const state = await deps.site(ref.target).readReplica(ref.migrationId, signalOf());
  return (state?.whole?.result as FinalPass | null | undefined) ?? {};
}

/** What the stopped source looks like while its disks are being read. */
export async function lookAtStopped(source: Site, input: PassInput, signal: AbortSignal): Promise<Stopped> {
  const found = await source.whereabouts({ name: input.vm }, input.disks, signal);
  if (found) return { id: found.id, disks: found.disks };
  throw new VmferryError('Drift', `cannot finish ${input.vm}: it is not at ${input.source} any more`, {
    remedy: 'The cutover is undone.',
  });
}

/** @throws VmferryError `Drift` where somebody wrote to the disks during the final pass. */
export async function assertUntouched(source: Site, ref: Ref, before: Stopped, signal: AbortSignal): Promise<void> {
  assertSame(ref, before, await source.whereabouts({ id: before.id }, Object.keys(before.disks), signal));
}

/** A source that cannot be reached is looked for so long before a human is asked. */
const LOOKING_MS = 60_000;
const LOOK_AGAIN_MS = 2_000;

/**
 * Nothing is started or plugged in unless the source is seen off, held off and untouched, under whatever name, or a human
 * declared it down.
 * @throws VmferryError `SourceLost` where it cannot be seen, `Unsafe`, `Drift`.
 */
export async function assertSourceOff(
  deps: ActivityDeps,
  ref: Ref & { sourceConfirmedDown?: boolean },
  kept: FinalPass,
): Promise<void> {
  const before = kept.stopped;
  if (!before) throw unsafe(`the last whole pass of ${ref.vm} was not taken of a stopped source`);
  if (ref.sourceConfirmedDown) return;
  const now = await seen(deps.site(ref.source), ref, before);
  const { run, name } = now;
  if (run.state !== 'off' || run.autostart) {
    const known = name === ref.vm ? name : `${ref.vm}, now called ${name},`;
    const state = run.state === 'off' ? 'set to start by itself' : run.state;
    throw unsafe(`${known} at ${ref.source} is ${state}`, 'Somebody started the source. The target is taken back.');
  }
  assertSame(ref, before, now);
}

/** The stopped source; a site that does not answer is asked again for a while. @throws VmferryError `SourceLost`. */
async function seen(source: Site, ref: Ref, before: Stopped): Promise<Whereabouts> {
  const signal = signalOf();
  const began = performance.now();
  for (;;) {
    try {
      const found = await source.whereabouts({ id: before.id }, Object.keys(before.disks), signal);
      if (found) return found;
      throw lost(`${ref.vm} (${before.id}) is not to be found at ${ref.source}`);
    } catch (error) {
      if (!(error instanceof VmferryError) || error.code !== 'Unreachable') throw error;
      if (performance.now() - began >= LOOKING_MS) throw lost(`${ref.source} does not answer: ${error.message}`, error);
      await pause(LOOK_AGAIN_MS, signal);
    }
  }
}

function lost(why: string, cause?: unknown): VmferryError {
  return new VmferryError('SourceLost', `cannot see that the source is off: ${why}`, {
    remedy:
      'Bring the site back and resume. If you know that the source does not run and will not, declare it down, and the target goes on: `vmferry confirm-down --side source`.',
    cause,
  });
}

function assertSame(ref: Ref, before: Stopped, now: Whereabouts | null): void {
  const written = Object.keys(before.disks).filter((id) => now?.disks[id] !== before.disks[id]);
  if (written.length === 0) return;
  throw new VmferryError(
    'Drift',
    `cannot go on with the target: ${written.join(', ')} of ${ref.vm} at ${ref.source} changed since the final pass, so the copy is not what the source holds`,
    {
      remedy:
        'Somebody started the source, or wrote to its disks, while it was to stay off. The cutover is undone; what was written is kept at the source.',
    },
  );
}

function unsafe(why: string, remedy = 'The target is taken back.'): VmferryError {
  return new VmferryError('Unsafe', `cannot go on with the target: ${why}`, { remedy });
}
