import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { removeGuest, waitForGuest } from '../../lab/guest/guest.js';
import { LAN } from '../../lab/host/libvirt.js';
import { parseXml } from '../../src/platforms/xml.js';
import { BothWatch } from './both.js';
import { contentDigest } from './content-digest.js';
import { MIB } from './scene.js';
import { World } from './world.js';

/** What a request asks for, seen at the VM that arrives. */

const NETWORK = 'backbone';
const POOLS = ['bulk', 'fast'] as const;

let world: World;
before(async () => {
  world = await World.start();
  await world.startWorker();
});
after(() => world.stop());

const pool = (name: string) => join(world.lab.new.directory, 'lib', name);

/** dc-new as another site: its network has another name, and its storage is in two pools. */
async function arrangeTarget(): Promise<void> {
  const { host } = world.lab.new;
  const virsh = (args: string[], input: string) =>
    host.run('virsh', ['-q', '-c', 'qemu:///system', ...args], { input });
  for (const verb of ['net-destroy', 'net-undefine']) await world.virsh('new', verb, LAN.network);
  await virsh(
    ['net-define', '/dev/stdin'],
    `<network><name>${NETWORK}</name><forward mode='open'/><bridge name='vmback0' stp='off' delay='0'/>
      <dns enable='no'/><ip address='${LAN.address}' netmask='${LAN.netmask}'/></network>`,
  );
  await world.virsh('new', 'net-start', NETWORK);
  for (const name of POOLS) {
    await host.run('mkdir', ['--', pool(name)]);
    await virsh(
      ['pool-define', '/dev/stdin'],
      `<pool type='dir'><name>${name}</name><target><path>${pool(name)}</path></target></pool>`,
    );
    await world.virsh('new', 'pool-start', name);
  }
}

test('a VM arrives as it was asked for: name, disks, network, CPUs, memory, storage and format', async () => {
  await arrangeTarget();
  const small = { sizeBytes: 128 * MIB };
  const guest = await world.guest({ name: 'web01', dataDisks: [small, small], memoryMib: 256, cpus: 1 });
  const watch = await BothWatch.start(world, 'web01', 'shop01');
  const [system, data, left] = guest.disks;
  const { host } = world.lab.old;
  const inode = async () => (await stat(left!.path)).ino;
  const leftInode = await inode();
  const run = await world.migrate('web01', {
    targetName: 'shop01',
    excludeDisks: ['vdc'],
    networks: { lan: NETWORK },
    cpus: 2,
    memory: '320MiB',
    storage: 'bulk',
    diskStorage: { vdb: 'fast' },
    diskFormat: 'raw',
    cutover: { approval: 'automatic' },
  });
  const running = await run.phase('awaiting-acceptance');
  assert.equal(running.targetName, 'shop01');
  const excluded = running.findings.filter(({ id }) => id === 'disk.excluded');
  assert.equal(excluded.length, 1);
  assert.equal(excluded[0]!.severity, 'warning');
  assert.match(excluded[0]!.message, /\bvdc\b/);
  assert.deepEqual(
    running.disks.map(({ name }) => name),
    ['vda', 'vdb'],
  );
  for (const disk of [system!, data!]) {
    const record = running.disks.find(({ name }) => name === disk.target);
    assert.equal(record?.rootDigest, await contentDigest(host, disk.path, disk.format), disk.target);
  }

  // The stopped source still has the disk as the guest left it, and nothing tracked its changes.
  assert.equal(await world.virsh('old', 'domstate', 'web01'), 'shut off');
  const before = await contentDigest(host, left!.path, left!.format);
  const bitmaps = async (path: string) => {
    const { stdout } = await host.run('qemu-img', ['info', '--output=json', '--', path]);
    const info = JSON.parse(stdout) as { 'format-specific': { data: { bitmaps?: unknown[] } } };
    return info['format-specific'].data.bitmaps?.length ?? 0;
  };
  assert.ok((await bitmaps(data!.path)) > 0, 'the changes of what is copied are tracked');
  assert.equal(await bitmaps(left!.path), 0);

  // It answers in its new network: the address is the guest's own.
  await waitForGuest(world.lab.new, { ...guest, name: 'shop01' }, 300_000);
  const cpus = await world.virsh('new', 'qemu-agent-command', 'shop01', '{"execute":"guest-get-vcpus"}');
  assert.equal((JSON.parse(cpus) as { return: unknown[] }).return.length, 2, 'the guest has the CPUs');
  await run.update('acceptTarget', { by: 'ben' });
  const { outcome, status } = await run.result();
  assert.equal(outcome, 'completed');

  assert.equal(await world.virsh('new', 'list', '--all', '--name'), 'shop01');
  for (const flags of [[], ['--inactive']]) {
    const domain = parseXml(await world.virsh('new', 'dumpxml', 'shop01', ...flags));
    assert.equal(domain.text('vcpu'), '2');
    assert.equal(domain.text('memory'), String(320 * 1024));
    const devices = domain.at('devices')!;
    const nics = devices.all('interface').map((nic) => [nic.get('type'), nic.at('source')?.get('network')]);
    assert.deepEqual(nics, [['network', NETWORK]]);
    const disks = devices.all('disk').map((disk) => {
      const file = disk.at('source')?.get('file') ?? '';
      return [disk.at('target')?.get('dev'), disk.at('driver')?.get('type'), file.slice(0, file.lastIndexOf('/'))];
    });
    assert.deepEqual(disks, [
      ['vda', 'raw', pool('bulk')],
      ['vdb', 'raw', pool('fast')],
    ]);
  }
  const files = async (name: string) => (await world.lab.new.host.run('ls', ['-A', '--', pool(name)])).stdout.trim();
  assert.deepEqual([(await files('bulk')).split('\n').length, (await files('fast')).split('\n').length], [1, 1]);
  const usual = await world.lab.new.host.run('ls', ['-A', '--', world.lab.new.images]);
  assert.equal(usual.stdout.trim(), '', 'nothing is in the pool that was not asked for');

  assert.equal(await contentDigest(host, left!.path, left!.format), before);
  assert.equal(await inode(), leftInode);
  assert.ok((await world.virsh('old', 'dumpxml', 'web01')).includes(left!.path), 'the source has the disk');
  assert.deepEqual(await watch.stop(), []);
  assert.deepEqual(await world.leftovers(status.migrationId), []);
  await removeGuest(world.lab.new, { ...guest, name: 'shop01', disks: [] });
});
