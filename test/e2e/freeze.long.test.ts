import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { DEAD_MAN_MS, longestSilenceMs } from './freeze.js';
import { Scene } from './scene.js';

let scene: Scene;
before(async () => {
  scene = await Scene.start();
});
afterEach(() => scene.clear());
after(() => scene.stop());

test('a guest whose worker is killed in a freeze goes on at once: the site ends what it began', async () => {
  const silence = await longestSilenceMs(scene, 'freeze', 'worker');
  assert.ok(silence < DEAD_MAN_MS, `nothing was written for ${silence} ms`);
});
