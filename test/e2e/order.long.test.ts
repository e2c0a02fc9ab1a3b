import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import type { Guest } from '../../lab/guest/guest.js';
import type { PassRecord } from '../../src/model/status.js';
import { MIB, Scene } from './scene.js';

/** The guest writes each number to disk a, durably, then to disk b; only then is it acknowledged (guest/files/counter). */
const ROUNDS = 3;

let scene: Scene;
before(async () => {
  scene = await Scene.start();
});
afterEach(() => scene.clear());
after(() => scene.stop());

for (const quiesce of ['never', 'required'] as const) {
  test(`every live point (quiesce: ${quiesce}) has the disks as of one instant, with sound file systems`, async () => {
    const guest = await scene.begin({ dataDisks: [{ sizeBytes: 128 * MIB }, { sizeBytes: 128 * MIB }] });
    const request = { rehearsal: { enabled: false }, sync: { interval: '1h', quiesce, maxPasses: 2 } };
    const run = await scene.world.migrate('web01', request, `order-${quiesce}`);
    let status = await run.phase('awaiting-approval');
    for (let round = 0; round < ROUNDS; round++) {
      const { passCount } = status;
      await run.update('syncNow');
      status = await run.until('through another pass', (each) => each.passCount > passCount && each.work === 'idle');
      const pass = status.passes.at(-1)!;
      assert.equal(pass.quiesced, quiesce === 'required');
      await assertOneInstant(guest, status.migrationId, pass);
    }
    await run.update('abort');
    await scene.ends(run, 'aborted');
    await scene.neverStopped();
  });
}

async function assertOneInstant(guest: Guest, migrationId: string, pass: PassRecord): Promise<void> {
  const { world } = scene;
  const [a, b] = await Promise.all(
    guest.disks.slice(1).map(({ target }) => look(`web01-${target}-${migrationId}.qcow2`, !pass.quiesced)),
  );
  assert.ok(a! === b! || a! === b! + 1, `disk a has ${a}, disk b ${b}`);
  const takenAt = Date.parse(pass.pointInTime);
  const acknowledged = (await world.recorder.numbers())
    .filter(({ atMs }) => atMs <= takenAt)
    .map((each) => each.counter);
  const last = acknowledged.at(-1)!;
  assert.ok(b! >= last, `${last} had been acknowledged before the point, and disk b has ${b}`);
  assert.ok(b! > 0);
}

/** The counter on a disk of the replica. Its file system is sound; with `journal`, when its journal has been replayed. */
async function look(name: string, journal: boolean): Promise<number> {
  const { machine, lab } = scene.world;
  const raw = join(lab.directory, `${name}.look`);
  try {
    await machine.run('qemu-img', ['convert', '-U', '-O', 'raw', '--', join(lab.new.images, name), raw]);
    // Before the replay: the numbers are written in place.
    const { stdout } = await machine.run('debugfs', ['-R', 'cat /counter', '--', raw]);
    // 0: nothing was to be done, 1: the journal was replayed (e2fsck(8)).
    if (journal) await machine.run('e2fsck', ['-y', '-E', 'journal_only', '--', raw], { okExitCodes: [0, 1] });
    await machine.run('e2fsck', ['-f', '-n', '--', raw]);
    return Number(stdout.split('\n')[0]);
  } finally {
    await rm(raw, { force: true });
  }
}
