import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { reaches } from './follow.js';
import { AUTOMATIC, Scene } from './scene.js';

let scene: Scene;
before(async () => {
  scene = await Scene.start();
});
afterEach(() => scene.clear());
after(() => scene.stop());

test('a source that somebody starts in the middle of the cutover keeps the target from ever starting', async () => {
  await scene.begin();
  const { world } = scene;
  const run = await world.migrate('web01', AUTOMATIC, 'started');
  await reaches(run, 'verifying');
  // So that it is seen to run before the next step, whatever that is.
  await world.killWorkers();
  await world.virsh('old', 'start', 'web01');
  assert.equal(await world.virsh('old', 'domstate', 'web01'), 'running');
  await world.startWorker();
  const { error } = await scene.ends(run, 'rolled-back');
  assert.equal(error?.code, 'Unsafe');
  assert.deepEqual(scene.ran.stretches('new'), []);
  await scene.isBack();
});
