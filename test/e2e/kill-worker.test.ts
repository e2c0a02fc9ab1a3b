import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { waitForGuest } from '../../lab/guest/guest.js';
import { contentDigest } from './content-digest.js';
import { BothWatch } from './both.js';
import { copies } from './follow.js';
import { World } from './world.js';

const MIB = 1024 ** 2;

let world: World;
before(async () => {
  world = await World.start();
  await world.startWorker();
});
after(() => world.stop());

test('a worker killed in the middle of the seed is replaced by another, which goes on at the same point in time', async () => {
  const guest = await world.guest({
    name: 'web01',
    dataDisks: [{ sizeBytes: 256 * MIB, fillBytes: 128 * MIB }],
    churnKibPerSecond: 64,
  });
  const watch = await BothWatch.start(world, 'web01');
  const run = await world.migrate('web01', {
    sync: { interval: '60s', minInterval: '1s', convergedBelow: '16MiB', bandwidth: '8MiB/s' },
    cutover: { approval: 'automatic' },
    rehearsal: { enabled: false },
  });
  await run.phase('seeding');
  await copies(run, 48 * MIB);
  await world.killWorkers();
  const killedAt = Date.now();
  await world.startWorker();
  // The rest goes as fast as it can: the limit was only there for the kill to come in the middle.
  const going = await run.until('past the seed', (status) => status.passes.length > 0);
  const [seed] = going.passes;
  assert.equal(seed!.kind, 'seed');
  assert.ok(seed!.resumedFromBytes >= 16 * MIB, `went on from ${seed!.resumedFromBytes}`);
  assert.ok(Date.parse(seed!.pointInTime) < killedAt, `its point in time is ${seed!.pointInTime}, after the kill`);
  await run.update('setBandwidth', { rate: null });
  const running = await run.phase('awaiting-acceptance');
  assert.equal(await world.virsh('old', 'domstate', 'web01'), 'shut off');
  for (const disk of guest.disks) {
    const record = running.disks.find((each) => each.name === disk.target);
    assert.equal(record?.rootDigest, await contentDigest(world.lab.old.host, disk.path, disk.format), disk.target);
  }
  const last = await world.recorder.last();
  await waitForGuest(world.lab.new, guest);
  assert.ok((await world.targetRecorder.boots())[0]!.first >= last);
  await run.update('acceptTarget');
  const { outcome, status } = await run.result();
  assert.equal(outcome, 'completed');
  assert.deepEqual(await watch.stop(), []);
  assert.deepEqual(await world.leftovers(status.migrationId), []);
});
