import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { askGuest, waitForGuest } from '../../lab/guest/guest.js';
import type { VerifiedDisk } from '../../src/cli/verify.js';
import type { SweptRow } from '../../src/cli/sweep.js';
import { connectClient } from '../../src/temporal.js';
import { vmferry as run, type Ran } from '../cli/capture.js';
import { AUTOMATIC, MIB, Scene, SLOW } from './scene.js';
import { reaches } from './follow.js';

/** What is left when the workflow is gone: listed, removed by the rules, and brought back to one side. */
let scene: Scene;
before(async () => {
  scene = await Scene.start();
});
afterEach(() => scene.clear());
after(() => scene.stop());

function vmferry(...argv: string[]): Promise<Ran> {
  const { address } = scene.world.temporal;
  const connect = () => connectClient({ address, namespace: 'default', connection: { address } });
  return run([...argv, '--config', scene.world.lab.configPath], { connect });
}

async function sweep(...argv: string[]): Promise<SweptRow[]> {
  const { out, err, exit } = await vmferry('sweep', '--json', ...argv);
  assert.equal(exit, 0, err);
  return JSON.parse(out) as SweptRow[];
}

const brief = (rows: SweptRow[]) =>
  [...new Set(rows.map((row) => `${row.kind.replace('libvirt-', '')} ${row.action}`))].sort();

test('a workflow terminated in its second pass: sweep keeps all while it runs, then removes every part', async () => {
  await scene.begin();
  const migration = await scene.world.migrate('web01', { ...SLOW, cutover: { approval: 'required' } });
  const { migrationId } = await migration.until('seeded', (status) => status.passCount >= 1);
  for (const row of await sweep('--remove')) assert.match(row.reason, /runs$/);
  await scene.world.killWorkers();
  await migration.handle.terminate('by a test');
  // A point that a worker read a moment ago counts as in use, and is over by itself soon after.
  await scene.world.until('read by nobody', async () => !brief(await sweep()).includes('point kept'), 120_000);

  assert.deepEqual(brief(await sweep()), ['checkpoint would-remove', 'claim would-remove', 'replica would-remove']);
  const elsewhere = await run(['sweep', '--remove', '--config', scene.world.lab.configPath]);
  assert.equal(elsewhere.exit, 1);
  assert.match(elsewhere.err, /Nothing was removed, as Temporal cannot be asked/);

  await scene.world.virsh('old', 'suspend', 'web01');
  const stopped = await sweep('--remove');
  assert.match(stopped.find((row) => row.kind.endsWith('replica'))!.reason, /does not run \(paused\)/);
  await scene.world.virsh('old', 'resume', 'web01');

  assert.deepEqual(brief(await sweep('--remove')), ['claim removed', 'replica removed']);
  assert.deepEqual(await sweep(), []);
  assert.deepEqual(await scene.world.leftovers(migrationId), []);
  assert.equal(await scene.world.virsh('old', 'domstate', 'web01'), 'running');
});

test('terminated between stop and start: recover shows it, and brings the source back as it was', async () => {
  await scene.begin();
  await scene.world.virsh('old', 'autostart', 'web01');
  const migration = await scene.world.migrate('web01', AUTOMATIC);
  await reaches(migration, 'verifying');
  await scene.world.killWorkers();
  const running = await vmferry('recover', 'web01', '--source');
  assert.equal(running.exit, 1);
  assert.match(running.err, /its workflow migrate-dc-old-web01 runs/);
  await migration.handle.terminate('by a test');
  assert.equal(await scene.world.virsh('old', 'domstate', 'web01'), 'shut off');
  assert.ok(
    (await sweep('--remove')).filter((row) => row.kind.endsWith('replica')).every((row) => row.action === 'kept'),
  );

  const shown = await vmferry('recover');
  assert.equal(shown.exit, 0, shown.err);
  assert.match(
    shown.out,
    /source +web01 at dc-old: off, does not start by itself; when claimed it ran and started by itself/,
  );
  assert.match(shown.out, /replica .* is whole \(final\)/);
  const back = await vmferry('recover', 'web01', '--source');
  assert.equal(back.exit, 0, back.err);
  assert.equal(await scene.world.virsh('old', 'domstate', 'web01'), 'running');
  assert.match(await scene.world.virsh('old', 'dominfo', 'web01'), /Autostart: +enable/);
  assert.equal(await scene.world.virsh('new', 'list', '--all', '--name'), '');
  assert.deepEqual(brief(await sweep('--remove')), ['replica removed']);
});

test('terminated while a service is stopped in a guest that runs on: recover starts the service again', async () => {
  const guest = await scene.begin({ obedient: false, pauseMs: 20 });
  const { world } = scene;
  const migration = await world.migrate('web01', {
    ...AUTOMATIC,
    cutover: { approval: 'automatic', shutdown: 'graceful', shutdownTimeout: '10m' },
    prepareGuest: { stopServices: ['web'] },
  });
  await migration.until('stopped', ({ preparation }) => preparation.some(({ result }) => result === 'stopped'));
  await world.killWorkers();
  await migration.handle.terminate('by a test');
  assert.match((await vmferry('recover')).out, /services +stopped in the guest: web/);
  const back = await vmferry('recover', 'web01', '--source');
  assert.equal(back.exit, 0, back.err);
  assert.match(back.out, /^web was started again in the guest$/m);
  await askGuest(world.lab.old, guest);
  await scene.neverStopped();
  await sweep('--remove');
});

