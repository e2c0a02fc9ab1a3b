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

/** A variable of nobody else's: its name and its vendor's GUID, as efivarfs names the file (the kernel's efivarfs.rst). */
const VARIABLE = 'VmferryMark';
const VARIABLE_FILE = `/sys/firmware/efi/efivars/${VARIABLE}-5a1d2bd4-3d1c-4b7e-9a55-7f0c3e8a9b10`;

/** Runs a line in the guest, through its agent. @returns what it printed. */
async function inGuest(site: 'old' | 'new', line: string): Promise<string> {
  const agent = async (execute: string, args: object) => {
    const command = JSON.stringify({ execute, arguments: args });
    return (JSON.parse(await scene.world.virsh(site, 'qemu-agent-command', 'web01', command)) as { return: unknown })
      .return;
  };
  const asked = { path: '/bin/sh', arg: ['-c', line], 'capture-output': true };
  const { pid } = (await agent('guest-exec', asked)) as { pid: number };
  for (;;) {
    const status = (await agent('guest-exec-status', { pid })) as Partial<Record<string, string | number | boolean>>;
    if (status['exited'] !== true) continue;
    const text = (name: string) => Buffer.from(String(status[name] ?? ''), 'base64').toString('latin1');
    assert.equal(status['exitcode'], 0, text('err-data'));
    return text('out-data');
  }
}

/** The store of UEFI variables that the running VM has there. */
async function variables(site: 'old' | 'new'): Promise<Buffer> {
  const path = /<nvram[^>]*>([^<]+)<\/nvram>/.exec(await scene.world.virsh(site, 'dumpxml', 'web01'))?.[1];
  assert.ok(path, 'the VM has no variables');
  return await scene.world.lab[site].host.runBinary('cat', ['--', path], { maxOutputBytes: 16 * MIB });
}

test('what a UEFI guest writes into its variables after its rehearsal is there at the target', async () => {
  await scene.begin({ firmware: 'uefi' });
  const run = await scene.world.migrate('web01', {}, 'variables');
  const { events } = await run.phase('awaiting-approval');
  assert.ok(events.some(({ text }) => /^the rehearsal of pass \d+ passed$/.test(text)));
  const name = Buffer.from(VARIABLE, 'utf16le');
  assert.equal((await variables('old')).indexOf(name), -1);
  // Four bytes of attributes (non-volatile, for boot services and at runtime), then the content, in one write.
  await inGuest('old', `printf '\\007\\000\\000\\000written late' >${VARIABLE_FILE}`);
  assert.ok((await variables('old')).indexOf(name) > 0, 'the firmware has stored it');
  await run.update('approveCutover', { by: 'ann' });
  await scene.arrives(run);
  assert.equal(await inGuest('new', `tail -c +5 ${VARIABLE_FILE}`), 'written late');
  const there = await variables('new');
  assert.ok(there.indexOf(name) > 0 && there.includes('written late'));
  await run.update('acceptTarget');
  await scene.ends(run, 'completed');
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
  // Nothing has to be frozen when the guest has stopped.
  assert.deepEqual(
    passes.map(({ kind, quiesced }) => quiesced === (kind === 'final')),
    passes.map(() => true),
  );
});

test('raw disks beside a qcow2 one, and a raw system disk, are moved with it', async () => {
  const dataDisks = [{ sizeBytes: 128 * MIB, format: 'raw' as const }, { sizeBytes: 128 * MIB }];
  await scene.begin({ systemFormat: 'raw', dataDisks });
  await scene.completes(await scene.world.migrate('web01', AUTOMATIC, 'raw'));
});
