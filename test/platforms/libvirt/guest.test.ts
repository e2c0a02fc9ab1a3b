import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { askGuest, defineGuest, removeGuest, startGuest, waitForGuest, type Guest } from '../../../lab/guest/guest.js';
import type { LabHost } from '../../../lab/host/lab-host.js';
import { libvirtSite } from '../../../src/config.js';
import { VmferryError } from '../../../src/errors.js';
import { connectLibvirt, type LibvirtConnection } from '../../../src/platforms/libvirt/connect.js';
import { guestAddresses } from '../../../src/platforms/libvirt/guest.js';
import { createLibvirtSource } from '../../../src/platforms/libvirt/source.js';
import { createLibvirtVmSite, type SourcePart } from '../../../src/platforms/libvirt/vm-site.js';
import type { PointRequest, VmSite } from '../../../src/platforms/platform.js';
import { startTestHost, virsh } from './lab-vm.js';

const ID = '0123456789ab';
const THAWED_WITHIN_MS = 20_000;

let host: LabHost;
let at: LibvirtConnection;
let site: VmSite;
let source: SourcePart;
let guest: Guest;
before(async () => {
  host = await startTestHost('guest');
  at = connectLibvirt('dc', libvirtSite.parse({ ...host.config, scratchReserve: '32MiB' }));
  site = createLibvirtVmSite(at);
  source = createLibvirtSource(at);
  guest = await defineGuest(host);
  await startGuest(host, guest);
  await waitForGuest(host, guest);
});
after(async () => {
  await source.endPoints('web01', ID);
  await removeGuest(host, guest);
  await site.close();
  await host.stop();
});

const request = (n: number, quiesce: PointRequest['quiesce']): PointRequest => ({
  owner: { migrationId: ID, workflowId: 'w', cluster: 'c', namespace: 'default' },
  vm: 'web01',
  disks: guest.disks.map((disk) => disk.target),
  checkpoint: `vmferry-${ID}-${n}`,
  since: null,
  quiesce,
});

async function freezeStatus(): Promise<string> {
  const command = JSON.stringify({ execute: 'guest-fsfreeze-status' });
  const answer = JSON.parse(await virsh(host, 'qemu-agent-command', 'web01', command)) as { return: string };
  return answer.return;
}

test('a running guest is known by its agent, its addresses and its open ports', async () => {
  const facts = await site.guestFacts('web01');
  assert.equal(facts.agent, true);
  assert.equal(facts.hostname, 'web01');
  assert.equal(facts.addresses[0], guest.address);
  assert.deepEqual(facts.openPorts, [80]);
});

test('without an answer of its agent a guest is known by what its host speaks to, time and again', async () => {
  const uuid = await at.virsh.uuid('web01');
  // Past the few seconds in which the kernel checks an entry.
  for (let tries = 0; tries < 12; tries++) {
    assert.deepEqual(await guestAddresses(at, uuid, false), [guest.address]);
    await sleep(500);
  }
});

test('what the guest serves is probed from its site', async () => {
  const http = (contains: string) => site.probe('web01', { kind: 'http', status: 200, contains, within: '1s' });
  assert.equal((await http('counter')).passed, true);
  assert.match((await http('no such text')).detail, /status 200, but the text is not in its body/);
  assert.equal((await site.probe('web01', { kind: 'tcp', port: 80, within: '1s' })).passed, true);
  assert.equal((await site.probe('web01', { kind: 'tcp', port: 81, within: '1s' })).passed, false);
  assert.equal((await site.probe('web01', { kind: 'agent', within: '1s' })).passed, true);
});

test('a point of a guest with an agent is quiesced, and the guest goes on at once', async () => {
  const point = await source.openPoint(request(1, 'required'));
  assert.deepEqual([point.quiesced, point.note], [true, null]);
  assert.equal(await freezeStatus(), 'thawed');
  const { counter } = await askGuest(host, guest);
  await sleep(1000);
  assert.ok((await askGuest(host, guest)).counter > counter, 'it goes on counting');
  await point.end();
});

test('a guest that was frozen by a worker killed before the thaw is thawed by the site itself', async () => {
  // Ends the script that freezes, as soon as it does; the brackets keep this one from finding itself.
  const killer = `until pgrep -f '^virsh .*domfsfreeze' >/dev/null; do :; done; kill -9 $(pgrep -f '[k]ind":"live"'); exit 0`;
  const killing = host.host.run('sh', ['-c', killer]);
  const opening = source.openPoint(request(2, 'required')).then(
    () => assert.fail('it was to be killed'),
    (error: unknown) => assert.ok(error instanceof VmferryError),
  );
  await Promise.all([killing, opening]);
  const seen = new Set<string>();
  for (const deadline = Date.now() + THAWED_WITHIN_MS; Date.now() < deadline; await sleep(300)) {
    const status = await freezeStatus();
    seen.add(status);
    if (status === 'thawed' && seen.has('frozen')) break;
  }
  assert.deepEqual([...seen].sort(), ['frozen', 'thawed']);
  const { counter } = await askGuest(host, guest);
  await sleep(1000);
  assert.ok((await askGuest(host, guest)).counter > counter, 'it goes on counting');
  await source.endPoints('web01', ID);
});

test('a guest whose agent does not answer is not quiesced, which is said or refused as asked', async () => {
  await virsh(host, 'suspend', 'web01');
  await assert.rejects(
    source.openPoint(request(3, 'required')),
    (error) => error instanceof VmferryError && error.code === 'GuestUnwilling',
  );
  const point = await source.openPoint(request(3, 'auto'));
  assert.deepEqual([point.quiesced, point.note], [false, 'not quiesced: the VM is paused']);
  await point.end();
  await virsh(host, 'resume', 'web01');
});

test('the guest stops when it is asked to, and its claim and its findings are those of a plain VM', async () => {
  const described = await site.describe('web01');
  const findings = await source.sourceFindings(
    described,
    described.disks.map((disk) => disk.id),
  );
  assert.deepEqual(
    findings.filter((finding) => finding.severity !== 'info'),
    [],
  );
  await site.requestShutdown('web01');
  for (const deadline = Date.now() + 60_000; (await site.runState('web01'))?.state !== 'off'; await sleep(300)) {
    assert.ok(Date.now() < deadline, 'it did not stop within a minute');
  }
});
