import type { Evidence, Phase, ProbeResult } from '../src/model/status.js';
import type { GuestFacts } from '../src/model/vm.js';
import { VmferryError } from '../src/errors.js';
import type { Probe } from '../src/request/probe.js';
import { parseDurationMs } from '../src/request/units.js';
import { pause, signalOf } from './context.js';
import type { Site } from './deps.js';

/** How often a probe that did not pass is tried again. */
const RETRY_MS = 500;
/** Without anything to ask, a guest counts as up when it ran this long without being switched off. */
const RUNS_ON_MS = 20_000;
const DEFAULT_WITHIN = '3m';

export interface PlannedProbe {
  probe: Probe;
  required: boolean;
}

/** What is asked of the target: the request's probes, else what answered at the source. */
export function planProbes(wished: Probe[] | null, facts: GuestFacts | null): PlannedProbe[] {
  if (wished) return wished.map((probe) => ({ probe, required: true }));
  if (!facts) return [];
  const address = facts.addresses[0];
  return [
    ...(facts.agent ? [{ probe: { kind: 'agent', within: DEFAULT_WITHIN } as const, required: true }] : []),
    ...facts.openPorts.map((port) => ({
      probe: { kind: 'tcp' as const, port, ...(address ? { address } : {}), within: DEFAULT_WITHIN },
      required: true,
    })),
  ];
}

export function nameOf(probe: Probe): string {
  switch (probe.kind) {
    case 'tcp':
      return `tcp ${probe.address ?? 'guest'}:${probe.port}`;
    case 'http':
      return `http ${probe.url ?? 'http://guest/'}`;
    case 'agent':
      return 'guest agent';
    case 'console':
      return `console "${probe.contains}"`;
  }
}

/** Whether a probe passes without any network. */
export function offline(probe: Probe): boolean {
  return probe.kind === 'agent' || probe.kind === 'console';
}

export interface ProbeRun {
  results: ProbeResult[];
  /** All required ones passed. */
  passed: boolean;
  /** `performance.now()` when the first passed, or null. */
  firstPassedAt: number | null;
}

/** Tries all probes at once, each until it passes or its time (from `startedAt`, ISO 8601) is over. */
export async function runProbes(site: Site, vm: string, planned: PlannedProbe[], startedAt: string): Promise<ProbeRun> {
  let firstPassedAt: number | null = null;
  const results = await Promise.all(
    planned.map(async ({ probe, required }) => {
      const result = await runProbe(site, vm, probe, startedAt);
      if (result.passed) firstPassedAt ??= performance.now();
      return { ...result, required };
    }),
  );
  return { results, passed: results.every((each) => each.passed || !each.required), firstPassedAt };
}

async function runProbe(
  site: Site,
  vm: string,
  probe: Probe,
  startedAt: string,
): Promise<Omit<ProbeResult, 'required'>> {
  const signal = signalOf();
  const began = performance.now();
  const endsAt = Date.parse(startedAt) + parseDurationMs(probe.within)!;
  for (;;) {
    const { passed, detail } = await site.probe(vm, probe, signal);
    const tookMs = Math.round(performance.now() - began);
    if (passed || Date.now() >= endsAt) return { probe: nameOf(probe), passed, tookMs, detail };
    await pause(RETRY_MS, signal);
  }
}

/**
 * Where nothing can be asked: the guest runs on, neither switched off nor reset. Passes with a warning in its detail.
 */
export async function runsOn(site: Site, vm: string): Promise<ProbeRun> {
  const began = performance.now();
  const fault = await whatStopsIt(site, vm);
  const passed = fault === null;
  const detail =
    fault ?? 'warning: nothing answered at the source, so only this was seen: it ran on for 20 s without a reset';
  const tookMs = Math.round(performance.now() - began);
  return {
    results: [{ probe: 'runs on', passed, required: true, tookMs, detail }],
    passed,
    firstPassedAt: passed ? performance.now() : null,
  };
}

/** What ended the run of a VM within the time that it has to run on, or null. */
async function whatStopsIt(site: Site, vm: string): Promise<string | null> {
  const over = new AbortController();
  const signal = AbortSignal.any([signalOf(), over.signal]);
  const listening = site.resetWithin(vm, RUNS_ON_MS, signal);
  const looking = (async () => {
    const began = performance.now();
    const first = await site.runState(vm, signal);
    while (performance.now() - began < RUNS_ON_MS) {
      const now = await site.runState(vm, signal);
      if (now?.state !== 'running') return `it is ${now?.state ?? 'gone'}`;
      if (now.instance !== first?.instance) return 'it was switched off and on';
      await pause(RETRY_MS, signal);
    }
    return null;
  })();
  const reset = listening.then((came) => (came ? 'it was reset: it does not get through its boot' : null));
  try {
    // Whichever finds something first; nothing is found only where both looked to the end.
    return (await Promise.race([looking, reset])) ?? (await looking) ?? (await reset);
  } finally {
    over.abort();
    await Promise.allSettled([looking, reset]);
  }
}

/** A picture of the screen and the console's last text, as evidence. What cannot be had is left out. */
export async function gatherEvidence(
  site: Site,
  vm: string,
  phase: Phase,
  save: (name: string, bytes: Buffer) => Promise<string>,
): Promise<Evidence[]> {
  const signal = signalOf();
  const at = new Date().toISOString();
  const evidence: Evidence[] = [];
  const picture = await quietly(() => site.screenshot(vm, signal));
  if (picture)
    evidence.push({
      kind: 'screenshot',
      phase,
      at,
      title: `Screen of ${vm}`,
      path: await save(`${phase}-screen.png`, picture),
      text: null,
    });
  const text = await quietly(() => site.consoleText(vm, signal));
  if (text)
    evidence.push({ kind: 'console', phase, at, title: `Console of ${vm}`, path: null, text: text.slice(-8_000) });
  return evidence;
}

async function quietly<T>(ask: () => Promise<T | null>): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof VmferryError && error.code === 'Cancelled') throw error;
    return null;
  }
}
