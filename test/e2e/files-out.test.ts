import assert from 'node:assert/strict';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { defineGuest, type Guest } from '../../lab/guest/guest.js';
import { contentDigest } from './content-digest.js';
import { World } from './world.js';

/** Machines of a hypervisor, out into files; a guest that is off is enough for that. */

const MIB = 2 ** 20;

let world: World;
let guest: Guest;
let folder: string;
before(async () => {
  world = await World.start();
  folder = await world.filesSite('exports');
  const dataDisks = [{ sizeBytes: 64 * MIB, fillBytes: 24 * MIB }];
  guest = await defineGuest(world.lab.old, { name: 'web01', dataDisks });
  await world.startWorker();
});
afterEach(async () => {
  for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true });
});
after(() => world.stop());

/** Nothing but what a reader may see, and no traces of the migration. */
async function clean(migrationId: string, expected: string[]): Promise<void> {
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name !== '.vmferry'),
    expected,
  );
  assert.deepEqual(await readdir(join(folder, '.vmferry')), ['storages']);
  assert.deepEqual(await world.leftovers(migrationId), []);
}

test('a VM goes out as an OVA and comes in again, with the same content by its root digests', async () => {
  const out = await world.migrate('web01', { target: 'exports', networks: { lan: 'VM Network' } }, 'out-web01');
  const waiting = await out.phase('awaiting-approval');
  assert.equal(waiting.predictedDowntimeMs, null);
  await out.update('approveCutover', { by: 'ann' });
  const whole = await out.phase('awaiting-acceptance');
  assert.ok(whole.probes.length === 3 && whole.probes.every(({ passed }) => passed));
  assert.equal(whole.downtimeMs, null);
  assert.deepEqual(await readdir(folder), ['.vmferry'], 'it is not seen before it is accepted');
  await out.update('acceptTarget', { by: 'ben' });
  const { outcome, status } = await out.result();
  assert.equal(outcome, 'completed');
  await clean(status.migrationId, ['web01.ova']);
  const roots = status.disks.map(({ rootDigest }) => rootDigest);
  for (const [index, disk] of guest.disks.entries()) {
    assert.equal(roots[index], await contentDigest(world.lab.old.host, disk.path, disk.format), disk.target);
  }
  assert.match(await world.virsh('old', 'desc', 'web01'), /moved to exports/);
  const back = await world.migrate(
    'web01',
    { source: 'exports', networks: { 'VM Network': 'lan' }, rehearsal: { enabled: false } },
    'in-web01',
  );
  const again = await back.phase('awaiting-approval');
  assert.deepEqual(
    again.disks.map(({ rootDigest }) => rootDigest),
    roots,
  );
  await back.update('abort', { by: 'ann' });
  assert.equal((await back.result()).outcome, 'aborted');
});

test('a worker that is killed while it writes the package is followed by another; undone, nothing is left', async () => {
  const request = { target: 'exports', package: 'ovf', diskFormat: 'vmdk', targetName: 'shop 01' } as const;
  const run = await world.migrate('web01', { ...request, cutover: { approval: 'automatic' } }, 'out-killed');
  const { migrationId } = await run.status();
  const working = join(folder, '.vmferry', `.vmferry-${migrationId}`);
  await world.until('began to write', async () =>
    (await readdir(working).catch((): string[] => [])).some((name) => name.startsWith('writing-')),
  );
  await world.killWorkers();
  await world.startWorker();
  await run.phase('awaiting-acceptance');
  assert.ok(!(await readdir(working)).some((name) => name.startsWith('writing-')));
  assert.ok((await stat(join(working, 'package', 'shop 01', 'shop_01-disk2.vmdk'))).size > 0);
  await run.update('undoCutover', { by: 'ann' });
  const { outcome, status } = await run.result();
  assert.equal(outcome, 'rolled-back');
  assert.deepEqual(
    status.ledger.filter(({ kind, removedAt }) => kind !== 'replica' && removedAt === null),
    [],
  );
  assert.deepEqual(await readdir(folder), ['.vmferry']);
  assert.deepEqual(
    (await readdir(working)).filter((name) => /package|writing/.test(name)),
    [],
  );
});
