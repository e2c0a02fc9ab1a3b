import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import type { LabHost } from '../../../lab/host/lab-host.js';
import { libvirtSite } from '../../../src/config.js';
import { VmferryError } from '../../../src/errors.js';
import { connectLibvirt } from '../../../src/platforms/libvirt/connect.js';
import { createLibvirtVmSite } from '../../../src/platforms/libvirt/vm-site.js';
import type { VmSite } from '../../../src/platforms/platform.js';
import { defineVm, diskPath, removeVm, startPaused, startTestHost, virsh, write } from './lab-vm.js';

const DISKS = [
  { id: 'vda', format: 'qcow2', sizeMib: 64 },
  { id: 'vdb', format: 'raw', sizeMib: 16 },
] as const;

let host: LabHost;
let site: VmSite;
before(async () => {
  host = await startTestHost('vm-site');
  site = createLibvirtVmSite(connectLibvirt('dc', libvirtSite.parse(host.config)));
  const log = `<serial type='pty'><log file='${host.images}/web01-console.log' append='on'/></serial>`;
  await defineVm(host, 'web01', DISKS, log);
});
after(async () => {
  await site.close();
  await host.stop();
});

const code = (wanted: string) => (error: unknown) => error instanceof VmferryError && error.code === wanted;

test('the inventory shows every VM of the site with its state', async () => {
  await defineVm(host, '7', []);
  const found = await site.inventory();
  assert.deepEqual(
    found.map(({ name, state, memoryBytes, cpus, disks }) => ({ name, state, memoryBytes, cpus, disks })),
    [
      { name: '7', state: 'off', memoryBytes: 32 * 2 ** 20, cpus: 1, disks: 0 },
      { name: 'web01', state: 'off', memoryBytes: 32 * 2 ** 20, cpus: 1, disks: 2 },
    ],
  );
  await removeVm(host, '7');
});

test('a VM is described with its disks, whether it runs or not', async () => {
  const off = await site.describe('web01');
  assert.deepEqual(
    off.disks.map(({ id, bus, order, sizeBytes, format, changeTracking }) => [
      id,
      bus,
      order,
      sizeBytes,
      format,
      changeTracking,
    ]),
    [
      ['vda', 'virtio', 0, 64 * 2 ** 20, 'qcow2', true],
      ['vdb', 'virtio', 1, 16 * 2 ** 20, 'raw', false],
    ],
  );
  await startPaused(host, 'web01');
  const on = await site.describe('web01');
  assert.deepEqual({ ...on, disks: [] }, { ...off, disks: [] });
  await site.forceOff('web01');
});

test('an unknown VM is answered with those that exist', async () => {
  await assert.rejects(
    site.describe('web99'),
    (error) => code('NotFound')(error) && /web01/.test((error as VmferryError).remedy!),
  );
  assert.equal(await site.runState('web99'), null);
});

