import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Environment } from './environment.js';
import { FakeWorld } from './fake-world.js';

let environment: Environment;
before(async () => {
  environment = await Environment.start();
});
after(() => environment.stop());

/** What every ending has in common. */
function assertSafe(world: FakeWorld): void {
  assert.deepEqual(world.violations, []);
  assert.deepEqual(world.leftovers(), []);
}

test('a migration approved by a signal and accepted by an update completes, with the source kept stopped', async () => {
  const world = new FakeWorld();
  world.recordAs = 'completed';
  await environment.migrate(world, {}, async (run) => {
    const waiting = await run.phase('awaiting-approval');
    assert.equal(waiting.waitingFor, 'approveCutover');
    assert.ok(waiting.decisions.includes('approveCutover'));
    assert.ok(!waiting.decisions.includes('acceptTarget'));
    assert.ok(waiting.predictedDowntimeMs! > 5_000);
    await run.signal('approveCutover', { by: 'ann', comment: 'go' });
    const running = await run.phase('awaiting-acceptance');
    assert.ok(running.downtimeMs !== null && running.downtimeMs >= 0);
    assert.equal(world.sourceRuns, false);
    assert.equal(world.targetPlugged, true);
    assert.equal((await run.update('acceptTarget', { by: 'ben' })).accepted, true);
    const { outcome, status } = await run.result();
    assert.equal(outcome, 'completed');
    assert.deepEqual(
      status.passes.map((pass) => pass.kind),
      ['seed', 'delta', 'delta', 'final'],
    );
    assert.deepEqual(
      status.trail.map(({ name, by, accepted }) => [name, by, accepted]),
      [
        ['approveCutover', 'ann', true],
        ['acceptTarget', 'ben', true],
      ],
    );
    assert.equal(status.disks[0]!.rootDigest, 'r2');
    assert.deepEqual(
      status.ledger.filter((entry) => entry.removedAt === null).map((entry) => entry.kind),
      ['domain'],
    );
  });
  assert.equal(world.sourceRuns, false);
  assert.equal(world.targetRuns, true);
  assert.deepEqual(world.violations, []);
});

test('a request with three wrong fields fails at once and names all three', async () => {
  await environment.migrate(
    new FakeWorld(),
    { vm: '-rf', cutover: { maxDowntime: 'soon' }, memory: 4 as never },
    async (run) => {
      await assert.rejects(run.handle.result(), (error: Error) => {
        const { type, message } = (error as Error & { cause: { type: string; message: string } }).cause;
        assert.equal(type, 'InvalidRequest');
        for (const field of ['vm: given "-rf"', 'cutover.maxDowntime: given "soon"', 'memory: given 4'])
          assert.ok(message.includes(field), message);
        return true;
      });
    },
  );
});

test('a failed probe brings the source back by itself', async () => {
  const world = new FakeWorld();
  world.recordAs = 'rolled-back';
  world.probesPass = false;
  await environment.migrate(world, { cutover: { approval: 'automatic' } }, async (run) => {
    const { outcome, status } = await run.result();
    assert.equal(outcome, 'rolled-back');
    assert.equal(status.error?.code, 'ProbeFailed');
    assert.equal(status.downtimeMs, null);
  });
  assert.equal(world.sourceRuns, true);
  assert.equal(world.autostart, true);
  assert.equal(world.targetPlugged, false);
  assertSafe(world);
});

test('an undo after passed probes needs discardTargetWrites, and then the source runs again', async () => {
  const world = new FakeWorld();
  await environment.migrate(world, { cutover: { approval: 'automatic' } }, async (run) => {
    await run.phase('awaiting-acceptance');
    await assert.rejects(run.update('undoCutover'), (error: Error) => /discardTargetWrites/.test(String(error.cause)));
    await run.signal('undoCutover', { by: 'ann' });
    await run.signal('abort');
    await run.update('undoCutover', { discardTargetWrites: true });
    const { outcome, status } = await run.result();
    assert.equal(outcome, 'rolled-back');
    assert.deepEqual(
      status.trail.map((entry) => entry.accepted),
      [false, false, true],
    );
  });
  assert.equal(world.sourceRuns, true);
  assertSafe(world);
});

