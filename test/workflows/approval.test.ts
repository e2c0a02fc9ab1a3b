import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Environment } from './environment.js';
import { FakeWorld } from './fake-world.js';

let environment: Environment;
before(async () => {
  environment = await Environment.start();
});
after(() => environment.stop());

const notify = { webhook: 'http://127.0.0.1:9/' };

test('a source that the last pass before its stop finds changed is not stopped: it needs a new approval', async () => {
  const world = new FakeWorld();
  await environment.migrate(world, { notify }, async (run) => {
    await run.phase('awaiting-approval');
    world.hardware = 'h2';
    await run.update('approveCutover', { by: 'ann' });
    const status = await run.until(
      'waiting again',
      (now) => now.phase === 'awaiting-approval' && now.events.some(({ text }) => /the cutover waits again/.test(text)),
    );
    assert.equal(status.approval, null);
    assert.equal(world.calls.includes('holdSource'), false);
    assert.equal(world.sourceRuns, true);
    // People are told again, each time that a decision is awaited.
    while (world.notices.filter((event) => event === 'decision-awaited').length < 2)
      await new Promise((resolve) => setTimeout(resolve, 50));
    await run.update('approveCutover', { by: 'ben' });
    assert.equal((await run.phase('awaiting-acceptance')).approval?.by, 'ben');
    await run.update('acceptTarget');
    assert.equal((await run.result()).outcome, 'completed');
  });
  assert.deepEqual(world.violations, []);
});

test('a drift that is seen last before the stop takes the approval back, and autostart with it', async () => {
  const world = new FakeWorld();
  world.fail('holdSource', 'Drift');
  await environment.migrate(world, {}, async (run) => {
    await run.phase('awaiting-approval');
    await run.update('approveCutover', { by: 'ann' });
    const stuck = await run.phase('needs-attention');
    assert.equal(stuck.approval, null);
    await run.update('resume');
    await run.phase('awaiting-approval');
    assert.equal(world.sourceRuns, true);
    assert.equal(world.autostart, true);
    assert.equal(world.calls.includes('stopSource'), false);
    await run.update('abort');
    assert.equal((await run.result()).outcome, 'aborted');
  });
});

test('a target that is kept though a probe failed has its network, and its undo gives up what it wrote only when told so', async () => {
  const world = new FakeWorld();
  world.probesPass = false;
  await environment.migrate(world, { cutover: { approval: 'automatic' }, undoOnFailedProbes: false }, async (run) => {
    await run.phase('awaiting-acceptance');
    assert.equal(world.targetPlugged, true);
    await assert.rejects(run.update('undoCutover'), (error: Error) => /discardTargetWrites/.test(String(error.cause)));
    await run.update('undoCutover', { discardTargetWrites: true });
    assert.equal((await run.result()).outcome, 'rolled-back');
  });
  assert.equal(world.sourceRuns, true);
  assert.deepEqual(world.violations, []);
});

test('a rejection takes the time along that came with the approval', async () => {
  const world = new FakeWorld();
  await environment.migrate(world, {}, async (run) => {
    await run.phase('awaiting-approval');
    await run.update('approveCutover', { at: new Date(Date.now() + 3_600_000).toISOString() });
    await run.update('rejectCutover');
    const { text } = await run.update('approveCutover');
    assert.match(text, /^cutover approved; predicted downtime /);
    await run.phase('awaiting-acceptance');
    await run.update('acceptTarget');
    await run.result();
  });
});

test('a time that is past is refused, from a signal as well, while a clock may be a minute behind', async () => {
  await environment.migrate(new FakeWorld(), {}, async (run) => {
    await run.phase('awaiting-approval');
    const at = new Date(Date.now() - 3_600_000).toISOString();
    for (const [name, instead] of [
      ['approveCutover', /is past, it is .* UTC now: leave it out to cut over at once/],
      ['scheduleCutover', /is past, it is .* UTC now: give a time that is to come/],
    ] as const) {
      await assert.rejects(run.update(name, { at }), (error: Error) => instead.test(String(error.cause)));
      await run.signal(name, { at });
      const { trail, approval } = await run.until('ignored', (status) => status.trail.at(-1)?.name === name);
      assert.equal(approval, null);
      assert.equal(trail.at(-1)?.accepted, false);
      assert.match(trail.at(-1)?.reason ?? '', instead);
    }
    await run.update('scheduleCutover', { at: new Date(Date.now() - 30_000).toISOString() });
    await run.update('approveCutover', { at: new Date(Date.now() - 30_000).toISOString() });
    await run.phase('awaiting-acceptance');
    await run.update('acceptTarget');
    await run.result();
  });
});

