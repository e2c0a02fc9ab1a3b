import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Environment } from './environment.js';
import { FakeWorld } from './fake-world.js';

let environment: Environment;
before(async () => {
  environment = await Environment.start();
});
after(() => environment.stop());

const automatic = { cutover: { approval: 'automatic' as const } };

test('a target that is lost before anything was defined there does not keep the source from starting', async () => {
  const world = new FakeWorld();
  const seen: boolean[] = [];
  world.fail('verifyPass', 'Denied');
  world.fail('cleanTarget', 'Denied');
  world.onRestore = (input) => seen.push(input.targetConfirmedDown);
  await environment.migrate(world, automatic, async (run) => {
    const waiting = await run.phase('needs-attention');
    assert.equal(world.sourceRuns, true, JSON.stringify(waiting.error));
    await run.update('confirmSiteDown', { side: 'target' });
    assert.equal((await run.result()).outcome, 'rolled-back');
  });
  assert.deepEqual(seen, [true]);
  assert.deepEqual(world.violations, []);
});

test('while the source is brought back, the target may be declared down, and is then left alone', async () => {
  const world = new FakeWorld();
  const seen: boolean[] = [];
  world.probesPass = false;
  world.fail('restoreSource', 'Denied');
  world.onRestore = (input) => seen.push(input.targetConfirmedDown);
  await environment.migrate(world, automatic, async (run) => {
    await run.phase('needs-attention');
    await run.update('confirmSiteDown', { side: 'target', by: 'ann' });
    const { outcome, status } = await run.result();
    assert.equal(outcome, 'rolled-back');
    assert.ok(status.ledger.some((entry) => entry.kind === 'replica' && entry.removedAt === null));
  });
  assert.deepEqual(seen, [true]);
  assert.equal(world.sourceRuns, true);
  assert.ok(!world.calls.includes('cleanTarget'));
});

test('the source is not retired before the target is final, whatever is declared down', async () => {
  const world = new FakeWorld();
  world.fail('finalizeTarget', 'Denied');
  await environment.migrate(world, automatic, async (run) => {
    await run.phase('awaiting-acceptance');
    await run.update('acceptTarget');
    const waiting = await run.phase('needs-attention');
    assert.ok(!waiting.decisions.includes('confirmSiteDown'));
    await assert.rejects(run.update('confirmSiteDown', { side: 'target' }));
    assert.ok(!world.calls.includes('retireSource'));
    await run.update('resume');
    assert.equal((await run.result()).outcome, 'completed');
  });
  assert.deepEqual(world.violations, []);
});

test('an abort while the source is put back after a guest that did not stop waits for that', async () => {
  const world = new FakeWorld();
  world.guestStops = false;
  world.fail('restoreSource', 'Denied');
  const cutover = { approval: 'automatic' as const, shutdown: 'graceful' as const, shutdownTimeout: '1s' };
  await environment.migrate(world, { cutover }, async (run) => {
    await run.phase('needs-attention');
    await run.update('abort');
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    assert.equal(world.calls.filter((name) => name === 'restoreSource').length, 1);
    await run.update('resume');
    assert.equal((await run.result()).outcome, 'aborted');
  });
  assert.equal(world.sourceRuns, true);
  assert.equal(world.autostart, true);
  assert.deepEqual(world.leftovers(), []);
});

test('a guest that stops after its cutover was called off is started again', async () => {
  const world = new FakeWorld();
  world.guestStops = false;
  const cutover = { approval: 'automatic' as const, shutdown: 'graceful' as const, shutdownTimeout: '1s' };
  await environment.migrate(world, { cutover }, async (run) => {
    await run.until('called off', ({ events }) => events.some(({ text }) => /called off/.test(text)));
    await run.phase('awaiting-approval');
    world.sourceRuns = false;
    await run.update('syncNow');
    await run.until('started again', ({ events }) => events.some(({ text }) => /was started again/.test(text)));
    assert.equal(world.sourceRuns, true);
    // Once: who stops it from now on means it.
    world.sourceRuns = false;
    const { passCount } = await run.status();
    await run.update('syncNow');
    await run.until('through another pass', (now) => now.passCount > passCount && now.work === 'idle');
    assert.equal(world.sourceRuns, false);
    await run.update('abort');
    assert.equal((await run.result()).outcome, 'aborted');
  });
  assert.deepEqual(world.violations, []);
});

test('a guest that was asked to stop is watched after an abort, and started again where it stops after all', async () => {
  for (const stopsLate of [true, false]) {
    const world = new FakeWorld();
    world.guestStops = false;
    world.stopsLate = stopsLate;
    const cutover = { approval: 'automatic' as const, shutdown: 'graceful' as const, shutdownTimeout: '1m' };
    await environment.migrate(world, { cutover }, async (run) => {
      await run.phase('cutting-over');
      while (!world.calls.includes('stopSource')) await new Promise((resolve) => setTimeout(resolve, 50));
      await run.update('abort');
      const { outcome, status } = await run.result();
      assert.equal(outcome, 'aborted');
      assert.equal(
        status.events.some(({ text }) => /stopped after all, and was started again/.test(text)),
        stopsLate,
      );
    });
    assert.equal(world.watchedForMs.length, 1);
    assert.ok(world.watchedForMs[0]! > 30_000 && world.watchedForMs[0]! <= 60_000);
    assert.equal(world.sourceRuns, true);
    assert.deepEqual(world.violations, []);
    assert.deepEqual(world.leftovers(), []);
  }
});

