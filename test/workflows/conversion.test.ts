import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Environment } from './environment.js';
import { FakeWorld } from './fake-world.js';

/** When a guest is converted, what is known of it beforehand, and what it is then started on. */

let environment: Environment;
before(async () => {
  environment = await Environment.start();
});
after(() => environment.stop());

const automatic = { cutover: { approval: 'automatic' }, acceptance: { mode: 'automatic', after: '0s' } } as const;

function converting(kind: 'none' | 'light'): FakeWorld {
  const world = new FakeWorld();
  world.conversion = { devices: 'virtio', most: 'auto' };
  world.rehearsalConverts = kind;
  return world;
}

test('what the rehearsal changed in the guest is changed again at the cutover, which was predicted with its time', async () => {
  const world = converting('light');
  await environment.migrate(world, automatic, async (run) => {
    const { outcome, status } = await run.result();
    assert.equal(outcome, 'completed');
    assert.deepEqual(
      status.conversions?.map(({ stage, kind, tookMs, devices }) => [stage, kind, tookMs, devices]),
      [
        ['rehearsal', 'light', 4_000, 'network cards virtio'],
        ['cutover', 'light', 3_000, 'network cards virtio'],
      ],
    );
    const part = status.prediction?.parts.find(({ name }) => name === 'conversion');
    assert.deepEqual([part?.ms, part?.how], [4_000, 'as the rehearsal took']);
    assert.equal(status.findings.filter(({ id }) => id === 'guest.console-grubenv').length, 1, 'found once');
    const names = status.phases.map(({ name }) => name);
    assert.deepEqual(names.slice(names.indexOf('verifying'), names.indexOf('validating')), [
      'verifying',
      'converting',
      'starting',
    ]);
  });
  assert.deepEqual(world.startedWith, ['virtio']);
});

test('a guest that the rehearsal found fit as it is costs no second look while it is down', async () => {
  const world = converting('none');
  await environment.migrate(world, automatic, async (run) => {
    const { outcome, status } = await run.result();
    assert.equal(outcome, 'completed');
    assert.equal(status.prediction?.parts.find(({ name }) => name === 'conversion')?.ms, 0);
  });
  assert.equal(world.converted, false);
  assert.deepEqual(world.startedWith, ['virtio']);
});

test('without a rehearsal the guest is converted at the cutover, and the time that is predicted for it is said to be assumed', async () => {
  const world = converting('none');
  await environment.migrate(world, { ...automatic, rehearsal: { enabled: false } }, async (run) => {
    const { status } = await run.result();
    const part = status.prediction?.parts.find(({ name }) => name === 'conversion');
    assert.match(part?.how ?? '', /assumed/);
  });
  assert.equal(world.converted, true);
});

test('a conversion that fails at the cutover leads back to the source', async () => {
  const world = converting('light');
  world.fail('convertTarget', 'ConversionFailed');
  await environment.migrate(world, automatic, async (run) => {
    const { outcome, status } = await run.result();
    assert.equal(outcome, 'rolled-back');
    assert.equal(status.error?.code, 'ConversionFailed');
  });
  assert.equal(world.sourceRuns, true);
  assert.equal(world.targetDefined, false);
  assert.deepEqual(world.violations, []);
});

test('a guest whose devices stay is never looked at', async () => {
  const world = new FakeWorld();
  await environment.migrate(world, automatic, async (run) => {
    const { status } = await run.result();
    assert.equal(status.conversions, undefined);
    assert.equal(
      status.prediction?.parts.some(({ name }) => name === 'conversion'),
      false,
    );
  });
  assert.equal(world.converted, false);
});
