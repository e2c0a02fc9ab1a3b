import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
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

/** kill -9 of every worker when it has been at work on the guest of a stage for `delayMs`; its appliance ends, and another takes over. */
async function killConverting(migrationId: string, stage: 'rehearsal' | 'cutover', delayMs: number): Promise<void> {
  const unfinished = new RegExp(`${migrationId}/${stage}-[^ ]*\\.[0-9a-f]{8}\\.qcow2`);
  const appliances = async () => {
    const look =
      'for p in /proc/[0-9]*/cmdline; do tr "\\0\\n" "  " <"$p" 2>/dev/null; echo; done | grep "^[^ ]*qemu-system"; true';
    const { stdout } = await world.machine.run('sh', ['-c', look]);
    return stdout.split('\n').flatMap((command) => unfinished.exec(command)?.[0] ?? []);
  };
  await world.until(`converted for the ${stage}`, async () => (await appliances()).length > 0);
  const [first] = await appliances();
  await sleep(delayMs);
  await world.killWorkers();
  await world.until('ended with its worker', async () => !(await appliances()).includes(first!), 30_000);
  await world.startWorker();
}

test('a worker that is killed while it converts the guest is followed by another, which begins anew on what was copied', async () => {
  const guest = await exportableDebian(await world.folder('made'), 'shop07', 'most', '192.168.150.47');
  await writeOva(guest, folder);
  const run = await world.migrate(
    'shop07',
    {
      source: 'exports',
      networks: { 'VM Network': 'lan' },
      probes: [{ kind: 'agent' }, { kind: 'tcp', address: guest.address, port: 80, within: '5m' }],
    },
    'migrate-exports-shop07',
  );
  const { migrationId } = await run.status();
  await killConverting(migrationId, 'rehearsal', 6_000);
  const waiting = await run.phase('awaiting-approval');
  assert.equal(waiting.conversions?.[0]?.kind, 'light', JSON.stringify(waiting.findings));
  await run.update('approveCutover', { by: 'ann' });
  for (const delayMs of [0, 12_000]) await killConverting(migrationId, 'cutover', delayMs);
  const arrived = await run.phase('awaiting-acceptance');
  assert.ok(arrived.probes.every(({ passed }) => passed));
  assert.deepEqual(
    arrived.conversions?.map(({ stage, kind }) => [stage, kind]),
    [
      ['rehearsal', 'light'],
      ['cutover', 'light'],
    ],
  );
  assert.equal(arrived.disks[0]?.rootDigest, await contentDigest(world.machine, guest.raw, 'raw'));
  await run.update('acceptTarget', { by: 'ben' });
  const { outcome } = await run.result();
  assert.equal(outcome, 'completed');
  assert.deepEqual(await world.leftovers(migrationId), []);
  await world.virsh('new', 'destroy', 'shop07');
});

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
