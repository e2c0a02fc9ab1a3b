import { VmferryError } from '../src/errors.js';
import type { VmDescription } from '../src/model/vm.js';
import { diskPrintOf, hardwarePrintOf } from './assess.js';
import { cleanSource } from './clean-up.js';
import { ownerOf, pause, signalOf } from './context.js';
import type { ActivityDeps, Site } from './deps.js';
import { saveEvidence } from './evidence-files.js';
import type { MigrationActivities, ProbeInput, ProbeOutcome, Ref, StopResult } from './io.js';
import { gatherEvidence, offline, planProbes, runProbes, runsOn } from './probes.js';
import { sidesOf } from './sides.js';
import { assertSourceOff, finalPassOf } from './stopped.js';

const POLL_MS = 200;
/** A guest that did not react to the first request to stop is asked again. */
const ASK_AGAIN_MS = 30_000;

type Names =
  'holdSource' | 'stopSource' | 'forceStopSource' | 'startTarget' | 'probeTarget' | 'finalizeTarget' | 'retireSource';

export function cutOverActivities(deps: ActivityDeps): Pick<MigrationActivities, Names> {
  return {
    async holdSource(input) {
      const source = deps.site(input.source);
      const found = await source.describe(input.vm, signalOf());
      assertAsAssessed(found, input);
      const run = await source.runState(input.vm, signalOf());
      const facts = run?.state === 'running' ? await source.guestFacts(input.vm, signalOf()) : null;
      await source.setAutostart(input.vm, false, signalOf());
      return { facts, running: run?.state === 'running' || run?.state === 'paused' };
    },
    stopSource: (input) => stopSource(deps.site(input.source), input.vm, input.timeoutMs),
    async forceStopSource(ref) {
      const began = performance.now();
      await deps.site(ref.source).forceOff(ref.vm, signalOf());
      return { off: true, tookMs: Math.round(performance.now() - began) };
    },
    async startTarget(input) {
      const target = deps.site(input.target);
      const kept = await finalPassOf(deps, input);
      const [sides] = await Promise.all([
        sidesOf(deps, input, input.description, kept.sides ?? null),
        assertSourceOff(deps, input, kept),
      ]);
      const vm = {
        owner: ownerOf(deps, input),
        name: input.targetName,
        description: input.description,
        networks: input.networks,
      };
      await target.define(vm, sides, signalOf());
      // Looked at again: defining takes a while, and somebody may have started the source meanwhile.
      const running = target.runState(input.targetName, signalOf());
      const [run] = await Promise.all([running, assertSourceOff(deps, input, kept)]);
      if (run?.state !== 'running') await target.start(input.targetName, signalOf());
    },
    async probeTarget(input) {
      if (input.stage === 'online') {
        await assertSourceOff(deps, input, await finalPassOf(deps, input));
        await deps.site(input.target).setLinks(input.targetName, true, signalOf());
      }
      return await probeTarget(deps, input);
    },
    async finalizeTarget(input) {
      const signal = signalOf();
      await deps.site(input.target).finalize(input.targetName, input.migrationId, input.autostart, signal);
      try {
        await retireSource(deps, input);
        return { retired: true };
      } catch (error) {
        if (signal.aborted) throw error;
        return { retired: false };
      }
    },
    retireSource: (ref) => retireSource(deps, ref),
  };
}

async function retireSource(deps: ActivityDeps, ref: Ref & { movedAt: string }): Promise<void> {
  const { target, targetName, migrationId, movedAt } = ref;
  // The same words at every try: they are added to the VM's description once.
  const note = `moved to ${target} as ${targetName} by vmferry migration ${migrationId} at ${movedAt}`;
  await deps.site(ref.source).retire(ref.vm, note, signalOf());
  await cleanSource(deps, ref);
}

/** @throws VmferryError `Drift` when disks were added, removed, resized or exchanged, or other hardware changed. */
export function assertAsAssessed(found: VmDescription, expected: { diskPrint: string; hardwarePrint: string }): void {
  if (diskPrintOf(found) !== expected.diskPrint) throw driftOfDisks(found.name);
  if (hardwarePrintOf(found) !== expected.hardwarePrint) {
    throw new VmferryError('Drift', `cannot go on with ${found.name}: its hardware changed since it was assessed`, {
      remedy: 'Put it back as it was and resume, or abort and start a new migration.',
    });
  }
}

export function driftOfDisks(vm: string): VmferryError {
  return new VmferryError('Drift', `cannot go on with ${vm}: its disks changed since it was assessed`, {
    remedy: 'Put them back as they were and resume, or abort and start a new migration.',
  });
}

async function stopSource(source: Site, vm: string, timeoutMs: number): Promise<StopResult> {
  const signal = signalOf();
  const began = performance.now();
  let askedAt = -Infinity;
  for (;;) {
    const run = await source.runState(vm, signal);
    const tookMs = Math.round(performance.now() - began);
    if (run === null) throw new VmferryError('Drift', `cannot stop ${vm}: it is not defined any more`);
    if (run.state === 'off') return { off: true, tookMs };
    // The guest is dead, but its QEMU may be kept (on_crash preserve) and then holds the disks.
    if (run.state === 'crashed') {
      await source.forceOff(vm, signal);
      return { off: true, tookMs };
    }
    if (tookMs >= timeoutMs) return { off: false, tookMs };
    if (performance.now() - askedAt >= ASK_AGAIN_MS) {
      askedAt = performance.now();
      // A guest that refuses is found by the time that it takes.
      await source.requestShutdown(vm, signal).catch((error: unknown) => {
        if (!(error instanceof VmferryError) || error.code !== 'GuestUnwilling') throw error;
      });
    }
    await pause(POLL_MS, signal);
  }
}

async function probeTarget(deps: ActivityDeps, input: ProbeInput): Promise<ProbeOutcome> {
  const target = deps.site(input.target);
  const all = planProbes(input.probes, input.facts);
  const planned = all.filter(({ probe }) => offline(probe) === (input.stage === 'offline'));
  const nothing = { results: [], passed: true, firstPassedAt: null };
  // With nothing to ask at all, that it runs on is asked once, at the end.
  const run =
    planned.length > 0
      ? await runProbes(target, input.targetName, planned, input.startedAt)
      : all.length === 0 && input.stage === 'online'
        ? await runsOn(target, input.targetName)
        : nothing;
  const last = input.stage === 'online' || !run.passed;
  const evidence = last
    ? await gatherEvidence(target, input.targetName, 'validating', (file, bytes) =>
        saveEvidence(deps, input, file, bytes),
      )
    : [];
  return {
    passed: run.passed,
    firstPassed: run.firstPassedAt !== null,
    firstPassedAgoMs: run.firstPassedAt === null ? 0 : performance.now() - run.firstPassedAt,
    results: run.results,
    evidence,
  };
}
