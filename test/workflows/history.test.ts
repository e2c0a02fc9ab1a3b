import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { WorkflowHandle } from '@temporalio/client';
import { Environment } from './environment.js';
import { FakeWorld } from './fake-world.js';

let environment: Environment;
before(async () => {
  // As the server comes: no history is cut short by continue-as-new.
  environment = await Environment.start(null);
});
after(() => environment.stop());

type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;

/** The phases that the search attribute showed, in order. */
function shownPhases(history: History): string[] {
  return history.events!.flatMap((event) => {
    const { searchAttributes } = event.upsertWorkflowSearchAttributesEventAttributes ?? {};
    const data = searchAttributes?.indexedFields?.['VmferryPhase']?.data;
    return data ? [JSON.parse(Buffer.from(data).toString()) as string] : [];
  });
}

test('a migration of three passes takes fewer than 120 events, and shows every phase that lasts', async () => {
  const world = new FakeWorld();
  // A source that is off needs no last delta: seed, delta, final.
  world.sourceRuns = false;
  await environment.migrate(world, { acceptance: { mode: 'automatic', after: '1s' } }, async (run) => {
    await run.phase('awaiting-approval');
    await run.update('approveCutover');
    const { status } = await run.result();
    assert.deepEqual(
      status.passes.map((pass) => pass.kind),
      ['seed', 'delta', 'final'],
    );
    const history = await run.handle.fetchHistory();
    const count = history.events!.length;
    assert.ok(count < 120, `${count} events`);
    const shown = shownPhases(history);
    assert.deepEqual(shown, [
      'assessing',
      'preparing',
      'seeding',
      'syncing',
      'rehearsing',
      'awaiting-approval',
      'cutting-over',
      'verifying',
      'starting',
      'validating',
      'awaiting-acceptance',
      'finalizing',
      'completed',
    ]);
    // What the status says beyond that took no time at all.
    const brief = status.phases.filter((phase) => phase.startedAt === phase.endedAt).map((phase) => phase.name);
    assert.ok(status.phases.every((phase) => shown.includes(phase.name)));
    assert.ok(status.phases.length - shown.length <= brief.length, JSON.stringify(status.phases));
  });
});

test('a further pass adds 12 events at most', async () => {
  const world = new FakeWorld();
  // Large deltas keep it converging at its short interval.
  world.deltaBytes = 1 << 28;
  await environment.migrate(world, { sync: { minInterval: '1s', interval: '60s' } }, async (run) => {
    const events = async () => (await run.handle.fetchHistory()).events!.length;
    await run.until('two passes', (status) => status.passCount === 2 && status.work === 'idle');
    const first = await events();
    await run.until('four passes', (status) => status.passCount === 4 && status.work === 'idle');
    const each = ((await events()) - first) / 2;
    assert.ok(each <= 12, `${each} events a pass`);
  });
});
