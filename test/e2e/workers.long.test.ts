import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { copies, retried } from './follow.js';
import { AUTOMATIC, MIB, Scene, SLOW } from './scene.js';

let scene: Scene;
before(async () => {
  scene = await Scene.start();
});
afterEach(() => scene.clear());
after(() => scene.stop());

test('two workers at once do the work of one', async () => {
  await scene.begin();
  await scene.world.startWorker();
  await scene.completes(await scene.world.migrate('web01', AUTOMATIC, 'two-workers'));
});

test('a worker that was thought dead wakes up beside the one that took its pass over, and does no harm', async () => {
  // One worker, so that it is the one that has the pass.
  await scene.world.killWorkers();
  await scene.begin({ dataDisks: [{ sizeBytes: 256 * MIB, fillBytes: 96 * MIB }] });
  const run = await scene.world.migrate('web01', { ...SLOW, sync: { ...SLOW.sync, bandwidth: '4MiB/s' } }, 'asleep');
  await copies(run, 16 * MIB);
  const [first] = scene.world.workers;
  first!.kill('SIGSTOP');
  try {
    await scene.world.startWorker();
    await retried(run, 2);
    await copies(run, 32 * MIB);
  } finally {
    first!.kill('SIGCONT');
  }
  // Time for both to be at it.
  await sleep(3_000);
  await run.update('setBandwidth', { rate: null });
  await scene.completes(run);
  assert.equal(first!.exitCode, null);
});

test('a second migration of the same VM is refused, and names the first', async () => {
  await scene.begin();
  const first = await scene.world.migrate('web01', { rehearsal: { enabled: false } }, 'first');
  await first.phase('awaiting-approval');
  const second = await scene.world.migrate('web01', {}, 'second');
  await assert.rejects(second.result(), (error: Error) => {
    assert.match(String((error.cause as Error | undefined)?.message), /workflow first/);
    return true;
  });
  await first.update('abort');
  await scene.ends(first, 'aborted');
});
