import assert from 'node:assert/strict';
import test from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { diskPrintOf, hardwarePrintOf } from '../../activities/assess.js';
import { cleanUpActivities } from '../../activities/clean-up.js';
import { cutOverActivities } from '../../activities/cut-over.js';
import type { ActivityDeps, Site } from '../../activities/deps.js';
import { keptSides } from '../../activities/sides.js';
import { VmferryError } from '../../src/errors.js';
import type { VmDescription } from '../../src/model/vm.js';

/** Activities of several steps: each half is safe to be the last, and the whole may be done again. */

const ref = { migrationId: '0123456789ab', vm: 'web01', source: 'old', target: 'new', targetName: 'web01' };
const off = { state: 'off', instance: null, autostart: false };
const description = { name: 'web01', firmware: 'bios', nvramPath: null, tpm: null, disks: [], nics: [] } as unknown;
const moved = { ...ref, autostart: true, movedAt: '2026-11-22T22:00:00.000Z' };

/** As the final pass saw it, and as it is. */
const stopped = { id: 'uuid', disks: { vda: 'as it was' } };
const found = { ...stopped, name: 'web01', run: off };
const defaults: Record<string, unknown> = {
  runState: off,
  whereabouts: found,
  readReplica: { whole: { result: { stopped } } },
};

type Answers = Record<string, (...args: unknown[]) => unknown>;

/** Sites that answer as told and to all else with nothing; `did` is what was asked for that changes anything. */
function world(answers: { old?: Answers; new?: Answers }): { deps: ActivityDeps; did: string[] } {
  const did: string[] = [];
  const reads = ['runState', 'describe', 'guestFacts', 'readSideState', 'whereabouts', 'readReplica'];
  const site = (name: 'old' | 'new') =>
    new Proxy({} as Site, {
      get:
        (_, method: string) =>
        (...args: unknown[]) => {
          if (!reads.includes(method)) did.push(`${method} ${name}`);
          const answer = answers[name]?.[method] ?? (() => defaults[method]);
          return new Promise((resolve) => resolve(answer(...args)));
        },
    });
  return { deps: { cluster: 'c', site } as unknown as ActivityDeps, did };
}

const run = <T>(work: (input: never) => Promise<T>, input: unknown) =>
  new MockActivityEnvironment().run(work as (input: unknown) => Promise<T>, input);

const fails = (code: ConstructorParameters<typeof VmferryError>[0]) => () => {
  throw new VmferryError(code, `fails with ${code}`);
};

test('no replica is made for a VM that another migration has claimed', async () => {
  const { deps, did } = world({ old: { claim: fails('AlreadyClaimed') } });
  await assert.rejects(run(cleanUpActivities(deps).prepare, { ...ref, disks: [] }), { code: 'AlreadyClaimed' });
  assert.deepEqual(did, ['claim old']);
});

test('what a preparation left that was cut off half-way is removed, though nothing says that it is a replica', async () => {
  const { deps, did } = world({ new: { readReplica: () => null } });
  assert.deepEqual(await run(cleanUpActivities(deps).cleanTarget, { ...ref, keepWhole: true }), { kept: false });
  assert.deepEqual(did, ['removeReplica new']);
});

test('a source that is not as assessed keeps its autostart', async () => {
  const { deps, did } = world({ old: { describe: () => description } });
  const prints = {
    diskPrint: diskPrintOf(description as VmDescription),
    hardwarePrint: hardwarePrintOf(description as VmDescription),
  };
  const { holdSource } = cutOverActivities(deps);
  await assert.rejects(run(holdSource, { ...ref, ...prints, diskPrint: 'another' }), { code: 'Drift' });
  assert.deepEqual(did, []);
  assert.deepEqual(await run(holdSource, { ...ref, ...prints }), { facts: null, running: false });
  assert.deepEqual(did, ['setAutostart old']);
});

test('a target is neither defined nor started beside a source that runs or could start by itself', async () => {
  const input = { ...ref, description, networks: {} };
  for (const state of [
    { ...off, state: 'running' },
    { ...off, autostart: true },
  ]) {
    const { deps, did } = world({ old: { whereabouts: () => ({ ...found, run: state }) } });
    await assert.rejects(run(cutOverActivities(deps).startTarget, input), { code: 'Unsafe' });
    assert.deepEqual(did, []);
  }
});

test('a target is not started when somebody started the source while it was defined', async () => {
  const states = [off, { ...off, state: 'running' }];
  const { deps, did } = world({
    old: { whereabouts: () => ({ ...found, run: states.shift() }), readSideState: () => ({ nvram: null, tpm: null }) },
  });
  const input = { ...ref, description, networks: {} };
  await assert.rejects(run(cutOverActivities(deps).startTarget, input), { code: 'Unsafe' });
  assert.deepEqual(did, ['define new']);
});

test('a target that an earlier try started is not started again', async () => {
  const { deps, did } = world({
    old: { readSideState: () => ({ nvram: null, tpm: null }) },
    new: { runState: () => ({ ...off, state: 'running' }) },
  });
  await run(cutOverActivities(deps).startTarget, { ...ref, description, networks: {} });
  assert.deepEqual(did, ['define new']);
});

