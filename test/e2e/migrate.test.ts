import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { waitForGuest } from '../../lab/guest/guest.js';
import { contentDigest } from './content-digest.js';
import { World } from './world.js';

let world: World;
before(async () => {
  world = await World.start();
  await world.startWorker();
});
after(() => world.stop());

test('a guest that writes to two disks all the time is moved, and nothing that it had acknowledged is lost', async () => {
  const guest = await world.guest({ name: 'web01', dataDisks: [{}, {}], churnKibPerSecond: 64 });
  const run = await world.migrate('web01');
  const waiting = await run.phase('awaiting-approval');
  assert.ok(waiting.passes.length >= 2);
  assert.ok(
    waiting.probes.every((probe) => probe.passed),
    JSON.stringify(waiting.probes),
  );
  assert.ok(waiting.evidence.some((piece) => piece.kind === 'console'));
  await run.signal('approveCutover', { by: 'ann' });
  const running = await run.phase('awaiting-acceptance');
  assert.equal(await world.virsh('old', 'domstate', 'web01'), 'shut off');
  assert.equal(await world.virsh('new', 'domstate', 'web01'), 'running');
  assert.match(await world.virsh('old', 'dominfo', 'web01'), /Autostart:\s+disable/);
  // Block for block: what the stopped source holds has the digest that the report names.
  for (const disk of guest.disks) {
    const record = running.disks.find((each) => each.name === disk.target);
    assert.equal(record?.rootDigest, await contentDigest(world.lab.old.host, disk.path, disk.format), disk.target);
  }
  const last = await world.recorder.last();
  await waitForGuest(world.lab.new, guest);
  const first = (await world.targetRecorder.boots())[0]!.first;
  assert.ok(first >= last, `the guest's first number at the target is ${first}, the last acknowledged one ${last}`);
  // As the rehearsal took; how long an emulated guest takes to boot varies with what else the machine does.
  const { downtimeMs, predictedDowntimeMs } = running;
  const ratio = predictedDowntimeMs! / downtimeMs!;
  assert.ok(ratio > 0.5 && ratio < 2.5, `predicted ${predictedDowntimeMs} ms, measured ${downtimeMs} ms`);
  await run.update('acceptTarget', { by: 'ben' });
  const { outcome, status } = await run.result();
  assert.equal(outcome, 'completed');
  assert.deepEqual(await world.leftovers(status.migrationId), []);
  assert.equal(await world.virsh('new', 'domstate', 'web01'), 'running');
});
