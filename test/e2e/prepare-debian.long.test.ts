import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { runDebian } from './debian.js';
import { inGuest, MIB } from './scene.js';
import { World } from './world.js';

/** A distribution's guest, with its own systemd, package manager and initramfs-tools, made ready while it runs. */

const ADDRESS = '192.168.150.47';
/** A service that is started by nothing but a person. */
const SHOP = `printf '[Service]\\nExecStart=/bin/sleep infinity\\n' >/etc/systemd/system/shop.service
systemctl daemon-reload && systemctl start shop`;
/** What was fetched, and what was freed: random, so that none of it can be left out as zeroes. */
const WASTE = `for each in /var/cache/apt/archives/old_1_amd64.deb /junk; do
  dd if=/dev/urandom of=$each bs=1M count=24 2>/dev/null
done
sync; rm /junk; sync`;

let world: World;
before(async () => {
  world = await World.start();
  await world.startWorker();
});
after(() => world.stop());

test('a Debian without virtio in its initramfs gets it while it runs, so that little is done when it is down', async () => {
  await runDebian(world, 'sata', { drivers: 'old', address: ADDRESS });
  await inGuest(world, SHOP);
  await inGuest(world, WASTE);
  const run = await world.migrate('web01', {
    ...{ devices: 'virtio', conversion: 'light', rehearsal: { enabled: false } },
    cutover: { shutdownTimeout: '3m' },
    probes: [{ kind: 'tcp', address: ADDRESS, port: 80, within: '5m' }],
    prepareGuest: {
      ...{ stopServices: ['shop'], freeSpace: ['package-caches', 'temporary-files'], trim: true },
      ...{ virtioInInitramfs: true, minFree: '50MiB' },
      beforePoint: [{ run: ['sh', '-c', 'echo held >>/run/held'] }],
      afterPoint: [{ run: ['sh', '-c', 'echo freed >>/run/held'] }],
    },
  });
  const waiting = await run.phase('awaiting-approval');
  const found = (action: string) => waiting.preparation.filter((each) => each.action === action);
  const told = JSON.stringify(waiting.preparation);
  const freed = found('free-space').reduce((sum, { freedBytes }) => sum + (freedBytes ?? 0), 0);
  assert.ok(freed > 20 * MIB, told);
  assert.equal(await inGuest(world, 'ls /var/cache/apt/archives/*.deb 2>/dev/null || true'), '');
  assert.ok(
    found('trim').some(({ freedBytes }) => (freedBytes ?? 0) > 40 * MIB),
    told,
  );
  assert.match(await inGuest(world, 'lsinitramfs /boot/initrd.img-* | grep -c virtio_blk'), /[1-9]/);
  assert.match(await inGuest(world, 'cat /run/held'), /^held\nfreed\n/);
  assert.equal((await inGuest(world, 'systemctl is-active shop')).trim(), 'active', 'it runs until the cutover');

  await run.update('approveCutover', { by: 'ann' });
  const moved = await run.phase('awaiting-acceptance');
  const [converted] = moved.conversions ?? [];
  assert.deepEqual([converted?.kind, converted?.devices], ['light', 'disks on virtio; network cards virtio']);
  assert.ok(
    moved.probes.every(({ passed }) => passed),
    JSON.stringify(moved.probes),
  );
  const stopped = moved.preparation.find(({ action }) => action === 'stop-service');
  assert.deepEqual([stopped?.subject, stopped?.result, stopped?.putBack], ['shop', 'stopped', null]);

  await run.update('undoCutover', { discardTargetWrites: true, by: 'ben' });
  const { outcome, status } = await run.result();
  assert.equal(outcome, 'rolled-back');
  const shop = status.preparation.find(({ action }) => action === 'stop-service');
  assert.equal(shop?.putBack, 'started again', JSON.stringify(status.preparation));
  assert.equal((await inGuest(world, 'systemctl is-active shop')).trim(), 'active');
  assert.equal(
    (await inGuest(world, 'ls /etc/initramfs-tools/conf.d /etc/initramfs-tools/hooks')).includes('vmferry'),
    false,
  );
});
