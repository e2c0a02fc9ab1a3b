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

/** Where libvirt keeps the states of emulated TPMs. */
const TPM_STATE = '/var/lib/libvirt/swtpm/$1/tpm2/tpm2-00.permall';

/** Part of the state of a VM's TPM: its endorsement certificate, made when the TPM was, with its public key. */
async function endorsement(site: 'old' | 'new'): Promise<string> {
  const uuid = await scene.world.virsh(site, 'domuuid', 'web01');
  const state = await scene.world.lab[site].host.runBinary('sh', ['-c', `cat ${TPM_STATE}`, 'sh', uuid], {
    maxOutputBytes: MIB,
  });
  const issuer = state.indexOf('swtpm-localca');
  assert.ok(issuer > 0, 'the state holds no certificate');
  return state.subarray(issuer, issuer + 512).toString('hex');
}

test('a guest with a TPM keeps it', async () => {
  await scene.begin({ tpm: true });
  const before = await endorsement('old');
  const run = await scene.world.migrate('web01', { cutover: { approval: 'automatic' } }, 'tpm');
  await scene.completes(run);
  assert.equal(await endorsement('new'), before);
});

test('a guest on SATA and e1000 keeps its devices', async () => {
  await scene.begin({ bus: 'sata' });
  await scene.completes(await scene.world.migrate('web01', AUTOMATIC, 'sata'));
  const xml = await scene.world.virsh('new', 'dumpxml', 'web01');
  assert.match(xml, /<target dev='sda' bus='sata'\/>/);
  assert.match(xml, /<model type='e1000'\/>/);
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
