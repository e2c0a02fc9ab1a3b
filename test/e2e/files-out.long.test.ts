import assert from 'node:assert/strict';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { waitForGuest } from '../../lab/guest/guest.js';
import type { MigrateVmInput } from '../../src/request/migrate-vm.js';
import { contentDigest } from './content-digest.js';
import { MIB, Scene } from './scene.js';

/** Machines that run, out into files. */

let scene: Scene;
let folder: string;
before(async () => {
  scene = await Scene.start();
  folder = await scene.world.filesSite('exports');
});
afterEach(() => scene.clear());
after(() => scene.stop());

test('a VM that runs goes out in warm passes, and comes in again to the end with the same content', async () => {
  const { world } = scene;
  // On devices that an OVA has words for.
  const guest = await scene.begin({ bus: 'sata', pauseMs: 20 });
  const out = await world.migrate('web01', { target: 'exports', networks: { lan: 'VM Network' } }, 'out-web01');
  await out.phase('awaiting-approval');
  await out.update('syncNow');
  await out.until('a warm pass', ({ passes }) => passes.some(({ kind }) => kind === 'delta'));
  await out.update('approveCutover', { by: 'ann' });
  const whole = await out.phase('awaiting-acceptance');
  await scene.isOff('old');
  const roots = whole.disks.map(({ rootDigest }) => rootDigest);
  for (const [index, disk] of guest.disks.entries())
    assert.equal(roots[index], await contentDigest(world.lab.old.host, disk.path, disk.format), disk.target);
  await out.update('acceptTarget', { by: 'ben' });
  assert.equal((await out.result()).outcome, 'completed');
  const request: Partial<MigrateVmInput> = {
    ...{ source: 'exports', networks: { 'VM Network': 'lan' }, devices: 'as-source', conversion: 'none' },
    probes: [{ kind: 'tcp', address: guest.address, port: 80 }],
  };
  const back = await world.migrate('web01', request, 'in-web01');
  const waiting = await back.phase('awaiting-approval');
  assert.deepEqual(
    waiting.disks.map(({ rootDigest }) => rootDigest),
    roots,
  );
  assert.ok(waiting.evidence.some(({ phase }) => phase === 'rehearsing'));
  const last = await scene.acknowledged();
  await back.update('approveCutover', { by: 'ann' });
  await back.phase('awaiting-acceptance');
  const { counter } = await waitForGuest(world.lab.new, { ...guest, agent: false }, 300_000);
  assert.ok(counter >= last, `the counter is ${counter} after ${last}`);
  await back.update('acceptTarget', { by: 'ben' });
  const { outcome, status } = await back.result();
  assert.equal(outcome, 'completed');
  assert.deepEqual(await world.leftovers(status.migrationId), []);
  await rm(join(folder, 'web01.ova'));
});

test('a disk that is full while the package is written is named, and undone the source runs again and nothing is left', async () => {
  const { world } = scene;
  const small = await world.filesSite('small');
  await world.machine.run('mount', ['-t', 'tmpfs', '-o', 'size=400m', 'small', small]);
  try {
    await world.killWorkers();
    await scene.begin({ pauseMs: 20, dataDisks: [{ sizeBytes: 128 * MIB, fillBytes: 96 * MIB }] });
    const request = { target: 'small', package: 'ovf', diskFormat: 'raw' } as const;
    const run = await world.migrate('web01', request, 'out-small');
    await run.phase('awaiting-approval');
    // All but what the final pass needs.
    const { stdout } = await world.machine.run('df', ['--output=avail', '-B1', '--', small]);
    const free = Number(stdout.trim().split('\n').at(-1));
    await writeFile(join(small, '.filler'), Buffer.alloc(free - 32 * MIB));
    await run.update('approveCutover', { by: 'ann' });
    const held = await run.phase('needs-attention');
    assert.equal(held.error?.code, 'NoSpace', held.error?.message);
    assert.match(held.error?.remedy ?? '', /\S/);
    await scene.isOff('old');
    await run.update('undoCutover', { by: 'ann' });
    const { outcome, status } = await run.result();
    assert.equal(outcome, 'rolled-back');
    await scene.isBack();
    assert.deepEqual(
      (await readdir(small)).filter((name) => name !== '.filler'),
      ['.vmferry'],
    );
    const left = await readdir(join(small, '.vmferry', `.vmferry-${status.migrationId}`));
    assert.deepEqual(
      left.filter((name) => /package|writing/.test(name)),
      [],
    );
  } finally {
    await world.machine.run('umount', ['-l', '--', small]);
  }
});
