import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fleetAssessment } from '../../src/model/fleet.js';
import { connectClient } from '../../src/temporal.js';
import { vmferry } from '../cli/capture.js';
import { World } from './world.js';

/** The command line, a real server, a worker, and two real hosts; machines are defined, of which one is started with nothing on its disk. */

let world: World;
before(async () => {
  world = await World.start();
  for (const [index, name] of ['web01', 'web02', 'mail01', 'torn01'].entries()) await define(name, index);
  await world.startWorker();
});
after(() => world.stop());

async function define(name: string, index: number): Promise<void> {
  const { host, images } = world.lab.old;
  const image = `${images}/${name}.qcow2`;
  if (name !== 'torn01') await host.run('qemu-img', ['create', '-q', '-f', 'qcow2', image, `${64 + index}M`]);
  const xml = join(await world.folder('domains'), `${name}.xml`);
  const network = name === 'mail01' ? 'nowhere' : 'lan';
  await writeFile(
    xml,
    `<domain type='qemu'><name>${name}</name><memory unit='MiB'>128</memory><vcpu>1</vcpu>
    <os><type arch='x86_64' machine='q35'>hvm</type></os><devices>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${image}'/><target dev='vda' bus='virtio'/></disk>
    <interface type='network'><mac address='52:54:00:aa:00:0${name === 'web02' ? 0 : index}'/><source network='${network}'/><model type='virtio'/></interface>
    </devices></domain>`,
  );
  await world.virsh('old', 'define', xml);
}

const assess = (...argv: string[]) => {
  const { address } = world.temporal;
  const connect = () => connectClient({ address, namespace: 'default', connection: { address } });
  return vmferry(['assess', ...argv, '--from', 'dc-old', '--to', 'dc-new'], { connect, columns: 80 });
};

test('a whole site is assessed: a table, JSON and a page; what is blocked or cannot be read is status 3', async () => {
  const page = join(world.lab.directory, 'site.html');
  const words = await assess('--all', '--html', page);
  assert.equal(words.exit, 3, words.err);
  assert.match(words.out, /^mail01 +blocked +66 MiB /m);
  assert.match(words.out, /^web01 +warnings +64 MiB +.* none$/m);
  assert.match(words.out, /^ {2}network\.missing: The network "nowhere"/m);
  assert.match(words.out, /^warning fleet\.mac-repeated: /m);
  for (const line of words.out.split('\n')) assert.ok(line.length <= 80, line);
  assert.match(await readFile(page, 'utf8'), /web02/);

  const json = await assess('--all', '--json', '--exclude', 'torn*');
  const fleet = fleetAssessment.parse(JSON.parse(json.out));
  assert.deepEqual(
    fleet.vms.map(({ name, readiness }) => [name, readiness]),
    [
      ['mail01', 'blocked'],
      ['web01', 'ready-with-warnings'],
      ['web02', 'ready-with-warnings'],
    ],
  );
  assert.equal(fleet.sizing.sizeBytes, (64 + 65 + 66) * 2 ** 20);
  assert.ok(fleet.sizing.target.storageFreeBytes);
});

test('some machines by pattern, with a waiver: nothing stands against it, status 0', async () => {
  const { exit, out, err } = await assess('web*', 'mail01', '--waive', 'network.missing=made tonight');
  assert.equal(exit, 0, err);
  assert.match(out, /3 VMs: 0 ready, 3 with warnings, 0 blocked, 0 unreadable\./);
});

test('one machine tells its findings and what its move will take', async () => {
  const { exit, out, err } = await assess('web01');
  assert.equal(exit, 0, err);
  assert.match(out, /^Copying: about [^]*? 100 MiB\/s,\s+which\s+is\s+assumed\.$/m);
  assert.match(out, /^Downtime: none\. The VM is off/m);
});

test('a guest that runs and says nothing is told of, alone and among others', { timeout: 300_000 }, async () => {
  await world.virsh('old', 'start', 'web02');
  const ids = async (...argv: string[]) => {
    const { vms } = fleetAssessment.parse(JSON.parse((await assess(...argv, '--json')).out));
    const told = (each: (typeof vms)[number]) => each.findings.map(({ id }) => id);
    return vms.map((each) => [each.name, told(each).filter((id) => id === 'address.unknown')]);
  };
  assert.deepEqual(await ids('web*'), [
    ['web01', []],
    ['web02', ['address.unknown']],
  ]);
  assert.match((await assess('web02')).out, /^warning address\.unknown\n +No address of the running guest is known/m);
  await world.virsh('old', 'destroy', 'web02');
  assert.doesNotMatch((await assess('web02')).out, /address\.unknown/);
});

test('a machine or a network that is not there is wrong use, with those that are', async () => {
  const vm = await assess('web01', 'db*');
  assert.equal(vm.exit, 2);
  assert.match(vm.err, /"db\*" at dc-old.*\n.*mail01, torn01, web01/);
  const network = await assess('--all', '--network', 'lan=prodd');
  assert.equal(network.exit, 2);
  assert.match(network.err, /network "prodd" at dc-new\n.*lan/);
  assert.equal((await assess()).exit, 2);
});
