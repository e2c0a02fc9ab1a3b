import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { askGuest } from '../../lab/guest/guest.js';
import { inGuest, MIB, Scene } from './scene.js';

let scene: Scene;
before(async () => {
  scene = await Scene.start();
});
afterEach(() => scene.clear());
after(() => scene.stop());

test('a guest is trimmed before the seed, its service is stopped before it refuses to stop, and started again', async () => {
  const guest = await scene.begin({ obedient: false, pauseMs: 20, churnKibPerSecond: 0 });
  const { world } = scene;
  // Written and freed again: without a trim, that is what the seed would copy.
  await inGuest(world, 'cd /disk/a && dd if=/dev/urandom of=junk bs=1M count=48 && sync && rm junk && sync');
  const run = await world.migrate('web01', {
    rehearsal: { enabled: false },
    cutover: { approval: 'automatic', shutdown: 'graceful', shutdownTimeout: '5s' },
    prepareGuest: {
      ...{ stopServices: ['web'], trim: true },
      beforePoint: [{ run: ['sh', '-c', 'echo held >>/run/held'] }],
      afterPoint: [{ run: ['sh', '-c', 'echo freed >>/run/held'] }],
    },
  });
  const back = await run.phase('awaiting-approval');
  const seed = back.passes[0]!;
  assert.ok(seed.bytesWritten < 48 * MIB, `the seed wrote ${seed.bytesWritten}`);
  const web = back.preparation.find(({ action }) => action === 'stop-service')!;
  assert.deepEqual([web.subject, web.commands, web.result], ['web', ['/etc/init.d/web stop'], 'stopped']);
  assert.equal(web.putBack, 'started again');
  await askGuest(world.lab.old, guest);
  assert.ok(
    back.preparation.some(
      ({ action, subject, freedBytes }) => action === 'trim' && subject === '/disk/a' && freedBytes! >= 48 * MIB,
    ),
  );
  const held = (await inGuest(world, 'cat /run/held')).trim().split('\n');
  assert.deepEqual(held.slice(0, 4), ['held', 'freed', 'held', 'freed']);
  await run.update('abort');
  const { outcome } = await run.result();
  assert.equal(outcome, 'aborted');
  assert.equal((await inGuest(world, 'ls /run | grep vmferry || true')).trim(), '');
  await scene.neverStopped();
});