test('a "no" where nothing was approved is kept as what it is, and an approval after it counts', async () => {
  await environment.migrate(new FakeWorld(), {}, async (run) => {
    await run.phase('awaiting-approval');
    const said = 'nothing was approved yet; syncing goes on';
    assert.equal((await run.update('rejectCutover', { by: 'ann', comment: 'not today' })).text, said);
    const { trail } = await run.phase('awaiting-approval');
    assert.deepEqual(
      trail.map(({ name, by, accepted, reason }) => [name, by, accepted, reason]),
      [['rejectCutover', 'ann', true, said]],
    );
    await run.update('approveCutover', { at: new Date(Date.now() + 3_600_000).toISOString() });
    assert.equal((await run.update('rejectCutover')).text, 'approval withdrawn; syncing goes on');
    await run.update('approveCutover', { by: 'ben' });
    await run.phase('awaiting-acceptance');
    await run.update('acceptTarget');
    await run.result();
  });
});

test('the prediction that was approved stands, to be held against what is measured', async () => {
  const world = new FakeWorld();
  await environment.migrate(world, {}, async (run) => {
    await run.phase('awaiting-approval');
    await run.update('approveCutover');
    const { prediction, phases } = await run.phase('awaiting-acceptance');
    const verifying = phases.find(({ name }) => name === 'verifying')!;
    assert.ok(Date.parse(prediction!.at) < Date.parse(verifying.startedAt));
    await run.update('acceptTarget');
    await run.result();
  });
});

test('digests that a later pass made untrue are not reported, and a kept replica has those of its content', async () => {
  const world = new FakeWorld();
  world.keptRoot = 'r9';
  await environment.migrate(world, {}, async (run) => {
    const synced = await run.phase('awaiting-approval');
    assert.deepEqual(
      synced.disks.map((disk) => disk.rootDigest),
      [null],
    );
    await run.update('abort');
    const { status } = await run.result();
    assert.deepEqual(
      status.disks.map((disk) => disk.rootDigest),
      ['r9'],
    );
  });
});

test('a site that does not exist is refused at once, with those that do', async () => {
  for (const side of ['source', 'target'] as const) {
    const world = new FakeWorld();
    world.unknownSites.add('dc-odl');
    await environment.migrate(world, { [side]: 'dc-odl' }, async (run) => {
      const failed = await run.handle.result().then(
        () => assert.fail('it was to fail'),
        (error: Error) => error.cause as Error & { type: string },
      );
      assert.equal(failed.type, 'NotFound');
      assert.match(failed.message, /dc-odl.*dc-old, dc-new/);
    });
    assert.deepEqual(world.calls, ['checkSites']);
  }
});

test('a site that cannot be reached while the VM is assessed is waited for; who only wants to know is told at once', async () => {
  const world = new FakeWorld();
  world.fail('assess', 'Unreachable');
  await environment.migrate(world, {}, async (run) => {
    assert.equal((await run.phase('needs-attention')).error?.code, 'Unreachable');
    await run.update('resume');
    await run.phase('awaiting-approval');
    await run.update('abort');
    await run.result();
  });
  const asked = new FakeWorld();
  asked.fail('assess', 'Unreachable');
  await environment.migrate(asked, { dryRun: true }, async (run) => {
    await assert.rejects(run.handle.result());
  });
});

test('a workflow type that there is not fails at once, and says which there is', async () => {
  await environment.migrate(new FakeWorld(), {}, async (run) => {
    const client = environment.test.client;
    const { taskQueue } = await run.handle.describe();
    for (const [type, says] of [
      ['migrateWave', /not supported yet/],
      ['noSuchType', /there is no workflow type "noSuchType"; there is: migrateVm/],
    ] as const) {
      const started = await client.workflow.start(type, { taskQueue, workflowId: `unknown-${taskQueue}-${type}` });
      const why = await started.result().then(
        () => assert.fail('it was to fail'),
        (error: Error) => (error.cause as Error).message,
      );
      assert.match(why, says);
    }
    await run.update('abort');
    await run.result();
  });
});