test('decisions that do not fit, or are of the wrong type, change nothing and are kept with the reason', async () => {
  const world = new FakeWorld();
  world.recordAs = 'wrong-decisions';
  await environment.migrate(world, {}, async (run) => {
    await run.phase('awaiting-approval');
    for (const payload of [42, 'yes', [], { by: 7 }, { unknown: true }, { at: 'tomorrow' }])
      await run.signal('approveCutover', payload);
    await run.signal('acceptTarget');
    await run.signal('forceStop');
    await run.signal('confirmSiteDown', { side: 'target' });
    await assert.rejects(run.update('acceptTarget'), (error: Error) => /awaiting-approval/.test(String(error.cause)));
    await assert.rejects(run.update('setBandwidth', { rate: 'fast' }), (error: Error) =>
      /rate: given "fast"/.test(String(error.cause)),
    );
    const status = await run.until('all ignored', (now) => now.trail.length === 9);
    assert.equal(status.phase, 'awaiting-approval');
    assert.ok(status.trail.every((entry) => !entry.accepted && entry.reason));
    for (let nth = 0; nth < 10; nth++) await run.signal('approveCutover', { by: `approver ${nth}` });
    const approved = await run.phase('awaiting-acceptance');
    assert.equal(approved.trail.filter((entry) => entry.accepted).length, 1);
    assert.equal(approved.approval?.by, 'approver 0');
  });
});

test('payloads that nobody can read, and decisions that there are not, change nothing and are kept with the reason', async () => {
  await environment.migrate(new FakeWorld(), {}, async (run) => {
    await run.phase('awaiting-approval');
    for (const [encoding, text] of [
      ['json/plain', 'not json'],
      ['json/plain', ''],
      ['json/unheard-of', '{}'],
      ['json/protobuf', '{}'],
      ['binary/plain', '{}'],
    ] as const)
      await run.signalRaw('approveCutover', encoding, text);
    await run.signal('approve' as never, { by: 'ann' });
    const { trail, phase } = await run.until('all ignored', (now) => now.trail.length === 6);
    assert.equal(phase, 'awaiting-approval');
    assert.ok(trail.every((entry) => !entry.accepted));
    for (const entry of trail.slice(0, 5)) assert.match(entry.reason ?? '', /wrong payload: .*no JSON/);
    assert.equal(trail[5]?.by, 'ann');
    assert.match(trail[5]?.reason ?? '', /no such decision; there are approveCutover/);
    await run.update('approveCutover');
    await run.phase('awaiting-acceptance');
  });
});

test('a rejection withdraws the approval; a later approval counts again', async () => {
  const world = new FakeWorld();
  const later = new Date(Date.now() + 3_600_000).toISOString();
  await environment.migrate(world, {}, async (run) => {
    await run.phase('awaiting-approval');
    await run.update('approveCutover', { by: 'ann', at: later });
    assert.match((await run.phase('syncing')).waitingFor ?? '', /the cutover at/);
    const afterwards = new Date(Date.now() + 30 * 86_400_000).toISOString();
    await assert.rejects(run.update('scheduleCutover', { at: afterwards }), (error: Error) =>
      /the approval lapses at/.test(String(error.cause)),
    );
    await run.update('rejectCutover', { by: 'ben', comment: 'not today' });
    assert.equal((await run.phase('awaiting-approval')).approval, null);
    await run.update('scheduleCutover', { at: new Date().toISOString() });
    await run.update('approveCutover', { by: 'ann' });
    await run.phase('awaiting-acceptance');
  });
  assert.deepEqual(world.violations, []);
});

test('an approval lapses when it is not used in time, and somebody is told', async () => {
  const world = new FakeWorld();
  const request = {
    cutover: { approvalExpiry: '3s', at: new Date(Date.now() + 3_600_000).toISOString() },
    notify: { hook: 'mail' },
  };
  await environment.migrate(world, request, async (run) => {
    await run.phase('awaiting-approval');
    await run.update('approveCutover');
    await run.phase('syncing');
    const lapsed = await run.phase('awaiting-approval');
    assert.equal(lapsed.approval, null);
    assert.ok(lapsed.events.some((event) => /lapsed/.test(event.text)));
    await run.until('told', () => world.notices.includes('approval-lapsed'));
    assert.deepEqual(world.notices.slice(0, 3), ['decision-awaited', 'approval-lapsing', 'approval-lapsed']);
  });
});

test('a cutover predicted above maxDowntime is refused with the figures', async () => {
  const world = new FakeWorld();
  world.bootMs = 50_000;
  await environment.migrate(world, { cutover: { maxDowntime: '20s' } }, async (run) => {
    await run.phase('awaiting-approval');
    await assert.rejects(run.update('approveCutover'), (error: Error) =>
      /predicted downtime of 5\d s .*boot 50 s.*20s/.test(String(error.cause)),
    );
    assert.equal((await run.status()).approval, null);
  });
});