test('a source that cannot be retired with the target is retired by itself, and keeps nobody waiting when it is lost', async () => {
  for (const lost of [false, true]) {
    const world = new FakeWorld();
    world.retires = false;
    world.fail('retireSource', 'Denied');
    await environment.migrate(world, automatic, async (run) => {
      await run.phase('awaiting-acceptance');
      await run.update('acceptTarget');
      await run.phase('needs-attention');
      await (lost ? run.update('confirmSiteDown', { side: 'source', by: 'ann' }) : run.update('resume'));
      const { outcome, status } = await run.result();
      assert.equal(outcome, 'completed');
      const claim = status.ledger.find((entry) => entry.kind === 'claim');
      assert.equal(claim?.removedAt === null, lost);
      assert.equal(world.calls.filter((name) => name === 'finalizeTarget').length, 1);
    });
    assert.equal(world.claimed, lost);
  }
});

test('a source that somebody switched off before it was asked to stop is not started by the way back', async () => {
  const world = new FakeWorld();
  world.fail('holdSource', 'Drift');
  await environment.migrate(world, automatic, async (run) => {
    await run.phase('needs-attention');
    world.sourceRuns = false;
    await run.update('abort');
    assert.equal((await run.result()).outcome, 'aborted');
  });
  assert.equal(world.sourceRuns, false);
  assert.equal(world.autostart, true);
  assert.deepEqual(world.leftovers(), []);
});

test('a VM that another migration has is nothing to wait for; a target without room is', async () => {
  const taken = new FakeWorld();
  taken.fail('prepare', 'AlreadyClaimed');
  await environment.migrate(taken, automatic, async (run) => {
    await assert.rejects(
      run.handle.result(),
      (error: Error) => (error as Error & { cause: { type: string } }).cause.type === 'AlreadyClaimed',
    );
  });
  assert.ok(taken.calls.includes('cleanTarget'));
  const full = new FakeWorld();
  full.fail('prepare', 'NoSpace');
  await environment.migrate(full, {}, async (run) => {
    assert.equal((await run.phase('needs-attention')).error?.code, 'NoSpace');
    await run.update('resume');
    await run.phase('awaiting-approval');
  });
});

test("a source that cannot be seen when the target is to start is a human's to declare down, and the target goes on", async () => {
  for (const lostAt of ['startTarget', 'probeTarget'] as const) {
    const world = new FakeWorld();
    world.fail(lostAt, 'SourceLost');
    await environment.migrate(world, automatic, async (run) => {
      const waiting = await run.phase('needs-attention');
      assert.equal(waiting.error?.code, 'SourceLost');
      assert.ok(
        ['confirmSiteDown', 'resume', 'abort', 'undoCutover'].every((each) => waiting.decisions.includes(each)),
      );
      assert.equal(world.targetPlugged, false);
      await assert.rejects(run.update('confirmSiteDown', { side: 'target' }));
      await run.update('confirmSiteDown', { side: 'source', by: 'ann' });
      await run.phase('awaiting-acceptance');
      await run.update('acceptTarget');
      assert.equal((await run.result()).outcome, 'completed');
    });
    assert.equal(world.targetRuns, true);
    assert.equal(world.confirmedDown.at(-1), true);
    assert.deepEqual(world.violations, []);
  }
});

test('a lost source that is back is looked at again, and one that stays lost can be gone back to', async () => {
  const back = new FakeWorld();
  back.fail('startTarget', 'SourceLost');
  await environment.migrate(back, automatic, async (run) => {
    await run.phase('needs-attention');
    await run.update('resume');
    await run.phase('awaiting-acceptance');
    await run.update('acceptTarget');
    assert.equal((await run.result()).outcome, 'completed');
  });
  assert.ok(!back.confirmedDown.includes(true));
  for (const decision of ['undoCutover', 'abort'] as const) {
    const world = new FakeWorld();
    world.fail('startTarget', 'SourceLost');
    await environment.migrate(world, automatic, async (run) => {
      await run.phase('needs-attention');
      await run.update(decision);
      assert.equal((await run.result()).outcome, decision === 'abort' ? 'aborted' : 'rolled-back');
    });
    assert.equal(world.sourceRuns, true);
    assert.deepEqual(world.violations, []);
    assert.deepEqual(world.leftovers(), []);
  }
});

test('a source that was declared down is not asked for again when the target is final', async () => {
  const world = new FakeWorld();
  world.retires = false;
  world.fail('startTarget', 'SourceLost');
  await environment.migrate(world, automatic, async (run) => {
    await run.phase('needs-attention');
    await run.update('confirmSiteDown', { side: 'source' });
    await run.phase('awaiting-acceptance');
    await run.update('acceptTarget');
    const { outcome, status } = await run.result();
    assert.equal(outcome, 'completed');
    assert.ok(status.ledger.some((entry) => entry.kind === 'claim' && entry.removedAt === null));
  });
  assert.ok(!world.calls.includes('retireSource'));
});
