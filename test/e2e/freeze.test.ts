import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { DEAD_MAN_MS, longestSilenceMs } from './freeze.js';
import { Scene } from './scene.js';

/** What a busy machine may take on top, for the agent's answer and for the guest to come round. */
const SLACK_MS = 6_000;

let scene: Scene;
before(async () => {
  scene = await Scene.start();
});
afterEach(() => scene.clear());
after(() => scene.stop());

test("a guest whose freeze lost its worker and its script goes on with the dead man's thaw", async () => {
  const silence = await longestSilenceMs(scene, 'frozen', 'script');
  assert.ok(silence < DEAD_MAN_MS + SLACK_MS, `nothing was written for ${silence} ms`);
  assert.ok(silence > DEAD_MAN_MS / 2, `the guest was never left frozen: ${silence} ms`);
});
