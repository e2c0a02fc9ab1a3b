import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import type { MigrateVmInput } from '../../src/request/migrate-vm.js';
import { Scene } from './scene.js';

let scene: Scene;
before(async () => {
  scene = await Scene.start();
});
afterEach(() => scene.clear());
after(() => scene.stop());

function stopping(shutdown: 'graceful' | 'force-after' | 'ask'): Partial<MigrateVmInput> {
  return { rehearsal: { enabled: false }, cutover: { shutdown, shutdownTimeout: '8s' } };
}

test('a guest that ignores a graceful shutdown runs on, and its cutover needs a new approval', async () => {
  await scene.begin({ obedient: false });
  const run = await scene.world.migrate('web01', stopping('graceful'), 'graceful');
  await run.phase('awaiting-approval');
  await run.update('approveCutover', { by: 'ann' });
  await run.phase('cutting-over');
  const again = await run.phase('awaiting-approval');
  assert.equal(again.approval, null);
  assert.ok(again.events.some(({ text }) => text.includes('called off')));
  await run.update('abort', { by: 'ann' });
  await scene.ends(run, 'aborted');
  await scene.neverStopped();
});

test('a guest that ignores a shutdown is switched off after its time where that was asked for', async () => {
  await scene.begin({ obedient: false });
  const run = await scene.world.migrate('web01', stopping('force-after'), 'force-after');
  await run.phase('awaiting-approval');
  await run.update('approveCutover', { by: 'ann' });
  const status = await scene.completes(run);
  assert.ok(status.events.some(({ text }) => text.includes('did not stop within 8s')));
});

test('a guest that ignores a shutdown waits for a human, who calls the cutover off, and at the next has it switched off', async () => {
  await scene.begin({ obedient: false });
  const run = await scene.world.migrate('web01', stopping('ask'), 'ask');
  await run.phase('awaiting-approval');
  await assert.rejects(run.update('forceStop', { by: 'ann' }));
  await run.update('approveCutover', { by: 'ann' });
  await run.until('asking', ({ decisions }) => decisions.includes('forceStop'));
  await run.update('rejectCutover', { by: 'ben' });
  await run.phase('awaiting-approval');
  assert.match(await scene.world.virsh('old', 'dominfo', 'web01'), /Autostart:\s+enable/);
  await run.update('approveCutover', { by: 'ann' });
  await run.until('asking', ({ decisions }) => decisions.includes('forceStop'));
  assert.equal(await scene.world.virsh('old', 'domstate', 'web01'), 'running');
  await run.update('forceStop', { by: 'ben' });
  const { trail } = await scene.completes(run);
  assert.ok(trail.some(({ name, by, accepted }) => name === 'forceStop' && by === 'ben' && accepted));
});
