import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { copies } from './follow.js';
import { MIB, Scene, SLOW } from './scene.js';

const SCRATCH = '/var/lib/libvirt/scratch';
const RESERVE = 32 * MIB;
const MOUNT = 'mkdir -p "$1" && mount -t tmpfs -o "size=$2,mode=755" small "$1"';
/** Leaves $2 bytes free in the folder $1. */
const FILL = 'set -- "$1" "$2" $(stat -f -c "%a %S" -- "$1"); head -c $(($3 * $4 - $2)) /dev/zero >"$1/filler"';

let scene: Scene;
before(async () => {
  scene = await Scene.start();
  const { lab } = scene.world;
  // QEMU sees no mount that is made after its start.
  await lab.old.host.run('sh', ['-c', MOUNT, 'sh', SCRATCH, '96m']);
  await scene.world.configure('dc-old', { scratchDir: SCRATCH, scratchReserve: `${RESERVE / MIB}MiB` });
});
afterEach(() => scene.clear());
after(() => scene.stop());

test('a target disk that is full pauses the migration, which goes on when there is room', async () => {
  await scene.begin({ dataDisks: [{ sizeBytes: 256 * MIB, fillBytes: 64 * MIB }] });
  const small = await scene.smallFolder('768m');
  try {
    const run = await scene.world.migrate('web01', { ...SLOW, storage: small.path }, 'full');
    await copies(run, 16 * MIB);
    await small.fill();
    const stuck = await run.phase('needs-attention');
    assert.equal(stuck.error?.code, 'NoSpace');
    await small.empty();
    await run.update('resume');
    await run.until('past the seed', (status) => status.passCount > 0);
    await run.update('setBandwidth', { rate: null });
    await scene.completes(run);
  } finally {
    await small.remove();
  }
});

test('a scratch disk that fills up in a pass costs the guest nothing, and the pass goes on when there is room', async () => {
  const dataDisks = [{ sizeBytes: 256 * MIB, fillBytes: 64 * MIB }];
  const guest = await scene.begin({ dataDisks, churnKibPerSecond: 2048 });
  const { world, ran } = scene;
  const { host } = world.lab.old;
  // What is overwritten has to have been written once.
  await sleep(20_000);
  const run = await world.migrate('web01', { ...SLOW, sync: { ...SLOW.sync, bandwidth: '2MiB/s' } }, 'scratch');
  await copies(run, 4 * MIB);
  // Half of the reserve is a file that is given back first; the guest's overwriting does the rest.
  await host.run('sh', ['-c', FILL, 'sh', SCRATCH, String(RESERVE / 2 + 6 * MIB)]);
  const stuck = await run.phase('needs-attention');
  assert.equal(stuck.error?.code, 'NoSpace');
  assert.match(stuck.error.message, /scratch/);
  assert.equal(await world.virsh('old', 'domstate', 'web01'), 'running');
  assert.match(await world.virsh('old', 'domblkerror', 'web01'), /No errors/);
  // Who ends the job says so first, and clears up when it is seen ended.
  const left = async () => (await host.run('ls', ['-A', SCRATCH])).stdout.trim();
  await world.until('scratch cleared', async () => (await left()) === 'filler');
  const before = await scene.acknowledged();
  await world.until('counting on', async () => (await scene.acknowledged()) > before);
  await host.run('rm', ['--', `${SCRATCH}/filler`]);
  await run.update('resume');
  await run.update('setBandwidth', { rate: null });
  await scene.completes(run);
  assert.doesNotMatch(await readFile(guest.consoleLog, 'utf8'), /cannot write|I\/O error/);
  assert.equal(ran.stretches('old').length, 1);
});
