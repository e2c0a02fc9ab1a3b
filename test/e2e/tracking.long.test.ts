import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGuest, waitForGuest } from '../../lab/guest/guest.js';
import { MIB, Scene } from './scene.js';

let scene: Scene;
before(async () => {
  scene = await Scene.start();
});
afterEach(() => scene.clear());
after(() => scene.stop());

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
