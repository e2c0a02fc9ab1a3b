import assert from 'node:assert/strict';
import test from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { cleanUpActivities } from '../../activities/clean-up.js';
import { cutOverActivities } from '../../activities/cut-over.js';
import type { ActivityDeps, Site } from '../../activities/deps.js';
import { toFailure } from '../../activities/interceptor.js';
import type { RunState } from '../../src/platforms/platform.js';

const ref = { migrationId: '0123456789ab', vm: 'web01', source: 'old', target: 'new', targetName: 'web01' };
const restore = { ...ref, start: true, autostart: true, targetConfirmedDown: false };

interface Side {
  state: RunState['state'] | null;
  owned?: string;
  /** What the migration's VM is called there, where it is called otherwise. */
  renamed?: string;
  /** A VM there has the UUID of the source. */
  twin?: boolean;
}

/** Two sites of which only what power needs is there; `did` says what was done to which. */
function world(sides: { old: Side; new: Side }): { deps: ActivityDeps; did: string[] } {
  const did: string[] = [];
  const site = (name: 'old' | 'new') => {
    const side = sides[name];
    const act = (what: string, state?: RunState['state']) => () => {
      did.push(`${what} ${name}`);
      if (state) side.state = state;
      return Promise.resolve();
    };
    return {
      runState: () =>
        Promise.resolve(
          side.state === null
            ? null
            : { state: side.state, instance: side.state === 'off' ? null : '1', autostart: false },
        ),
      listOwned: () =>
        Promise.resolve(
          side.owned
            ? [{ kind: 'libvirt-target', name: side.renamed ?? 'web01', migrationId: side.owned, owner: null }]
            : [],
        ),
      whereabouts: () =>
        Promise.resolve(
          name === 'old' || side.twin ? { id: 'uuid', name: 'web01', run: { state: side.state }, disks: {} } : null,
        ),
      endPoints: () => Promise.resolve(),
      setAutostart: (_vm: string, on: boolean) => act(`autostart ${on ? 'on' : 'off'}`)(),
      start: act('start', 'running'),
      forceOff: act('force off', 'off'),
      requestShutdown: act('ask', 'off'),
    } as unknown as Site;
  };
  return { deps: { site } as unknown as ActivityDeps, did };
}

const run = <T>(work: (input: never) => Promise<T>, input: unknown) =>
  new MockActivityEnvironment().run(work as (input: unknown) => Promise<T>, input);

test('the source is not started while the target of this migration is defined', async () => {
  const { deps, did } = world({ old: { state: 'off' }, new: { state: 'off', owned: ref.migrationId } });
  const { restoreSource } = cleanUpActivities(deps);
  await assert.rejects(run(restoreSource, restore), { code: 'Unsafe' });
  assert.deepEqual(did, []);
  await run(restoreSource, { ...restore, targetConfirmedDown: true });
  assert.deepEqual(did, ['autostart on old', 'start old']);
});

test('the source is not started beside a target that was renamed, or that runs though nothing marks it as ours', async () => {
  for (const side of [
    { state: null, owned: ref.migrationId, renamed: 'other' },
    { state: 'running', twin: true },
  ] as const) {
    const { deps, did } = world({ old: { state: 'off' }, new: side });
    await assert.rejects(run(cleanUpActivities(deps).restoreSource, restore), { code: 'Unsafe' });
    assert.deepEqual(did, []);
  }
  const { deps, did } = world({ old: { state: 'off' }, new: { state: 'off', twin: true } });
  await run(cleanUpActivities(deps).restoreSource, restore);
  assert.deepEqual(did, ['autostart on old', 'start old']);
});

test("somebody else's VM of the same name at the target keeps nobody from going back", async () => {
  const { deps, did } = world({ old: { state: 'off' }, new: { state: 'running', owned: 'ffffffffffff' } });
  await run(cleanUpActivities(deps).restoreSource, restore);
  assert.deepEqual(did, ['autostart on old', 'start old']);
});

test('a source that ran all the time gets its autostart back, and one that had none does not', async () => {
  for (const autostart of [true, false]) {
    const { deps, did } = world({ old: { state: 'running' }, new: { state: null } });
    await run(cleanUpActivities(deps).restoreSource, { ...restore, autostart });
    assert.deepEqual(did, [autostart ? 'autostart on old' : 'autostart off old']);
  }
});

test('a crashed guest counts as stopped only when its QEMU is gone, and is started anew on the way back', async () => {
  const stopped = world({ old: { state: 'crashed' }, new: { state: null } });
  const result = await run(cutOverActivities(stopped.deps).stopSource, { ...ref, timeoutMs: 1_000 });
  assert.equal((result as { off: boolean }).off, true);
  assert.deepEqual(stopped.did, ['force off old']);
  const back = world({ old: { state: 'crashed' }, new: { state: null } });
  await run(cleanUpActivities(back.deps).restoreSource, restore);
  assert.deepEqual(back.did, ['autostart on old', 'force off old', 'start old']);
});

test('a guest that stops late is started again, but not beside a target that is defined', async () => {
  const watch = { ...ref, forMs: 1_500, autostart: true, targetConfirmedDown: false };
  const on = world({ old: { state: 'running' }, new: { state: null } });
  assert.deepEqual(await run(cleanUpActivities(on.deps).watchSource, watch), { startedAgain: false });
  assert.deepEqual(on.did, []);
  const off = world({ old: { state: 'off' }, new: { state: null } });
  assert.deepEqual(await run(cleanUpActivities(off.deps).watchSource, watch), { startedAgain: true });
  assert.deepEqual(off.did, ['autostart on old', 'start old']);
  const both = world({ old: { state: 'off' }, new: { state: 'running', owned: ref.migrationId } });
  await assert.rejects(run(cleanUpActivities(both.deps).watchSource, watch), { code: 'Unsafe' });
  assert.deepEqual(both.did, []);
});

test('a worker that stops lets another try the step, and a cancellation stays one', () => {
  const aborted = (reason: string) => AbortSignal.abort(new CancelledFailure(reason));
  const stopped = toFailure(new CancelledFailure('WORKER_SHUTDOWN'), aborted('WORKER_SHUTDOWN'));
  assert.ok(stopped instanceof ApplicationFailure && stopped.nonRetryable !== true);
  assert.ok(toFailure(new Error('broken pipe'), aborted('CANCELLED')) instanceof CancelledFailure);
});
