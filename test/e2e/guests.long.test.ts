import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { AUTOMATIC, MIB, Scene } from './scene.js';

let scene: Scene;
before(async () => {
  scene = await Scene.start();
});
afterEach(() => scene.clear());
after(() => scene.stop());

test('a UEFI guest is rehearsed and moved', async () => {
  await scene.begin({ firmware: 'uefi' });
  const run = await scene.world.migrate('web01', { cutover: { approval: 'automatic' } }, 'uefi');
  await scene.completes(run);
  assert.match(await scene.world.virsh('new', 'dumpxml', 'web01'), /<nvram/);
});

test('a guest without an agent is moved, probed by the port that it had open', async () => {
  await scene.begin({ agent: false });
  const { probes, passes } = await scene.completes(await scene.world.migrate('web01', AUTOMATIC, 'agentless'));
  assert.ok(
    probes.some(({ probe, passed }) => passed && probe.endsWith(':80')),
    JSON.stringify(probes),
  );
  assert.ok(probes.every(({ probe }) => probe !== 'guest agent'));
  assert.ok(passes.every(({ quiesced }) => !quiesced));
});

test('raw disks beside a qcow2 one, and a raw system disk, are moved with it', async () => {
  const dataDisks = [{ sizeBytes: 128 * MIB, format: 'raw' as const }, { sizeBytes: 128 * MIB }];
  await scene.begin({ systemFormat: 'raw', dataDisks });
  await scene.completes(await scene.world.migrate('web01', AUTOMATIC, 'raw'));
});
