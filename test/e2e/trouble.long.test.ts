import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGuest, waitForGuest } from '../../lab/guest/guest.js';
import { copies } from './follow.js';
import { AUTOMATIC, MIB, Scene, SLOW } from './scene.js';

let scene: Scene;
before(async () => {
  scene = await Scene.start();
});
afterEach(() => scene.clear());
after(() => scene.stop());

test('a Temporal server that is started again during a pass finds the migration where it was', async () => {
  await scene.begin({ dataDisks: [{ sizeBytes: 256 * MIB, fillBytes: 64 * MIB }] });
  const run = await scene.world.migrate('web01', SLOW, 'server');
  await copies(run, 24 * MIB);
  await scene.world.restartTemporal();
  const again = await scene.world.follow('server');
  await again.phase('seeding');
  await again.update('setBandwidth', { rate: null });
  await scene.completes(again);
});

test('a link that is cut during a pass and healed is gone over', async () => {
  await scene.begin({ dataDisks: [{ sizeBytes: 256 * MIB, fillBytes: 64 * MIB }] });
  const run = await scene.world.migrate('web01', SLOW, 'link');
  await copies(run, 24 * MIB);
  await scene.world.lab.new.link.cut();
  await sleep(8_000);
  await scene.world.lab.new.link.heal();
  await run.until('past the seed, or in need of a hand', (status) => status.passCount > 0 || status.error !== null);
  await scene.world.resumeIfAsked(run);
  await run.until('past the seed', (status) => status.passCount > 0);
  await run.update('setBandwidth', { rate: null });
  await scene.completes(run);
});

test("the server of the replica's disk killed during a pass is started again", async () => {
  await scene.begin({ dataDisks: [{ sizeBytes: 256 * MIB, fillBytes: 64 * MIB }] });
  const run = await scene.world.migrate('web01', SLOW, 'nbd');
  await copies(run, 24 * MIB);
  await scene.world.lab.new.host.run('pkill', ['-9', '-x', 'qemu-nbd']);
  await run.until('past the seed', (status) => status.passCount > 0);
  await run.update('setBandwidth', { rate: null });
  await scene.completes(run);
});

test('a checkpoint deleted between passes leads to a comparison, and nothing is lost', async () => {
  await scene.begin();
  const run = await scene.world.migrate('web01', { rehearsal: { enabled: false } }, 'checkpoint');
  const { passCount } = await run.phase('awaiting-approval');
  const names = (await scene.world.virsh('old', 'checkpoint-list', 'web01', '--name')).split('\n').filter(Boolean);
  assert.ok(names.length > 0);
  for (const name of names) await scene.world.virsh('old', 'checkpoint-delete', 'web01', name.trim());
  await run.update('approveCutover', { by: 'ann' });
  const after = await run.until('through another pass', (status) => status.passCount > passCount);
  assert.equal(after.passes.at(-1)!.tracking, 'compare');
  await scene.completes(run);
});

test("the source's QEMU killed between passes and started again leads to a comparison, and nothing is lost", async () => {
  const guest = await scene.begin();
  const run = await scene.world.migrate('web01', { rehearsal: { enabled: false } }, 'qemu');
  const { passCount } = await run.phase('awaiting-approval');
  await scene.world.lab.old.host.run('sh', ['-c', 'kill -9 "$(cat /run/libvirt/qemu/web01.pid)"']);
  await sleep(3_000);
  await startGuest(scene.world.lab.old, guest);
  await waitForGuest(scene.world.lab.old, guest, 300_000);
  await run.update('approveCutover', { by: 'ann' });
  const after = await run.until('through another pass', (status) => status.passCount > passCount);
  assert.notEqual(after.passes.at(-1)!.tracking, 'bitmap');
  await scene.completes(run);
});

test('a raw disk beside a qcow2 one is moved with it', async () => {
  await scene.begin({
    dataDisks: [{ sizeBytes: 128 * MIB, format: 'raw' }, { sizeBytes: 128 * MIB }],
  });
  await scene.completes(await scene.world.migrate('web01', AUTOMATIC, 'raw'));
});

test('two workers at once do the work of one', async () => {
  await scene.begin();
  await scene.world.startWorker();
  await scene.completes(await scene.world.migrate('web01', AUTOMATIC, 'two-workers'));
});

