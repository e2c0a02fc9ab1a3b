import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { askGuest } from '../../lab/guest/guest.js';
import { inGuest, Scene } from './scene.js';

let scene: Scene;
before(async () => {
  scene = await Scene.start();
});
afterEach(() => scene.clear());
after(() => scene.stop());

test('a worker killed while a service is being stopped: the next one knows of it, and the undo starts it again', async () => {
  const guest = await scene.begin({ obedient: false, pauseMs: 20 });
  const { world } = scene;
  // It takes its time, and says when it begins.
  await inGuest(world, "sed -i 's/^  stop) /  stop) touch \\/run\\/stops; sleep 15; /' /etc/init.d/web");
  const run = await world.migrate('web01', {
    rehearsal: { enabled: false },
    cutover: { approval: 'automatic', shutdown: 'graceful', shutdownTimeout: '5s' },
    prepareGuest: { stopServices: ['web'], freeSpace: ['temporary-files'] },
  });
  await world.until('stopping', async () => (await inGuest(world, 'ls /run/stops 2>/dev/null || true')) !== '');
  await world.killWorkers();
  await world.startWorker();
  const back = await run.phase('awaiting-approval');
  const web = back.preparation.find(({ action }) => action === 'stop-service')!;
  assert.match(web.result, /^stopped/);
  assert.equal(web.putBack, 'started again');
  await askGuest(world.lab.old, guest);
  await run.update('abort');
  assert.equal((await run.result()).outcome, 'aborted');
  await scene.neverStopped();
});
