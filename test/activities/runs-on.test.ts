import assert from 'node:assert/strict';
import test from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { Site } from '../../activities/deps.js';
import { runsOn, type ProbeRun } from '../../activities/probes.js';
import type { RunState } from '../../src/platforms/platform.js';

/** A site of which only runs and resets are there. */
function site(runs: (RunState | null)[], resetAfterMs: number | null): Site {
  const last = () => runs[0] ?? null;
  return {
    runState: () => Promise.resolve(runs.length > 1 ? (runs.shift() ?? null) : last()),
    resetWithin: (_vm: string, _waitMs: number, signal: AbortSignal) =>
      new Promise((resolve) => {
        if (resetAfterMs !== null) setTimeout(() => resolve(true), resetAfterMs);
        else signal.addEventListener('abort', () => resolve(false), { once: true });
      }),
  } as unknown as Site;
}

const running = (instance: string): RunState => ({ state: 'running', instance, autostart: false });
const ask = (at: Site) =>
  new MockActivityEnvironment().run<[], ProbeRun, () => Promise<ProbeRun>>(() => runsOn(at, 'web01'));

test('a guest that is reset does not count as one that runs on', async () => {
  const { passed, results } = await ask(site([running('1')], 700));
  assert.equal(passed, false);
  assert.match(results[0]!.detail, /it was reset/);
});

test('a guest that goes off, or is started anew, does not count as one that runs on', async () => {
  const off = await ask(site([running('1'), running('1'), { ...running('1'), state: 'off', instance: null }], null));
  assert.deepEqual([off.passed, off.results[0]!.detail], [false, 'it is off']);
  const anew = await ask(site([running('1'), running('1'), running('2')], null));
  assert.deepEqual([anew.passed, anew.results[0]!.detail], [false, 'it was switched off and on']);
  assert.equal((await ask(site([null], null))).results[0]!.detail, 'it is gone');
});