test('a source that cannot be seen is told from one that is not off, and a short silence is waited out', async () => {
  const input = { ...ref, description, networks: {} };
  const gone = world({ old: { whereabouts: () => null } });
  await assert.rejects(run(cutOverActivities(gone.deps).startTarget, input), { code: 'SourceLost' });
  assert.deepEqual(gone.did, []);
  let asked = 0;
  const silent = world({
    old: {
      whereabouts: () => (++asked === 1 ? fails('Unreachable')() : found),
      readSideState: () => ({ nvram: null, tpm: null }),
    },
  });
  await run(cutOverActivities(silent.deps).startTarget, input);
  assert.deepEqual(silent.did, ['define new', 'start new']);
});

test('a source that was declared down is not asked for anything: what is beside its disks came with the final pass', async () => {
  const sides = keptSides({ nvram: Buffer.from('variables'), tpm: Buffer.from('state') });
  const defined: unknown[] = [];
  const lost = fails('Unreachable');
  const { deps, did } = world({
    old: { whereabouts: lost, readSideState: lost, runState: lost },
    new: {
      readReplica: () => ({ whole: { result: { stopped, sides } } }),
      define: (_, given) => void defined.push(given),
    },
  });
  const input = { ...ref, description, networks: {}, sourceConfirmedDown: true };
  await run(cutOverActivities(deps).startTarget, input);
  assert.deepEqual(did, ['define new', 'start new']);
  assert.deepEqual(defined, [{ nvram: Buffer.from('variables'), tpm: Buffer.from('state') }]);
  const running = world({ new: { readReplica: () => ({ whole: { result: { stopped: null } } }) } });
  await assert.rejects(run(cutOverActivities(running.deps).startTarget, input), { code: 'Unsafe' });
});

test("a target's network is plugged only while the source is seen off, and only when its turn has come", async () => {
  const input = { ...ref, probes: [], facts: null, startedAt: new Date().toISOString() };
  const running = world({ old: { whereabouts: () => ({ ...found, run: { ...off, state: 'running' } }) } });
  await assert.rejects(run(cutOverActivities(running.deps).probeTarget, { ...input, stage: 'online' }), {
    code: 'Unsafe',
  });
  assert.deepEqual(running.did, []);
  const { deps, did } = world({});
  await run(cutOverActivities(deps).probeTarget, { ...input, stage: 'offline' });
  assert.deepEqual(did, []);
  // The target, which is off here, does not run on: what counts is that it was plugged.
  const outcome = await run(cutOverActivities(deps).probeTarget, { ...input, stage: 'online' });
  assert.equal((outcome as { passed: boolean }).passed, false);
  assert.equal(did[0], 'setLinks new');
});

test('a source that cannot be retired does not make the target less final, and is not touched before that', async () => {
  const { deps, did } = world({ old: { retire: fails('Unreachable') } });
  assert.deepEqual(await run(cutOverActivities(deps).finalizeTarget, moved), { retired: false });
  assert.deepEqual(did, ['finalize new', 'retire old']);
  const torn = world({ new: { finalize: fails('NoSpace') } });
  await assert.rejects(run(cutOverActivities(torn.deps).finalizeTarget, moved), { code: 'NoSpace' });
  assert.deepEqual(torn.did, ['finalize new']);
});

test('a source is retired, then cleaned, in the same words at every try', async () => {
  const notes: unknown[] = [];
  const { deps, did } = world({ old: { retire: (_, note) => void notes.push(note) } });
  assert.deepEqual(await run(cutOverActivities(deps).finalizeTarget, moved), { retired: true });
  assert.deepEqual(did, ['finalize new', 'retire old', 'endPoints old', 'deleteCheckpoints old', 'releaseClaim old']);
  await run(cutOverActivities(deps).retireSource, moved);
  assert.equal(notes.length, 2);
  assert.equal(notes[0], notes[1]);
});

test('a source that was started and stopped again since the final pass leads back, and what it wrote is named', async () => {
  const { deps, did } = world({ old: { whereabouts: () => ({ ...found, disks: { vda: 'written to' } }) } });
  await assert.rejects(run(cutOverActivities(deps).startTarget, { ...ref, description, networks: {} }), {
    code: 'Drift',
    message: /vda of web01 at old changed since the final pass/,
  });
  assert.deepEqual(did, []);
});

test('a source is looked for by what names it for good, and one that is nowhere is not seen off', async () => {
  const asked: unknown[] = [];
  const renamed = world({
    old: {
      whereabouts: (key) => {
        asked.push(key);
        return { ...found, name: 'other', run: { ...off, state: 'running' } };
      },
    },
  });
  const input = { ...ref, description, networks: {} };
  await assert.rejects(run(cutOverActivities(renamed.deps).startTarget, input), {
    code: 'Unsafe',
    message: /web01, now called other, at old is running/,
  });
  assert.deepEqual(asked, [{ id: 'uuid' }]);
  const nowhere = world({ old: { whereabouts: () => null } });
  await assert.rejects(run(cutOverActivities(nowhere.deps).startTarget, input), {
    code: 'SourceLost',
    message: /not to be found at old/,
  });
  const running = world({ new: { readReplica: () => ({ whole: { result: { stopped: null } } }) } });
  await assert.rejects(run(cutOverActivities(running.deps).startTarget, input), { code: 'Unsafe' });
  for (const { did } of [renamed, nowhere, running]) assert.deepEqual(did, []);
});
