import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { buildReport } from '../../src/report/build.js';
import { Environment, type Patience } from './environment.js';
import type { Run } from '../run.js';
import { FakeWorld } from './fake-world.js';

let environment: Environment;
before(async () => {
  environment = await Environment.start();
});
after(() => environment.stop());

const automatic = { cutover: { approval: 'automatic' as const }, notify: { hook: 'mail' } };
const soon: Patience = { TAKEN_UP_PATIENT_MS: 1_000, TAKEN_UP_QUICK_MS: 1_000 };

test('a site without a worker is named with the cure, and the migration goes on by itself when there is one', async () => {
  const world = new FakeWorld();
  await environment.migrate(
    world,
    { notify: { hook: 'mail' } },
    async (run, workers) => {
      const waiting = await run.phase('needs-attention');
      assert.equal(waiting.error?.code, 'Unreachable');
      assert.match(waiting.error.message, /none polls task queue vmferry\.site\.old-/);
      assert.match(waiting.error.remedy ?? '', /vmferry worker --site old-/);
      assert.match(waiting.waitingFor ?? '', /a worker for old-.*, or resume/);
      assert.ok(waiting.decisions.includes('resume') && waiting.decisions.includes('abort'));
      await run.until('told', () => world.notices.includes('needs-attention'));
      await workers.start('source');
      const { error, events } = await run.phase('awaiting-approval');
      assert.equal(error, null);
      assert.ok(events.some((event) => /a worker for old-.* answers/.test(event.text)));
    },
    { without: ['source'], patience: soon },
  );
});

test('a migration whose sites have no worker at all ends when it is aborted, and says that nobody wrote the report', async () => {
  const world = new FakeWorld();
  await environment.migrate(
    world,
    automatic,
    async (run) => {
      await run.phase('needs-attention');
      await run.update('abort');
      const { outcome, status } = await run.result();
      assert.equal(outcome, 'aborted');
      assert.equal(status.reportPath, null);
      assert.ok(status.events.some((event) => /the report was not written: no worker took up/.test(event.text)));
      assert.ok(status.events.some((event) => /the notification of finished failed: no worker/.test(event.text)));
    },
    { without: ['source', 'target'], patience: soon },
  );
  assert.deepEqual(world.calls, ['checkSites']);
});

test('with a worker for the source alone, the report is written and people are told from there', async () => {
  const world = new FakeWorld();
  world.findings = [{ id: 'disk.shareable', severity: 'blocking', message: 'vda is shareable', remedy: 'detach it' }];
  await environment.migrate(
    world,
    automatic,
    async (run) => {
      await assert.rejects(run.handle.result());
    },
    { without: ['target'], patience: soon },
  );
  assert.equal(world.reports.length, 1);
  assert.deepEqual(world.notices, ['failed', 'finished']);
});

test('a target that loses its worker in the cutover is taken back as soon as one is there, and the source runs again', async () => {
  const world = new FakeWorld();
  world.held.add('probeTarget');
  await environment.migrate(
    world,
    automatic,
    async (run, workers) => {
      await run.phase('validating');
      await workers.stop('target');
      world.held.clear();
      const waiting = await run.phase('needs-attention');
      assert.match(waiting.waitingFor ?? '', /a worker for new-.*confirmSiteDown for the target/);
      assert.equal(world.sourceRuns, false);
      await workers.start('target');
      const { outcome, status } = await run.result();
      assert.equal(outcome, 'rolled-back');
      assert.equal(status.error?.code, 'Unreachable');
    },
    { patience: soon },
  );
  assert.equal(world.sourceRuns, true);
  assert.deepEqual(world.leftovers(), []);
  assert.deepEqual(world.violations, []);
});

test('a target that never comes back is declared down by a human; then the source runs, and status and report say why', async () => {
  const world = new FakeWorld();
  await environment.migrate(
    world,
    automatic,
    async (run, workers) => {
      await run.phase('awaiting-acceptance');
      await workers.stop('target');
      await run.update('undoCutover', { discardTargetWrites: true, by: 'ann' });
      const waiting = await run.phase('needs-attention');
      assert.equal(world.sourceRuns, false);
      assert.ok(waiting.decisions.includes('confirmSiteDown'));
      // What the human saw: the machine is off.
      world.targetRuns = false;
      await run.update('confirmSiteDown', { side: 'target', by: 'ben', comment: 'it burned' });
      const { outcome, status } = await run.result();
      assert.equal(outcome, 'rolled-back');
      assert.equal(world.sourceRuns, true);
      assert.ok(status.reportPath, 'written at the source');
      const report = buildReport(world.reports.at(-1)!);
      const decision = report.decisions.find((each) => each.name === 'confirmSiteDown');
      assert.deepEqual([decision?.by, decision?.comment, decision?.accepted], ['ben', 'it burned', true]);
      assert.deepEqual(
        report.ledger.filter((entry) => entry.removedAt === null).map((entry) => entry.kind),
        ['replica', 'domain'],
      );
      for (const what of [
        /^the source runs again, .* after it was off$/,
        /^nothing was cleaned at new-.*, which was declared down/,
      ])
        assert.ok(
          report.events.some((event) => what.test(event.text)),
          String(what),
        );
    },
    { patience: soon },
  );
  assert.equal(world.autostart, true);
  assert.equal(world.claimed, false);
  assert.deepEqual(world.violations, []);
});

