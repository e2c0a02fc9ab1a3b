import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { reaches } from './follow.js';
import { Scene } from './scene.js';

/** Kills come at once, and again when a step has had time to do half of its work. */
const DELAYS_MS = [0, 900];

let scene: Scene;
before(async () => {
  scene = await Scene.start();
});
afterEach(() => scene.clear());
after(() => scene.stop());

for (const delayMs of DELAYS_MS) {
  test(`a migration whose worker is killed ${delayMs} ms into every phase ends as completed`, async () => {
    await scene.begin();
    const run = await scene.world.migrate('web01', { acceptance: { mode: 'manual' } }, `kills-${delayMs}`);
    const killIn = async (phase: string) => {
      await reaches(run, phase);
      await sleep(delayMs);
      await scene.world.killWorkers();
      await scene.world.startWorker();
    };
    for (const phase of ['preparing', 'seeding', 'syncing', 'rehearsing', 'awaiting-approval']) await killIn(phase);
    await run.signal('approveCutover', { by: 'ann' });
    for (const phase of ['cutting-over', 'verifying', 'starting', 'validating', 'awaiting-acceptance'])
      await killIn(phase);
    await scene.arrives(run);
    await run.signal('acceptTarget', { by: 'ann' });
    await killIn('finalizing');
    await scene.ends(run, 'completed');
  });
}
