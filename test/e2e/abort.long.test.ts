import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { waitForGuest } from '../../lab/guest/guest.js';
import { reaches } from './follow.js';
import { AUTOMATIC, Scene } from './scene.js';

let scene: Scene;
before(async () => {
  scene = await Scene.start();
});
afterEach(() => scene.clear());
after(() => scene.stop());

for (const phase of ['seeding', 'syncing', 'rehearsing', 'cutting-over', 'verifying', 'starting', 'validating']) {
  test(`an abort while ${phase} leaves the source running, and nothing but a whole replica`, async () => {
    const guest = await scene.begin();
    const request = phase === 'rehearsing' ? { cutover: { approval: 'automatic' as const } } : AUTOMATIC;
    const run = await scene.world.migrate('web01', request, `abort-${phase}`);
    await reaches(run, phase);
    await run.signal('abort', { by: 'ann' });
    await scene.ends(run, 'aborted');
    assert.equal(await scene.world.virsh('old', 'domstate', 'web01'), 'running');
    assert.equal(await scene.world.virsh('new', 'list', '--all', '--name'), '');
    await waitForGuest(scene.world.lab.old, guest, 300_000);
  });
}