test('a pause interrupts a running pass, a resume goes on, and a new bandwidth restarts it with the limit', async () => {
  const world = new FakeWorld();
  world.recordAs = 'paused';
  world.passMs = 60_000;
  await environment.migrate(world, {}, async (run) => {
    await run.until('a pass runs', (status) => status.work === 'pass' && world.passInputs.length === 1);
    await run.update('pause', { by: 'ann' });
    const paused = await run.phase('paused');
    assert.deepEqual(
      paused.decisions.filter((name) => name === 'pause' || name === 'resume'),
      ['resume'],
    );
    await run.update('resume');
    await run.until('the pass runs again', () => world.passInputs.length === 2);
    await run.update('setBandwidth', { rate: '10MiB/s' });
    await run.until('the pass runs limited', () => world.passInputs.length === 3);
    assert.deepEqual(
      world.passInputs.map((input) => input.bandwidth),
      [null, null, '10MiB/s'],
    );
    const generations = world.passInputs.map((input) => input.generation);
    assert.deepEqual(
      generations,
      [...generations].sort((a, b) => a - b),
    );
    assert.equal(new Set(generations).size, 3);
    await run.update('abort');
    assert.equal((await run.result()).outcome, 'aborted');
  });
  assert.equal(world.sourceRuns, true);
  assertSafe(world);
});

test('a full disk waits for a human and goes on with resume', async () => {
  const world = new FakeWorld();
  world.fail('runPass', 'NoSpace');
  await environment.migrate(world, { notify: { hook: 'mail' } }, async (run) => {
    const waiting = await run.phase('needs-attention');
    assert.equal(waiting.error?.code, 'NoSpace');
    assert.match(waiting.waitingFor ?? '', /resume, after: mend NoSpace/);
    await run.update('resume');
    assert.equal((await run.phase('awaiting-approval')).error, null);
    assert.ok(world.notices.includes('needs-attention'));
  });
});

test('a guest that ignores shutdown is switched off only when a human says so', async () => {
  const world = new FakeWorld();
  world.guestStops = false;
  await environment.migrate(
    world,
    { cutover: { approval: 'automatic', shutdownTimeout: '1s', shutdown: 'ask' } },
    async (run) => {
      await run.until('asked', (status) => status.decisions.includes('forceStop'));
      assert.equal(world.sourceRuns, true);
      await run.update('forceStop', { by: 'ann' });
      await run.phase('awaiting-acceptance');
      assert.equal(world.sourceRuns, false);
    },
  );
  assert.deepEqual(world.violations, []);
});

test('with a graceful policy a guest that ignores shutdown calls the cutover off, and the migration goes on syncing', async () => {
  const world = new FakeWorld();
  world.recordAs = 'called-off';
  world.guestStops = false;
  await environment.migrate(
    world,
    { cutover: { approval: 'automatic', shutdownTimeout: '1s', shutdown: 'graceful' } },
    async (run) => {
      const status = await run.until(
        'called off',
        (now) => now.phase === 'awaiting-approval' && now.events.some((event) => /called off/.test(event.text)),
      );
      assert.equal(status.approval, null);
      assert.equal(world.sourceRuns, true);
      assert.equal(world.autostart, true);
    },
  );
});

test('a rejection while the guest refuses to stop calls the cutover off', async () => {
  const world = new FakeWorld();
  world.guestStops = false;
  await environment.migrate(
    world,
    { cutover: { approval: 'automatic', shutdownTimeout: '1s', shutdown: 'ask' } },
    async (run) => {
      await run.until('asked', (status) => status.decisions.includes('forceStop'));
      await run.update('rejectCutover');
      await run.phase('awaiting-approval');
      assert.equal(world.sourceRuns, true);
    },
  );
});