test('a step whose workers are lost one after the other asks for a human', async () => {
  const world = new FakeWorld();
  world.beats = false;
  world.passMs = 60_000;
  const patience = { HEARTBEAT_TIMEOUT_MS: 500, PATIENT_TRIES: 1 };
  await environment.migrate(
    world,
    {},
    async (run) => {
      const waiting = await run.phase('needs-attention');
      assert.match(waiting.error?.message ?? '', /its workers are lost one after the other/);
      assert.equal(world.passInputs.length, 3);
      world.passMs = 0;
      await run.update('resume');
      assert.equal((await run.phase('awaiting-approval')).error, null);
    },
    { patience },
  );
});

test('a step that is interrupted again and again goes on in a new run', async () => {
  const world = new FakeWorld();
  world.passMs = 60_000;
  await environment.migrate(world, {}, async (run) => {
    await run.phase('seeding');
    const { runId } = await run.handle.describe();
    const { migrationId } = await run.status();
    for (let rate = 1; (await run.handle.describe()).runId === runId; rate++) {
      assert.ok(rate < 60, 'never in a new run');
      await run.signal('setBandwidth', { rate: `${rate}MiB/s` });
      await run.until('the pass runs limited', () => world.passInputs.at(-1)?.bandwidth === `${rate}MiB/s`);
    }
    world.passMs = 0;
    await run.update('setBandwidth', { rate: null });
    const status = await run.phase('awaiting-approval');
    assert.equal(status.migrationId, migrationId);
    assert.equal(status.passes[0]!.number, 1);
    const generations = world.passInputs.map((input) => input.generation);
    assert.equal(new Set(generations).size, generations.length);
  });
  assert.deepEqual(world.violations, []);
});

/** Sends messages that do not fit until the migration waits in a new run. */
async function untilNextRun(run: Run, phase: 'paused' | 'needs-attention'): Promise<void> {
  await run.phase(phase);
  const { runId } = await run.handle.describe();
  for (let sent = 0; (await run.handle.describe()).runId === runId; sent++) {
    assert.ok(sent < 200, 'never in a new run');
    await run.signal('forceStop', { by: 'a script' });
  }
  await run.phase(phase);
}

test('a wait that grows long goes on in a new run: paused, and in the way back', async () => {
  const world = new FakeWorld();
  world.probesPass = false;
  for (let times = 0; times < 2; times++) world.fail('removeTarget', 'Denied');
  await environment.migrate(
    world,
    {},
    async (run) => {
      await run.phase('awaiting-approval');
      await run.update('pause');
      await untilNextRun(run, 'paused');
      await run.update('resume');
      await run.phase('awaiting-approval');
      await run.update('approveCutover');
      await untilNextRun(run, 'needs-attention');
      assert.equal(world.sourceRuns, false);
      await run.update('resume');
      const { outcome, status } = await run.result();
      assert.equal(outcome, 'rolled-back');
      assert.equal(status.error?.code, 'ProbeFailed');
      assert.equal(status.trail[0]!.name, 'pause');
    },
    { patience: { ROOM_EVENTS: 30 } },
  );
  assert.equal(world.sourceRuns, true);
  assert.deepEqual(world.leftovers(), []);
  assert.deepEqual(world.violations, []);
});

test('a cutover that is being called off in one run is called off in the next', async () => {
  const world = new FakeWorld();
  world.guestStops = false;
  for (let times = 0; times < 2; times++) world.fail('restoreSource', 'Denied');
  const cutover = { approval: 'automatic' as const, shutdown: 'graceful' as const, shutdownTimeout: '1s' };
  await environment.migrate(
    world,
    { cutover },
    async (run) => {
      await untilNextRun(run, 'needs-attention');
      assert.equal(world.autostart, false);
      assert.equal((await run.status()).approval, null);
      await run.update('resume');
      const status = await run.phase('awaiting-approval');
      assert.ok(status.events.some((event) => /called off/.test(event.text)));
      assert.equal(world.autostart, true);
    },
    { patience: { ROOM_EVENTS: 30 } },
  );
  assert.deepEqual(world.violations, []);
});
