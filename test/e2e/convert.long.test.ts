import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parseXml } from '../../src/platforms/xml.js';
import { Run } from '../run.js';
import { contentDigest } from './content-digest.js';
import { exportableDebian, writeImage, writeOva } from './exports.js';
import { World } from './world.js';

/** More real guests that are made fit for the target: from bare images, and with drivers that they lack. */

let world: World;
let folder: string;
before(async () => {
  world = await World.start();
  folder = await world.filesSite('exports');
  await world.startWorker();
});
after(() => world.stop());

for (const [format, name, address] of [
  ['vhdx', 'shop03', '192.168.150.43'],
  ['vdi', 'shop04', '192.168.150.44'],
] as const) {
  test(`a Debian that is only a ${format} becomes a VM on virtio with the address that it had`, async () => {
    const guest = await exportableDebian(await world.folder('made'), name, 'most', address);
    await writeImage(guest, join(folder, `${name}.${format}`), format);
    const run = await world.migrate(
      name,
      {
        source: 'exports',
        networks: { default: 'lan' },
        memory: '512MiB',
        probes: [{ kind: 'agent' }, { kind: 'tcp', address, port: 80, within: '5m' }],
      },
      `migrate-exports-${name}`,
    );
    const waiting = await run.phase('awaiting-approval');
    assert.equal(waiting.conversions?.[0]?.kind, 'light', JSON.stringify(waiting.findings));
    assert.equal(waiting.disks[0]?.rootDigest, await contentDigest(world.machine, guest.raw, 'raw'));
    await run.update('approveCutover', { by: 'ann' });
    const arrived = await run.phase('awaiting-acceptance');
    assert.ok(arrived.probes.every(({ passed }) => passed));
    const domain = parseXml(await world.virsh('new', 'dumpxml', '--inactive', name));
    assert.equal(domain.at('devices/disk/target')?.get('bus'), 'virtio');
    await run.update('acceptTarget', { by: 'ben' });
    const { outcome, status } = await run.result();
    assert.equal(outcome, 'completed');
    assert.deepEqual(await world.leftovers(status.migrationId), []);
    await world.virsh('new', 'destroy', name);
  });
}

test('a Debian without virtio in its initramfs is given it by virt-v2v, and boots on virtio', async () => {
  const guest = await exportableDebian(await world.folder('made'), 'shop05', 'old', '192.168.150.45');
  await writeOva(guest, folder);
  const run = await world.migrate(
    'shop05',
    {
      source: 'exports',
      networks: { 'VM Network': 'lan' },
      rehearsal: { timeout: '15m' },
      probes: [{ kind: 'agent' }],
    },
    'migrate-exports-shop05',
  );
  // Without KVM its initramfs alone takes minutes.
  const waiting = await new Run(run.handle, 40 * 60_000).phase('awaiting-approval');
  const [rehearsed] = waiting.conversions ?? [];
  assert.equal(rehearsed?.kind, 'full', JSON.stringify(waiting.findings));
  assert.equal(rehearsed.devices, 'disks on virtio; network cards virtio');
  assert.ok(waiting.probes.every(({ passed }) => passed));
  await run.update('abort', { by: 'ann' });
  const { outcome, status } = await run.result();
  assert.equal(outcome, 'aborted');
  // The whole replica is kept, and nothing of the rehearsal.
  const replica = `new: /var/lib/libvirt/images/.vmferry-${status.migrationId}`;
  assert.deepEqual(await world.leftovers(status.migrationId), [replica]);
});

test('where the guest may not be given drivers, it boots on the devices that it has them for', async () => {
  const guest = await exportableDebian(await world.folder('made'), 'shop06', 'old', '192.168.150.46');
  await writeOva(guest, folder);
  const run = await world.migrate(
    'shop06',
    { source: 'exports', networks: { 'VM Network': 'lan' }, conversion: 'light', probes: [{ kind: 'agent' }] },
    'migrate-exports-shop06',
  );
  const waiting = await run.phase('awaiting-approval');
  assert.equal(waiting.conversions?.[0]?.devices, 'disks on sata; network cards e1000');
  assert.ok(waiting.findings.some(({ id }) => id === 'guest.fallback-devices'));
  assert.ok(waiting.probes.every(({ passed }) => passed));
  await run.update('abort', { by: 'ann' });
  assert.equal((await run.result()).outcome, 'aborted');
});
