import { after, afterEach, before, test } from 'node:test';
import { reaches } from './follow.js';
import { AUTOMATIC, Scene } from './scene.js';

let scene: Scene;
before(async () => {
  scene = await Scene.start();
});
afterEach(() => scene.clear());
after(() => scene.stop());

for (const phase of ['preparing', 'seeding', 'syncing', 'rehearsing']) {
  test(`an abort while ${phase} leaves the source as it was, and nothing but a whole replica`, async () => {
    await scene.begin();
    const request = phase === 'rehearsing' ? { cutover: { approval: 'automatic' as const } } : AUTOMATIC;
    const run = await scene.world.migrate('web01', request, `abort-${phase}`);
    await reaches(run, phase);
    await run.signal('abort', { by: 'ann' });
    await scene.ends(run, 'aborted');
    await scene.neverStopped();
  });
}
