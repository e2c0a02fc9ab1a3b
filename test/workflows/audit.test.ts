import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Environment } from './environment.js';
import { FakeWorld } from './fake-world.js';

let environment: Environment;
before(async () => {
  environment = await Environment.start();
});
after(() => environment.stop());

const audited = { sync: { minInterval: '1s', interval: '60s', audit: 'before-approval' as const } };

test('one pass before the cutover reads the source whole, and its result is evidence', async () => {
  const world = new FakeWorld();
  await environment.migrate(world, audited, async (run) => {
    const { evidence, findings } = await run.phase('awaiting-approval');
    assert.deepEqual(
      evidence.filter(({ title }) => title === 'audit').map(({ text }) => /nothing differed/.test(text ?? '')),
      [true],
    );
    assert.deepEqual(findings, []);
    await run.update('approveCutover');
    await run.phase('awaiting-acceptance');
    await run.update('acceptTarget');
    assert.equal((await run.result()).outcome, 'completed');
  });
  assert.deepEqual(
    world.passInputs
      .map(({ kind, audit }) => `${kind}${audit ? ' audit' : ''}`)
      .filter((each) => each.includes('audit')),
    ['delta audit'],
  );
});

test('changes that tracking missed withdraw the approval, and every later pass reads the source whole', async () => {
  const world = new FakeWorld();
  world.missedBytes = 65_536;
  await environment.migrate(world, { ...audited, cutover: { approval: 'automatic' } }, async (run) => {
    const { findings } = await run.phase('awaiting-approval');
    assert.deepEqual(
      findings.map(({ id, severity }) => [id, severity]),
      [['tracking.missed', 'warning']],
    );
    await run.update('approveCutover');
    await run.phase('awaiting-acceptance');
    await run.update('acceptTarget');
    await run.result();
  });
  const after = world.passInputs.slice(world.passInputs.findIndex(({ audit }) => audit));
  assert.ok(after.some(({ kind }) => kind === 'final') && after.every(({ audit }) => audit));
});
