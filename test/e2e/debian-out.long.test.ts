import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { parseXml } from '../../src/platforms/xml.js';
import { runDebian } from './debian.js';
import { inGuest } from './scene.js';
import { World } from './world.js';

/** A real guest on virtio, out to platforms of other makers. */

const ADDRESS = '192.168.150.46';

let world: World;
let folder: string;
before(async () => {
  world = await World.start();
  folder = await world.filesSite('exports');
  await world.startWorker();
});
after(() => world.stop());

test('a Debian that runs on virtio goes out as an OVA made fit for its devices, and starts on them with its address', async () => {
  await runDebian(world, 'virtio', { drivers: 'most', address: ADDRESS });
  const out = await world.migrate(
    'web01',
    { target: 'exports', networks: { lan: 'VM Network' }, conversion: 'light' },
    'out-web01',
  );
  const waiting = await out.phase('awaiting-approval');
  const found = waiting.findings.map(({ id }) => id);
  for (const id of ['disk.bus-other', 'nic.model']) assert.ok(found.includes(id), found.join());
  // What it writes after the seed goes with a warm pass and with the final one.
  await inGuest(world, 'echo late01 >/etc/hostname; sync');
  await out.update('syncNow');
  await out.until('a warm pass', ({ passes }) => passes.some(({ kind }) => kind === 'delta'));
  await out.update('approveCutover', { by: 'ann' });
  const whole = await out.phase('awaiting-acceptance');
  assert.equal(await world.virsh('old', 'domstate', 'web01'), 'shut off');
  const [converted] = whole.conversions ?? [];
  assert.equal(converted?.kind, 'light', JSON.stringify(whole.findings));
  assert.equal(converted.devices, 'disks on sata; network cards e1000');
  assert.match(converted.changes.join('; '), /enp1s0/);
  assert.match(converted.changes.join('; '), /\/etc\/fstab/);
  // Other makers' platforms have a use for these.
  assert.doesNotMatch(converted.changes.join('; '), /console|tools/);
  await out.update('acceptTarget', { by: 'ben' });
  assert.equal((await out.result()).outcome, 'completed');
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name !== '.vmferry'),
    ['web01.ova'],
  );

  const back = await world.migrate(
    'web01',
    {
      ...{ source: 'exports', networks: { 'VM Network': 'lan' }, devices: 'as-source', conversion: 'none' },
      probes: [{ kind: 'tcp', address: ADDRESS, port: 80, within: '5m' }],
    },
    'in-web01',
  );
  await back.phase('awaiting-approval');
  await back.update('approveCutover', { by: 'ann' });
  const arrived = await back.phase('awaiting-acceptance');
  assert.ok(
    arrived.probes.every(({ passed }) => passed),
    JSON.stringify(arrived.probes),
  );
  const domain = parseXml(await world.virsh('new', 'dumpxml', '--inactive', 'web01'));
  assert.equal(domain.at('devices/disk/target')?.get('bus'), 'sata');
  assert.equal(domain.at('devices/interface/model')?.get('type'), 'e1000');
  // It speaks without being asked, and answers no request.
  const listen = `require('node:net').connect(80, '${ADDRESS}').pipe(process.stdout)`;
  assert.match((await world.lab.new.host.run(process.execPath, ['-e', listen])).stdout, /late01/);
  await back.update('acceptTarget', { by: 'ben' });
  const { outcome, status } = await back.result();
  assert.equal(outcome, 'completed');
  assert.deepEqual(await world.leftovers(status.migrationId), []);
});
