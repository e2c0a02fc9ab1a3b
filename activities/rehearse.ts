import { convert } from './convert.js';
import { ownerOf, pause, signalOf } from './context.js';
import type { ActivityDeps, Site } from './deps.js';
import { saveEvidence } from './evidence-files.js';
import type { MigrationActivities, RehearsalInput, RehearsalResult } from './io.js';
import { gatherEvidence, offline, planProbes, runProbes, runsOn } from './probes.js';

/** How long a rehearsed guest may take to stop before it is switched off; it is only measured. */
const STOP_MS = 120_000;

export function rehearseActivities(deps: ActivityDeps): Pick<MigrationActivities, 'rehearse' | 'endRehearsal'> {
  return {
    rehearse: (input) => rehearse(deps, input),
    endRehearsal: (ref) => deps.site(ref.target).endRehearsal(ref.migrationId, signalOf()),
  };
}

async function rehearse(deps: ActivityDeps, input: RehearsalInput): Promise<RehearsalResult> {
  const signal = signalOf();
  const target = deps.site(input.target);
  const source = deps.site(input.source);
  const owner = ownerOf(deps, input);
  // An earlier try may have left its domain.
  await target.endRehearsal(input.migrationId, signal);
  const sides = await source.readSideState(input.vm, signal);
  try {
    const converted = await convert(target, input, 'rehearsal', signal);
    const prepared = performance.now();
    const description = converted?.description ?? input.description;
    const vm = { owner, name: input.targetName, description, networks: input.networks };
    const name = await target.startRehearsal(vm, sides, input.network, signal);
    const started = performance.now();
    const planned = planProbes(input.probes, input.facts)
      // An isolated guest is reached by nothing but its agent and console.
      .filter(({ probe }) => input.network !== null || offline(probe))
      .map((each) => ({ ...each, probe: { ...each.probe, within: `${input.timeoutMs}ms` } }));
    const run =
      planned.length > 0
        ? await runProbes(target, name, planned, new Date().toISOString())
        : await runsOn(target, name);
    const evidence = await gatherEvidence(target, name, 'rehearsing', (file, bytes) =>
      saveEvidence(deps, input, file, bytes),
    );
    return {
      passed: run.passed,
      bootMs: run.firstPassedAt === null ? null : Math.round(run.firstPassedAt - started),
      defineMs: Math.round(started - prepared),
      conversion: converted,
      stopMs: run.passed ? await measureStop(target, name, signal) : null,
      probes: run.results,
      evidence,
    };
  } finally {
    // Not with the activity's own signal: what was started is removed when cancelled, too.
    await target.endRehearsal(input.migrationId);
  }
}

async function measureStop(target: Site, name: string, signal: AbortSignal): Promise<number | null> {
  const began = performance.now();
  await target.requestShutdown(name, signal);
  while (performance.now() - began < STOP_MS) {
    const run = await target.runState(name, signal);
    if (run === null || run.state === 'off') return Math.round(performance.now() - began);
    await pause(250, signal);
  }
  return null;
}