test('a reset of a running VM is heard of while somebody waits for one', async () => {
  await startPaused(host, 'web01');
  assert.equal(await site.resetWithin('web01', 1_000), false);
  let heard = false;
  const waiting = site.resetWithin('web01', 30_000).then((came) => (heard = came));
  for (let tries = 0; tries < 40 && !heard; tries++) {
    await virsh(host, 'reset', 'web01');
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  assert.equal(await waiting, true);
  await site.forceOff('web01');
});

test('each start of a VM is a run of its own', async () => {
  assert.deepEqual(await site.runState('web01'), { state: 'off', instance: null, autostart: false });
  const runs = new Set<string>();
  for (let time = 0; time < 2; time++) {
    await site.start('web01');
    await site.start('web01');
    const state = await site.runState('web01');
    assert.equal(state?.state, 'running');
    assert.match(state?.instance ?? '', /^\d+@\d+-[0-9a-f]{8}$/);
    assert.equal((await site.runState('web01'))?.instance, state?.instance);
    runs.add(state?.instance ?? '');
    await site.forceOff('web01');
    await site.forceOff('web01');
  }
  assert.equal(runs.size, 2);
});

test('a stopped VM is found whatever its name, and shows what was started or written to since', async () => {
  const disks = [
    { id: 'vda', format: 'qcow2', sizeMib: 64 },
    { id: 'vdb', format: 'raw', sizeMib: 16 },
  ] as const;
  await defineVm(host, 'quiet', disks);
  const all = ['vda', 'vdb', 'vdz'];
  const before = await site.whereabouts({ name: 'quiet' }, all);
  assert.deepEqual(before?.run, { state: 'off', instance: null, autostart: false });
  assert.equal(before.disks['vdz'], 'not there');
  assert.deepEqual(await site.whereabouts({ id: before.id }, all), before);
  await startPaused(host, 'quiet');
  await write(host, 'quiet', 1, '0', '4k', 1);
  await virsh(host, 'destroy', 'quiet');
  const raw = await site.whereabouts({ id: before.id }, all);
  assert.equal(raw?.disks['vda'], before.disks['vda'], 'nothing was written to it');
  assert.notEqual(raw?.disks['vdb'], before.disks['vdb']);
  const path = diskPath(host, 'quiet', disks[0]);
  await host.host.run('qemu-img', ['bitmap', '--add', '-f', 'qcow2', path, 'a-checkpoint']);
  const tracked = await site.whereabouts({ id: before.id }, all);
  await startPaused(host, 'quiet');
  await virsh(host, 'destroy', 'quiet');
  const started = await site.whereabouts({ id: before.id }, all);
  assert.notEqual(started?.disks['vda'], tracked?.disks['vda'], 'QEMU marked the bitmap as in use');
  await virsh(host, 'domrename', 'quiet', 'renamed');
  assert.equal(await site.whereabouts({ name: 'quiet' }, all), null);
  assert.deepEqual(await site.whereabouts({ id: before.id }, all), { ...started, name: 'renamed' });
  await removeVm(host, 'renamed');
  assert.equal(await site.whereabouts({ id: before.id }, all), null);
  await removeVm(host, 'quiet');
});

test('autostart is turned on and off', async () => {
  for (const on of [true, false]) {
    await site.setAutostart('web01', on);
    assert.equal((await site.runState('web01'))?.autostart, on);
  }
});

test('a VM whose name is a number is not mistaken for the VM with that id', async () => {
  await site.start('web01');
  const id = (await virsh(host, 'domid', 'web01')).trim();
  await defineVm(host, id, []);
  assert.equal((await site.runState(id))?.state, 'off');
  await site.forceOff(id);
  assert.equal((await site.runState('web01'))?.state, 'running');
  await virsh(host, 'undefine', '--domain', (await site.describe(id)).uuid);
  await site.forceOff('web01');
});

test('the screen is shown as PNG, the console as text, and neither of a VM that is off', async () => {
  assert.equal(await site.screenshot('web01'), null);
  await site.start('web01');
  const picture = await site.screenshot('web01');
  assert.equal(picture?.subarray(1, 4).toString(), 'PNG');
  await host.host.run('sh', ['-c', 'echo "hello from the guest" >> "$1"', 'sh', `${host.images}/web01-console.log`]);
  assert.match((await site.consoleText('web01')) ?? '', /hello from the guest/);
  assert.equal((await site.probe('web01', { kind: 'console', contains: 'from the guest', within: '1s' })).passed, true);
  assert.equal((await site.probe('web01', { kind: 'console', contains: 'login:', within: '1s' })).passed, false);
  assert.deepEqual(await site.guestFacts('web01'), { agent: false, hostname: null, addresses: [], openPorts: [] });
  assert.equal((await site.probe('web01', { kind: 'agent', within: '1s' })).passed, false);
  await site.requestShutdown('web01');
  await site.forceOff('web01');
});

test('services are probed from the site itself', async () => {
  const tcp = (port: number) => site.probe('web01', { kind: 'tcp', address: '127.0.0.1', port, within: '1s' });
  assert.deepEqual(await tcp(22), { passed: true, detail: '127.0.0.1:22 accepts connections' });
  const closed = await tcp(1);
  assert.equal(closed.passed, false);
  assert.match(closed.detail, /127\.0\.0\.1:1: Connection refused/);
  const http = (url: string) => site.probe('web01', { kind: 'http', url, status: 200, within: '1s' });
  // OpenSSH answers, but not in HTTP.
  assert.match((await http('http://127.0.0.1:22/')).detail, /no HTTP answer/);
  assert.equal((await http('http://127.0.0.1:1/')).passed, false);
});

test('a site without libvirt is unreachable, and says what to look at', async () => {
  const uri = `qemu+unix:///system?socket=${host.directory}/none`;
  const dead = createLibvirtVmSite(connectLibvirt('dead', libvirtSite.parse({ platform: 'libvirt', uri })));
  await assert.rejects(dead.inventory(), code('Unreachable'));
});
