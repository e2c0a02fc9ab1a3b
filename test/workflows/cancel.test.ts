import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { MigrationActivities } from '../../activities/io.js';
import type { Phase } from '../../src/model/status.js';
import { Environment } from './environment.js';
import { FakeWorld } from './fake-world.js';

let environment: Environment;
before(async () => {
  environment = await Environment.start();
});
after(() => environment.stop());

const automatic = { cutover: { approval: 'automatic' as const } };

/** In which activity each phase is caught. */
const CAUGHT: [Phase, keyof MigrationActivities][] = [
  ['assessing', 'assess'],
  ['preparing', 'prepare'],
  ['seeding', 'runPass'],
  ['rehearsing', 'rehearse'],
  ['cutting-over', 'holdSource'],
  ['cutting-over', 'stopSource'],
  ['verifying', 'verifyPass'],
  ['starting', 'startTarget'],
  ['validating', 'probeTarget'],
];

for (const [phase, name] of CAUGHT) {
  for (const how of ['a cancellation before', 'an abort after'] as const) {
    test(`${how} the work of ${name} (${phase}) leaves the source running, and nothing but a whole replica`, async () => {
      const world = new FakeWorld();
      (how === 'an abort after' ? world.heldAfter : world.held).add(name);
      await environment.migrate(world, automatic, async (run) => {
        await run.until(`in ${name}`, (status) => status.phase === phase && world.calls.at(-1) === name);
        await (how === 'an abort after' ? run.update('abort', { by: 'ann' }) : run.handle.cancel());
        const { outcome, status } = await run.result();
        assert.equal(outcome, 'aborted');
        assert.deepEqual(
          status.trail.map((entry) => [entry.name, entry.accepted]),
          [['abort', true]],
        );
        assert.deepEqual(
          status.ledger.filter((entry) => entry.removedAt === null).map((entry) => entry.kind),
          world.whole > 0 ? ['replica'] : [],
        );
      });
      assert.equal(world.sourceRuns, true);
      assert.equal(world.autostart, true);
      assert.equal(world.targetDefined, false);
      assert.deepEqual(world.leftovers(), []);
      assert.deepEqual(world.violations, []);
    });
  }
}

test('a cancellation while paused, or while a human is waited for, is an abort', async () => {
  for (const phase of ['paused', 'needs-attention'] as const) {
    const world = new FakeWorld();
    if (phase === 'needs-attention') world.fail('runPass', 'NoSpace');
    await environment.migrate(world, {}, async (run) => {
      if (phase === 'paused') {
        await run.phase('awaiting-approval');
        await run.update('pause');
      }
      await run.phase(phase);
      await run.handle.cancel();
      assert.equal((await run.result()).outcome, 'aborted');
    });
    assert.equal(world.sourceRuns, true);
    assert.deepEqual(world.leftovers(), []);
  }
});

test('with the target running, neither an abort nor a cancellation chooses for the human who has to', async () => {
  const world = new FakeWorld();
  await environment.migrate(world, automatic, async (run) => {
    await run.phase('awaiting-acceptance');
    await assert.rejects(run.update('abort'), (error: Error) =>
      /the target runs: accept it, or undo with undoCutover/.test(String(error.cause)),
    );
    await run.handle.cancel();
    const status = await run.until('refused', (now) => now.trail.length === 1);
    assert.equal(status.phase, 'awaiting-acceptance');
    assert.match(status.trail[0]!.reason ?? '', /ignored: the target runs/);
    assert.equal(world.targetRuns, true);
    await run.update('acceptTarget');
    assert.equal((await run.result()).outcome, 'completed');
  });
  assert.equal(world.sourceRuns, false);
  assert.deepEqual(world.violations, []);
});

test('a cancellation changes nothing once the target becomes final, or the way back has begun', async () => {
  for (const [phase, name, outcome] of [
    ['finalizing', 'finalizeTarget', 'completed'],
    ['undoing', 'removeTarget', 'rolled-back'],
  ] as const) {
    const world = new FakeWorld();
    world.held.add(name);
    world.probesPass = phase === 'finalizing';
    const acceptance = { mode: 'automatic' as const, after: '1s' };
    await environment.migrate(world, { ...automatic, acceptance }, async (run) => {
      await run.phase(phase);
      await run.handle.cancel();
      await run.until('refused', (status) => status.trail.some((entry) => entry.name === 'abort' && !entry.accepted));
      world.held.clear();
      assert.equal((await run.result()).outcome, outcome);
    });
    assert.equal(world.sourceRuns, phase === 'undoing');
    assert.deepEqual(world.violations, []);
  }
});
