import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { askGuest, defineGuest, removeGuest, startGuest, waitForGuest, type Guest } from '../../../lab/guest/guest.js';
import type { LabHost } from '../../../lab/host/lab-host.js';
import { freeSpace } from '../../../src/guest/prepare/free-space.js';
import type { GuestAccess } from '../../../src/guest/prepare/script.js';
import { lookAtServices, startServices, stopServices } from '../../../src/guest/prepare/services.js';
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
  // Mounted from its disk; qemu-ga leaves out what is in memory alone.
  assert.ok(facts.filesystems?.length, 'no file system');
  for (const { type, freeBytes } of facts.filesystems)
    assert.ok(type === 'ext4' && freeBytes > 2 ** 20, `${type} ${freeBytes}`);
  assert.deepEqual((await site.guestFacts('web01', undefined, false)).openPorts, []);
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

const run = (script: string, timeoutMs = 30_000) => site.guestExec('web01', ['/bin/sh', '-c', script], { timeoutMs });
const unwilling = (message: RegExp, remedy: RegExp) => (error: unknown) => {
  assert.ok(error instanceof VmferryError && error.code === 'GuestUnwilling', String(error));
  assert.match(error.message, message);
  assert.match(error.remedy ?? '', remedy);
  return true;
};

test('a program runs in the guest through its agent, with its words, its status, and bounds to both', async () => {
  const all = { os: 'vmferry-guest', mayExec: true, mayTrim: true, mayLook: true };
  assert.deepEqual(await site.agentFacts('web01'), all);
  const { exitCode, stdout, stderr } = await run(`printf "it's"; echo no >&2; exit 3`);
  assert.deepEqual([exitCode, stdout, stderr.trim()], [3, "it's", 'no']);
  assert.equal((await run('head -c 1000000 /dev/zero | tr "\\0" x')).stdout, 'x'.repeat(256 * 1024));
  await assert.rejects(run('sleep 60', 500), unwilling(/did not end within 1 s/, /process \d+ of the guest/));
  await assert.rejects(run('kill -9 $$'), unwilling(/ended by signal 9/, /^$/));
  const missing = site.guestExec('web01', ['/no/such'], { timeoutMs: 1_000 });
  await assert.rejects(missing, unwilling(/cannot have guest-exec done in web01: .*No such file/, /^$/));
});

test('the guest tells what is mounted and trims it; its services are looked at, stopped and started by scripts', async () => {
  const disk = (await site.guestFilesystems('web01')).find(({ path }) => path === '/disk/a')!;
  assert.ok(disk.freeBytes! > 0 && disk.freeBytes! < disk.totalBytes!, JSON.stringify(disk));
  const trimmed = (await site.guestTrim('web01')).find(({ path }) => path === '/disk/a')!;
  assert.ok(trimmed.trimmedBytes! > 0 && trimmed.error === null, JSON.stringify(trimmed));
  const inside: GuestAccess = {
    migrationId: ID,
    exec: (command, options) => site.guestExec('web01', command, options),
  };
  assert.deepEqual(await lookAtServices(inside, ['web', 'db']), { web: 'active', db: 'unknown' });
  await stopServices(inside, ['web'], 30_000, () => Promise.resolve());
  await assert.rejects(askGuest(host, guest));
  assert.deepEqual(await startServices(inside, ['web'], 30_000), [{ name: 'web', error: null }]);
  await askGuest(host, guest);
  assert.ok((await freeSpace(inside, ['temporary-files'])).commands.length > 0);
});

test('what the settings of the guest block is known beforehand, and refused with the name of the command', async () => {
  await run(`port=$(tr '\\0' '\\n' </proc/$(pidof qemu-ga)/cmdline | grep ^/dev/)
    (sleep 1; killall qemu-ga; sleep 1; exec qemu-ga -m virtio-serial -p "$port" -t /run -d -b guest-exec,guest-fstrim) </dev/null >/dev/null 2>&1 &`);
  for (const deadline = Date.now() + 30_000; (await site.agentFacts('web01'))?.mayExec !== false; await sleep(300))
    assert.ok(Date.now() < deadline, 'it is not blocked');
  const facts = { os: 'vmferry-guest', mayExec: false, mayTrim: false, mayLook: true };
  assert.deepEqual(await site.agentFacts('web01'), facts);
  await assert.rejects(
    run('true'),
    unwilling(/guest-exec done in web01: its guest agent does not allow it/, /BLACKLIST_RPC/),
  );
  await assert.rejects(site.guestTrim('web01'), unwilling(/guest-fstrim/, /Allow guest-fstrim/));
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