test("Temporal's database lost while the target runs: recover keeps the target, once a human says so", async () => {
  const guest = await scene.begin();
  const { world } = scene;
  const migration = await world.migrate('web01', AUTOMATIC);
  const { migrationId } = await migration.phase('awaiting-acceptance');
  await world.killWorkers();
  await world.restartTemporal('another.db');

  const asked = await vmferry('recover', 'web01', '--target');
  assert.equal(asked.exit, 1);
  assert.match(asked.err, /another Temporal cluster[^]*--workflow-gone/);
  assert.ok((await sweep('--remove')).every((row) => row.action === 'kept'));
  const back = await vmferry('recover', 'web01', '--source', '--workflow-gone');
  assert.match(back.err, /web01 runs at dc-new[^]*--discard-target-writes/);
  assert.equal(await world.virsh('new', 'domstate', 'web01'), 'running');

  await world.virsh('old', 'start', 'web01', '--paused');
  const both = await vmferry('recover', 'web01', '--target', '--workflow-gone');
  assert.match(both.err, /web01 at dc-old is paused: stop it first/);
  await world.virsh('old', 'destroy', 'web01');

  const kept = await vmferry('recover', 'web01', '--target', '--accept', '--workflow-gone');
  assert.equal(kept.exit, 0, kept.err);
  assert.equal(await world.virsh('new', 'domstate', 'web01'), 'running');
  assert.equal(await world.virsh('old', 'domstate', 'web01'), 'shut off');
  await waitForGuest(world.lab.new, guest, 60_000);
  assert.deepEqual(await world.leftovers(migrationId), []);
  assert.deepEqual(await sweep(), []);
});

test('a later migration adopts the replica that an aborted one kept: only what differs is written, and it arrives', async () => {
  // Most of it is what the guest never writes again.
  await scene.begin({ dataDisks: [{ sizeBytes: 128 * MIB, fillBytes: 64 * MIB }] });
  const { world } = scene;
  const first = await world.migrate('web01', { ...AUTOMATIC, cutover: { approval: 'required' } });
  const { migrationId, passes } = await first.phase('awaiting-approval');
  await first.update('abort');
  await first.result();
  assert.deepEqual(brief(await sweep('--remove', '--keep-replicas')), ['replica kept']);
  const listed = JSON.parse((await vmferry('replicas', '--json')).out) as {
    source: { vm: string };
    wholePass: number;
  }[];
  assert.deepEqual(
    listed.map(({ source, wholePass }) => [source.vm, wholePass]),
    [['web01', passes.length]],
  );

  const verified = await vmferry('verify', 'web01', '--json');
  assert.equal(verified.exit, 0, verified.err);
  const { disks } = JSON.parse(verified.out) as { disks: VerifiedDisk[] };
  assert.ok(disks.length > 1 && disks.every(({ same, rootDigest }) => same && /^[0-9a-f]{64}$/.test(rootDigest!)));
  const apart = await vmferry('verify', migrationId, '--source');
  assert.match(apart.out, /^vda +source .*(differ|same) /m);
  assert.equal(await world.virsh('old', 'checkpoint-list', 'web01', '--name'), '');
  // One changed byte is found, and copied again by whoever adopts the replica.
  await spoil(join(world.lab.new.images, `web01-vdb-${migrationId}.qcow2`));
  const wrong = await vmferry('verify', migrationId);
  assert.equal(wrong.exit, 1, wrong.out);
  assert.match(wrong.out, /^vdb +target +64 KiB differ /m);

  const request = {
    ...AUTOMATIC,
    adoptReplica: migrationId,
    sync: { ...SLOW.sync, bandwidth: undefined, audit: 'before-approval' },
  } as const;
  const second = await world.migrate('web01', request);
  const running = await scene.arrives(second);
  const [seed] = running.passes;
  assert.equal(seed?.tracking, 'compare');
  assert.ok(seed.bytesWritten < passes[0]!.bytesWritten / 4, `${seed.bytesWritten} of ${passes[0]!.bytesWritten}`);
  assert.ok(running.events.some(({ text }) => text.includes('nothing differed that tracking had not reported')));
  await second.update('acceptTarget');
  await scene.ends(second, 'completed');
  assert.deepEqual(await world.leftovers(migrationId), []);
  assert.deepEqual(await sweep(), []);
});

/** Another byte in an image that nobody has open. */
async function spoil(path: string): Promise<void> {
  const { host } = scene.world.lab.new;
  await host.run('qemu-io', ['-f', 'qcow2', '-c', 'write -P 0xa5 1M 1', '--', path]);
}
