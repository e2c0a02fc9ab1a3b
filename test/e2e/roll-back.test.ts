import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { waitForGuest, type Guest } from '../../lab/guest/guest.js';
import type { MigrationStatus } from '../../src/model/status.js';
import { BothWatch } from './both.js';
import { World } from './world.js';

const MIB = 1024 ** 2;

let world: World;
let guest: Guest;
before(async () => {
  world = await World.start();
  await world.startWorker();
  guest = await world.guest({ name: 'web01', dataDisks: [{ sizeBytes: 128 * MIB }] });
  await world.virsh('old', 'autostart', 'web01');
});
after(() => world.stop());

/** What stays is the whole replica and the folder beside it. */
async function assertOnlyReplicaStays(status: MigrationStatus): Promise<void> {
  const kept = status.ledger.filter((entry) => entry.removedAt === null);
  assert.deepEqual([...new Set(kept.map((entry) => entry.kind))], ['replica']);
  const folder = `/.vmferry-${status.migrationId}`;
  assert.deepEqual(
    (await world.leftovers(status.migrationId)).filter((line) => !line.endsWith(folder)),
    [],
  );
  assert.equal(await world.virsh('new', 'list', '--all', '--name'), '');
}

test('a target whose probe fails is taken away, and the source runs again by itself as it was', async () => {
  const watch = await BothWatch.start(world, 'web01');
  const run = await world.migrate('web01', {
    cutover: { approval: 'automatic' },
    rehearsal: { enabled: false },
    // The agent's comes first: with it the guest is up, and its address known.
    probes: [{ kind: 'agent' }, { kind: 'tcp', port: 9, within: '10s' }],
  });
  await run.phase('validating');
  const before = await world.recorder.last();
  const { outcome, status } = await run.result();
  assert.equal(outcome, 'rolled-back');
  assert.equal(status.error?.code, 'ProbeFailed');
  assert.match(status.error.message, /:9: .*refused/i);
  assert.equal(await world.virsh('old', 'domstate', 'web01'), 'running');
  assert.match(await world.virsh('old', 'dominfo', 'web01'), /Autostart:\s+enable/);
  await waitForGuest(world.lab.old, guest, 300_000);
  assert.ok((await world.recorder.boots()).at(-1)!.first >= before);
  assert.deepEqual(await watch.stop(), []);
  await assertOnlyReplicaStays(status);
});

test('an abort before the approval leaves the source as it was', async () => {
  const bootId = (await world.recorder.boots()).at(-1)!.bootId;
  const run = await world.migrate('web01', { rehearsal: { enabled: false } }, 'abort-web01');
  await run.phase('awaiting-approval');
  await run.update('abort', { by: 'ann' });
  const { outcome, status } = await run.result();
  assert.equal(outcome, 'aborted');
  assert.equal(await world.virsh('old', 'domstate', 'web01'), 'running');
  assert.match(await world.virsh('old', 'dominfo', 'web01'), /Autostart:\s+enable/);
  assert.equal((await world.recorder.boots()).at(-1)!.bootId, bootId);
  assert.doesNotMatch(await world.virsh('old', 'dumpxml', 'web01'), /<metadata>/);
  await assertOnlyReplicaStays(status);
});