test('a target that is unreachable at rollback keeps the source down until a human declares it down', async () => {
  const world = new FakeWorld();
  world.recordAs = 'unreachable-target';
  world.probesPass = false;
  world.fail('removeTarget', 'Denied');
  world.fail('removeTarget', 'Denied');
  await environment.migrate(world, { cutover: { approval: 'automatic' } }, async (run) => {
    await run.phase('needs-attention');
    assert.equal(world.sourceRuns, false);
    await run.update('resume');
    await run.until(
      'waits again',
      (status) =>
        status.phase === 'needs-attention' &&
        status.events.filter((event) => /needs attention/.test(event.text)).length === 2,
    );
    assert.equal(world.sourceRuns, false);
    world.targetRuns = false;
    await assert.rejects(run.update('confirmSiteDown', { side: 'source' }));
    await run.update('confirmSiteDown', { side: 'target', by: 'ann' });
    const { outcome, status } = await run.result();
    assert.equal(outcome, 'rolled-back');
    assert.ok(status.ledger.some((entry) => entry.kind === 'domain' && entry.removedAt === null));
  });
  assert.equal(world.sourceRuns, true);
  assert.deepEqual(world.violations, []);
});

test('cancelling the workflow is an abort', async () => {
  const world = new FakeWorld();
  await environment.migrate(world, {}, async (run) => {
    await run.phase('awaiting-approval');
    await run.handle.cancel();
    const { outcome, status } = await run.result();
    assert.equal(outcome, 'aborted');
    assert.deepEqual(
      status.ledger.filter((entry) => entry.removedAt === null).map((entry) => entry.kind),
      ['replica'],
    );
  });
  assert.equal(world.sourceRuns, true);
  assertSafe(world);
});

test('a failed rehearsal withdraws what was approved before it', async () => {
  const world = new FakeWorld();
  world.rehearsalPasses = false;
  await environment.migrate(world, { cutover: { approval: 'automatic' } }, async (run) => {
    const status = await run.phase('awaiting-approval');
    assert.ok(status.events.some((event) => /rehearsal failed/.test(event.text)));
    assert.equal(world.sourceRuns, true);
  });
});

test('blocking findings end the migration before anything is touched, unless waived by name', async () => {
  const world = new FakeWorld();
  world.findings = [{ id: 'disk.shareable', severity: 'blocking', message: 'vda is shareable', remedy: 'detach it' }];
  await environment.migrate(world, {}, async (run) => {
    await assert.rejects(
      run.handle.result(),
      (error: Error) => (error as Error & { cause: { type: string } }).cause.type === 'BlockingFindings',
    );
  });
  assert.ok(!world.calls.includes('prepare'));
});

test('a dry run assesses and reports, and touches nothing', async () => {
  const world = new FakeWorld();
  await environment.migrate(world, { dryRun: true }, async (run) => {
    assert.equal((await run.result()).outcome, 'dry-run');
  });
  assert.deepEqual(world.calls, ['checkSites', 'assess', 'writeReport']);
});

test('hardware that changes takes the approval back and is assessed and rehearsed again', async () => {
  const world = new FakeWorld();
  world.recordAs = 'hardware-changed';
  const later = new Date(Date.now() + 3_600_000).toISOString();
  await environment.migrate(world, {}, async (run) => {
    await run.phase('awaiting-approval');
    await run.update('approveCutover', { at: later });
    world.hardware = 'h2';
    await run.until('idle', (status) => status.work === 'idle');
    await run.update('syncNow');
    const status = await run.until(
      'assessed again',
      (now) => now.phase === 'awaiting-approval' && now.events.some((event) => /not as assessed/.test(event.text)),
    );
    assert.equal(status.approval, null);
    assert.equal(world.calls.filter((name) => name === 'rehearse').length, 2);
  });
});

test('a run that grows long continues as new with nothing lost', async () => {
  const world = new FakeWorld();
  world.recordAs = 'continued-as-new';
  await environment.migrate(world, {}, async (run) => {
    await run.phase('awaiting-approval');
    const first = (await run.handle.describe()).runId;
    await run.signal('acceptTarget');
    let runId = first;
    while (runId === first) {
      const { passCount } = await run.status();
      await run.signal('syncNow');
      await run.until('one more pass', (status) => status.passCount > passCount && status.work === 'idle');
      runId = (await run.handle.describe()).runId;
    }
    const status = await run.phase('awaiting-approval');
    assert.equal(status.trail[0]!.name, 'acceptTarget');
    assert.equal(status.passes[0]!.kind, 'seed');
    const { migrationId } = status;
    await run.update('approveCutover');
    await run.phase('awaiting-acceptance');
    await run.update('acceptTarget');
    const result = await run.result();
    assert.equal(result.outcome, 'completed');
    assert.equal(result.status.migrationId, migrationId);
  });
  assert.deepEqual(world.violations, []);
});