test('a second migration of the same VM is refused, and names the first', async () => {
  await scene.begin();
  const first = await scene.world.migrate('web01', { rehearsal: { enabled: false } }, 'first');
  await first.phase('awaiting-approval');
  const second = await scene.world.migrate('web01', {}, 'second');
  await assert.rejects(second.result(), (error: Error) => {
    assert.match(String((error.cause as Error | undefined)?.message), /workflow first/);
    return true;
  });
  await first.update('abort');
  await scene.ends(first, 'aborted');
});

test('a target out of reach when the cutover fails keeps the source down until it is seen, then the source runs', async () => {
  const guest = await scene.begin();
  const run = await scene.world.migrate(
    'web01',
    { ...AUTOMATIC, probes: [{ kind: 'tcp', port: 9, within: '5m' }] },
    'unreachable',
  );
  await run.phase('validating');
  await run.until('plugged', () => true);
  await sleep(5_000);
  await scene.world.lab.new.link.cut();
  try {
    await run.update('undoCutover', { by: 'ann' });
    await run.phase('needs-attention');
    assert.equal(await scene.world.virsh('old', 'domstate', 'web01'), 'shut off');
  } finally {
    await scene.world.lab.new.link.heal();
  }
  await run.update('resume');
  await scene.ends(run, 'rolled-back');
  await waitForGuest(scene.world.lab.old, guest, 300_000);
});

test('a target disk that is full pauses the migration, which goes on when there is room', async () => {
  await scene.begin({ dataDisks: [{ sizeBytes: 256 * MIB, fillBytes: 64 * MIB }] });
  const { host } = scene.world.lab.new;
  const small = '/var/lib/libvirt/small';
  const mount = 'mkdir -p "$1" && mount -t tmpfs -o size=768m,mode=755 small "$1"';
  await host.run('sh', ['-c', mount, 'sh', small]);
  try {
    const run = await scene.world.migrate('web01', { ...SLOW, storage: small }, 'full');
    await copies(run, 16 * MIB);
    await host.run('sh', ['-c', 'cat /dev/zero >"$1/filler" 2>/dev/null; true', 'sh', small]);
    const stuck = await run.phase('needs-attention');
    assert.equal(stuck.error?.code, 'NoSpace');
    await host.run('rm', ['--', `${small}/filler`]);
    await run.update('resume');
    await run.until('past the seed', (status) => status.passCount > 0);
    await run.update('setBandwidth', { rate: null });
    await scene.completes(run);
  } finally {
    await scene.world.virsh('new', 'destroy', 'web01');
    await host.run('umount', ['-l', '--', small]);
  }
});

test('a byte flipped in the replica between passes is found and copied again', async () => {
  const guest = await scene.begin({ dataDisks: [{ sizeBytes: 128 * MIB, fillBytes: 32 * MIB }] });
  const request = { rehearsal: { enabled: false }, diskFormat: 'raw' } as const;
  const run = await scene.world.migrate('web01', request, 'flipped');
  const { migrationId } = await run.phase('awaiting-approval');
  const { target, path } = guest.disks[1]!;
  const replica = `${scene.world.lab.new.images}/web01-${target}-${migrationId}.raw`;
  // In the middle of what fills the disk, and of what the guest never writes.
  const at = 24 * MIB;
  const flip =
    'printf "\\$(printf %o $((255 - $(od -An -tu1 -j "$2" -N 1 "$1"))))" | dd of="$1" bs=1 seek="$2" conv=notrunc';
  await host(flip, replica, String(at));
  await run.update('approveCutover', { by: 'ann' });
  const status = await scene.completes(run);
  assert.match(JSON.stringify(status.events), /read back differently/);
  const read = (file: string) => host('od -An -tx1 -j "$2" -N 65536 "$1"', file, String(at));
  const raw = `${path}.raw`;
  await scene.world.lab.old.host.run('qemu-img', ['convert', '-U', '-O', 'raw', '--', path, raw]);
  assert.equal(await read(replica), await read(raw));
});

async function host(script: string, ...args: string[]): Promise<string> {
  return (await scene.world.lab.new.host.run('sh', ['-c', script, 'sh', ...args])).stdout;
}
