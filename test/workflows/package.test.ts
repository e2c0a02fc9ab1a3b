import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Environment } from './environment.js';
import { FakeWorld } from './fake-world.js';

/** A target that starts nothing: a package is written and read back, in place of rehearsal, start and probes. */

let environment: Environment;
before(async () => {
  environment = await Environment.start();
});
after(() => environment.stop());

function packing(): FakeWorld {
  const world = new FakeWorld();
  world.package = { kind: 'ova', diskFormat: 'vmdk' };
  return world;
}

test('a package takes the place of the rehearsal, the start and the probes, behind the same two gates', async () => {
  const world = packing();
  world.recordAs = 'package';
  await environment.migrate(world, {}, async (run) => {
    const waiting = await run.phase('awaiting-approval');
    assert.equal(waiting.predictedDowntimeMs, null);
    assert.deepEqual(waiting.package, { kind: 'ova', diskFormat: 'vmdk' });
    assert.ok(waiting.events.some(({ text }) => text === 'no rehearsal: the target keeps files and starts nothing'));
    const refused = await run.update('rehearse', {}).catch((error: unknown) => String(error));
    assert.notEqual(refused, undefined);
    await run.update('approveCutover', { by: 'ann' });
    const whole = await run.phase('awaiting-acceptance');
    assert.deepEqual([whole.downtimeMs, world.sourceRuns, world.targetRuns], [null, false, false]);
    assert.deepEqual(
      whole.probes.map(({ probe, passed }) => [probe, passed]),
      [['package: disk vda', true]],
    );
    await run.update('acceptTarget', {});
    const { outcome, status } = await run.result();
    assert.equal(outcome, 'completed');
    assert.deepEqual(
      status.ledger.filter((entry) => entry.removedAt === null).map((entry) => entry.kind),
      ['package'],
    );
  });
  assert.ok(!world.calls.includes('rehearse') && !world.calls.includes('startTarget'));
});

test('a guest whose conversion is asked for is converted before the package is written, and described with its devices', async () => {
  const world = packing();
  world.conversion = { devices: 'as-source', most: 'light', onlyDevices: true };
  await environment.migrate(world, { cutover: { approval: 'automatic' } }, async (run) => {
    const { conversions, phases } = await run.phase('awaiting-acceptance');
    assert.deepEqual(
      conversions?.map(({ stage, kind }) => [stage, kind]),
      [['cutover', 'light']],
    );
    assert.ok(phases.some(({ name }) => name === 'converting'));
    const made = world.calls.filter((call) => call === 'convertTarget' || call === 'writePackage');
    assert.deepEqual(made, ['convertTarget', 'writePackage']);
    assert.deepEqual(world.startedWith, ['virtio']);
    await run.update('undoCutover', {});
    assert.equal((await run.result()).outcome, 'rolled-back');
    assert.equal(world.sourceRuns, true);
  });
  assert.deepEqual(world.leftovers(), []);
});

test('a package that does not read back leads back to the source, whatever is asked of failed probes', async () => {
  const world = packing();
  world.probesPass = false;
  await environment.migrate(world, { undoOnFailedProbes: false }, async (run) => {
    await run.phase('awaiting-approval');
    await run.update('approveCutover', {});
    const { outcome, status } = await run.result();
    assert.equal(outcome, 'rolled-back');
    assert.equal(status.error?.code, 'VerifyFailed');
    assert.equal(world.sourceRuns, true);
  });
  assert.deepEqual(world.leftovers(), []);
});

test('a full disk is waited out, and the package undone without a word of writes at the target', async () => {
  const world = packing();
  world.fail('writePackage', 'NoSpace');
  await environment.migrate(world, {}, async (run) => {
    await run.phase('awaiting-approval');
    await run.update('approveCutover', {});
    const waiting = await run.phase('needs-attention');
    assert.equal(waiting.error?.code, 'NoSpace');
    await run.update('resume', {});
    await run.phase('awaiting-acceptance');
    await run.update('undoCutover', { by: 'ann' });
    const { outcome } = await run.result();
    assert.equal(outcome, 'rolled-back');
    assert.equal(world.sourceRuns, true);
  });
  assert.deepEqual(world.leftovers(), []);
});
