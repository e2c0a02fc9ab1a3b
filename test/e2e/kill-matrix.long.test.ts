import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Run } from '../run.js';
import { copies, reaches } from './follow.js';
import { AUTOMATIC, MIB, Scene, SLOW } from './scene.js';

/** Kills come at once, and again when a step has had time to do half of its work. */
const DELAYS_MS = [0, 900];

let scene: Scene;
before(async () => {
  scene = await Scene.start();
});
afterEach(() => scene.clear());
after(() => scene.stop());

/** kill -9 of every worker in that phase, `delayMs` after its begin; another takes over. */
async function killIn(run: Run, phase: string, delayMs = 0): Promise<void> {
  await reaches(run, phase);
  await sleep(delayMs);
  await scene.world.killWorkers();
  await scene.world.startWorker();
}

for (const delayMs of DELAYS_MS) {
  test(`a migration whose worker is killed ${delayMs} ms into every phase ends as completed`, async () => {
    await scene.begin();
    const run = await scene.world.migrate('web01', { acceptance: { mode: 'manual' } }, `kills-${delayMs}`);
    for (const phase of ['assessing', 'preparing', 'seeding', 'syncing', 'rehearsing', 'awaiting-approval'])
      await killIn(run, phase, delayMs);
    await run.signal('approveCutover', { by: 'ann' });
    for (const phase of ['cutting-over', 'verifying', 'starting', 'validating', 'awaiting-acceptance'])
      await killIn(run, phase, delayMs);
    await scene.arrives(run);
    await run.signal('acceptTarget', { by: 'ann' });
    await killIn(run, 'finalizing', delayMs);
    await scene.ends(run, 'completed');
  });
}

/** The way back takes the target away, brings the source back and cleans up at both sides: a kill in each of them. */
for (const delayMs of [0, 900, 2_500]) {
  test(`a migration whose worker is killed ${delayMs} ms into its way back ends as rolled back, and the source runs`, async () => {
    await scene.begin();
    const probes = [{ kind: 'agent' as const }, { kind: 'tcp' as const, port: 9, within: '5s' }];
    const run = await scene.world.migrate('web01', { ...AUTOMATIC, probes }, `kills-undoing-${delayMs}`);
    await killIn(run, 'undoing', delayMs);
    const status = await scene.ends(run, 'rolled-back');
    assert.equal(status.error?.code, 'ProbeFailed');
    await scene.isBack();
    await scene.countsOn();
  });
}

test('a migration whose worker is killed when it is aborted while copying ends as aborted, and the source never stopped', async () => {
  await scene.begin({ dataDisks: [{ sizeBytes: 256 * MIB, fillBytes: 64 * MIB }] });
  const run = await scene.world.migrate('web01', SLOW, 'kills-aborting');
  await copies(run, 8 * MIB);
  await run.signal('abort', { by: 'ann' });
  await killIn(run, 'undoing');
  await scene.ends(run, 'aborted');
  await scene.neverStopped();
  await scene.countsOn();
});

test('a paused migration whose worker is killed stays paused, and goes on from there when it is resumed', async () => {
  await scene.begin({ dataDisks: [{ sizeBytes: 256 * MIB, fillBytes: 64 * MIB }] });
  const run = await scene.world.migrate('web01', SLOW, 'kills-paused');
  await copies(run, 24 * MIB);
  await run.update('pause', { by: 'ann' });
  await reaches(run, 'paused');
  await scene.world.killWorkers();
  await scene.countsOn();
  await scene.world.startWorker();
  const waiting = await run.phase('paused');
  assert.equal(waiting.passCount, 0);
  assert.ok(waiting.decisions.includes('resume'));
  await run.update('resume', { by: 'ann' });
  const going = await run.until('past the seed', ({ passCount }) => passCount > 0);
  assert.ok(going.passes[0]!.resumedFromBytes >= 8 * MIB, `went on from ${going.passes[0]!.resumedFromBytes}`);
  await run.update('setBandwidth', { rate: null });
  await scene.completes(run);
});

test('a migration that waits for room, and whose worker is killed then, goes on when there is some', async () => {
  await scene.begin({ dataDisks: [{ sizeBytes: 256 * MIB, fillBytes: 64 * MIB }] });
  const small = await scene.smallFolder('768m');
  try {
    const run = await scene.world.migrate('web01', { ...SLOW, storage: small.path }, 'kills-full');
    await copies(run, 16 * MIB);
    await small.fill();
    await reaches(run, 'needs-attention');
    await scene.world.killWorkers();
    await scene.countsOn();
    await scene.world.startWorker();
    const stuck = await run.phase('needs-attention');
    assert.equal(stuck.error?.code, 'NoSpace');
    await small.empty();
    await run.update('resume', { by: 'ann' });
    await run.until('past the seed', ({ passCount }) => passCount > 0);
    await run.update('setBandwidth', { rate: null });
    await scene.completes(run);
  } finally {
    await small.remove();
  }
});

test('a way back that waits for a target out of reach keeps the source off, whatever becomes of its worker', async () => {
  await scene.begin();
  const probes = [{ kind: 'agent' as const }, { kind: 'tcp' as const, port: 9, within: '30m' }];
  const run = await scene.world.migrate('web01', { ...AUTOMATIC, probes }, 'kills-unreachable');
  await run.phase('validating');
  await run.until('plugged', (status) => status.probes.length > 0);
  await scene.world.lab.new.link.cut();
  try {
    await run.update('undoCutover', { by: 'ann', discardTargetWrites: true });
    await killIn(run, 'needs-attention');
    const stuck = await run.phase('needs-attention');
    assert.ok(stuck.decisions.includes('confirmSiteDown'));
    await scene.isOff('old');
    assert.equal(await scene.world.virsh('new', 'domstate', 'web01'), 'running');
  } finally {
    await scene.world.lab.new.link.heal();
  }
  await run.update('resume', { by: 'ann' });
  await scene.ends(run, 'rolled-back');
  await scene.isBack();
  await scene.countsOn();
});
