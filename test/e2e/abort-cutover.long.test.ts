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

for (const phase of ['cutting-over', 'verifying', 'starting', 'validating']) {
  test(`an abort while ${phase} leaves the source running, and nothing but a whole replica`, async () => {
    await scene.begin();
    const run = await scene.world.migrate('web01', AUTOMATIC, `abort-${phase}`);
    await reaches(run, phase);
    await run.signal('abort', { by: 'ann' });
    await scene.ends(run, 'aborted');
    await scene.isBack();
  });
}

test('an abort of a target that runs is refused, whichever way it comes; an undo that says what is lost leads back', async () => {
  await scene.begin();
  const run = await scene.world.migrate('web01', AUTOMATIC, 'abort-accepted');
  await scene.arrives(run);
  await assert.rejects(run.update('abort', { by: 'ann' }), (error: Error) => {
    assert.match(String((error.cause as Error | undefined)?.message), /accept it, or undo with undoCutover/);
    return true;
  });
  await run.signal('abort', { by: 'ann' });
  await run.handle.cancel();
  const { trail } = await run.until('with both on the trail', ({ trail }) => trail.length === 2);
  assert.deepEqual(
    trail.map(({ name, accepted }) => ({ name, accepted })),
    [1, 2].map(() => ({ name: 'abort', accepted: false })),
  );
  await assert.rejects(run.update('undoCutover', { by: 'ann' }));
  assert.equal(await scene.world.virsh('new', 'domstate', 'web01'), 'running');
  await run.update('undoCutover', { by: 'ann', discardTargetWrites: true });
  await scene.ends(run, 'rolled-back');
  await scene.isBack();
});
