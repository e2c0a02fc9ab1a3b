import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { askGuest, waitForGuest } from '../../lab/guest/guest.js';
import { parseXml } from '../../src/platforms/xml.js';
import { contentDigest } from './content-digest.js';
import { exportableGuest, writeOva } from './exports.js';
import { World } from './world.js';

/** Machines of other makers, from what their tools export. */

let world: World;
let folder: string;
before(async () => {
  world = await World.start();
  folder = await world.filesSite('exports');
  await world.startWorker();
});
after(() => world.stop());

test('an OVA becomes a VM: rehearsed, approved, on the disks and cards that it had, with the same address', async () => {
  const guest = await exportableGuest(await world.folder('made'), 'shop01');
  const ova = await writeOva(guest, folder);
  const bytes = await readFile(ova);
  const run = await world.migrate(
    'shop01',
    {
      source: 'exports',
      networks: { 'VM Network': 'lan' },
      devices: 'as-source',
      conversion: 'none',
      probes: [{ kind: 'tcp', address: guest.address, port: 80 }],
    },
    'migrate-exports-shop01',
  );
  const waiting = await run.phase('awaiting-approval');
  assert.ok(waiting.evidence.some(({ phase }) => phase === 'rehearsing'));
  assert.equal(waiting.disks[0]?.rootDigest, await contentDigest(world.machine, guest.raw, 'raw'));
  await run.update('approveCutover', { by: 'ann' });
  await run.phase('awaiting-acceptance');
  const arrived = { name: 'shop01', address: guest.address, agent: false, disks: [], consoleLog: '' };
  await waitForGuest(world.lab.new, arrived, 300_000);
  assert.match((await askGuest(world.lab.new, arrived)).answer, /shop01/);
  await run.update('acceptTarget', { by: 'ben' });
  const { outcome, status } = await run.result();
  assert.equal(outcome, 'completed');
  // The files did not change, so the final pass had nothing to read.
  const [seed, ...later] = status.passes;
  assert.equal(seed?.kind, 'seed');
  for (const pass of later) assert.equal(pass.bytesRead, 0, `pass ${pass.number}`);
  const domain = parseXml(await world.virsh('new', 'dumpxml', '--inactive', 'shop01'));
  assert.equal(domain.at('devices/disk/target')?.get('bus'), 'sata');
  assert.equal(domain.at('devices/interface/mac')?.get('address'), guest.mac);
  assert.equal(domain.at('devices/interface/model')?.get('type'), 'e1000');
  assert.ok(bytes.equals(await readFile(ova)), 'the OVA is as it was');
  assert.deepEqual(await readdir(folder), ['shop01.ova']);
  assert.deepEqual(await world.leftovers(status.migrationId), []);
});

test('an OVA whose manifest does not fit is not copied: the migration waits for a human, and can be aborted', async () => {
  const guest = await exportableGuest(await world.folder('made'), 'bad01');
  const ova = await writeOva(guest, folder);
  // One byte in the middle of the disk.
  const bytes = await readFile(ova);
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = bytes[middle]! ^ 1;
  await writeFile(ova, bytes);
  const run = await world.migrate(
    'bad01',
    { source: 'exports', networks: { 'VM Network': 'lan' } },
    'migrate-exports-bad01',
  );
  const waiting = await run.phase('needs-attention');
  assert.match(waiting.error?.message ?? '', /the SHA256 of "bad01-disk1\.vmdk" is/);
  assert.equal(waiting.passCount, 0);
  assert.equal(waiting.disks[0]?.rootDigest, null);
  await run.update('abort', { by: 'ann' });
  const { outcome, status } = await run.result();
  assert.equal(outcome, 'aborted');
  assert.equal(await world.virsh('new', 'list', '--all', '--name'), 'shop01');
  assert.deepEqual(await world.leftovers(status.migrationId), []);
});
