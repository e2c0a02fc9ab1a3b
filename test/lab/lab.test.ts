import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import test, { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { loadConfig, siteOf } from '../../src/config.js';
import { LocalHost } from '../../src/exec/local.js';
import { startLab, type Lab } from '../../lab/lab.js';
import type { LabHost } from '../../lab/host/lab-host.js';
import { findTraces, namespaceOf } from './traces.js';

const EMPTY_DOMAIN = `<domain type='qemu'><name>twin</name><memory unit='MiB'>32</memory><os><type arch='x86_64'>hvm</type></os></domain>`;
const NOTHING = { processes: [], mounts: [], interfaces: [] };
const virsh = (host: LabHost, ...args: string[]) => host.host.run('virsh', ['-q', '-c', 'qemu:///system', ...args]);

let lab: Lab;
before(async () => {
  lab = await startLab();
});
after(() => lab.stop());

test('the hosts are two: their own identity, processes, network and domains of the same name', async () => {
  const seen = [];
  for (const host of [lab.old, lab.new]) {
    await host.host.run('virsh', ['-q', '-c', 'qemu:///system', 'define', '/dev/stdin'], { input: EMPTY_DOMAIN });
    const { stdout: capabilities } = await virsh(host, 'capabilities');
    const { stdout: name } = await host.host.run('hostname', []);
    const { stdout: uuid } = await virsh(host, 'domuuid', 'twin');
    seen.push({ name: name.trim(), host: /<uuid>(.*)<\/uuid>/.exec(capabilities)?.[1], twin: uuid.trim() });
  }
  const [old, fresh] = seen;
  assert.deepEqual([old?.name, fresh?.name], ['dc-old', 'dc-new']);
  assert.deepEqual([old?.host, fresh?.host], [lab.old.uuid, lab.new.uuid]);
  assert.notEqual(old?.host, fresh?.host);
  assert.notEqual(old?.twin, fresh?.twin);
  await virsh(lab.old, 'undefine', 'twin');
  assert.match((await virsh(lab.new, 'list', '--all')).stdout, /twin/);
  assert.doesNotMatch((await virsh(lab.old, 'list', '--all')).stdout, /twin/);
  await virsh(lab.new, 'undefine', 'twin');
});

test('a host is reached through its socket as well, and knows its disks by the same paths', async () => {
  const { uri } = lab.old.localConfig;
  const { stdout } = await new LocalHost().run('virsh', ['-q', '-c', uri, 'pool-dumpxml', 'default']);
  assert.match(stdout, new RegExp(`<path>${lab.old.images}</path>`));
  const capabilities = await new LocalHost().run('virsh', ['-q', '-c', uri, 'capabilities']);
  assert.match(capabilities.stdout, new RegExp(lab.old.uuid));
});

test('the bridge has the same subnet at both hosts', async () => {
  for (const host of [lab.old, lab.new]) {
    const { stdout } = await host.host.run('ip', ['-4', '-o', 'address']);
    assert.match(stdout, / 192\.168\.150\.1\/24 /);
    assert.match((await virsh(host, 'net-list', '--name')).stdout, /^lan$/m);
  }
});

test('its vmferry.yaml names both sites', async () => {
  const config = await loadConfig(lab.configPath);
  assert.deepEqual(siteOf(config, 'dc-old'), lab.old.config);
  assert.deepEqual(siteOf(config, 'dc-new'), lab.new.config);
});

test('a link can be cut, healed and slowed', async () => {
  assert.equal(await answers(lab.new), true);
  await lab.new.link.cut();
  assert.equal(await answers(lab.new), false);
  assert.equal(await answers(lab.old), true);
  await lab.new.link.heal();
  assert.equal(await answers(lab.new), true);

  const fetch = async () => {
    const started = performance.now();
    await lab.old.host.runBinary('head', ['-c', String(4 * 1024 * 1024), '/dev/zero']);
    return performance.now() - started;
  };
  await lab.old.link.shape('16mbit');
  const slow = await fetch();
  await lab.old.link.shape(null);
  const fast = await fetch();
  assert.ok(slow > 1500, `4 MiB at 16 Mbit/s take two seconds, not ${slow} ms`);
  assert.ok(fast < slow / 2, `${fast} ms unshaped, ${slow} ms shaped`);
});

test('a stopped lab leaves no process, mount, interface or file', async () => {
  const second = await startLab();
  const hosts = [second.old, second.new];
  const namespaces = await Promise.all(hosts.map((host) => namespaceOf(host.pid)));
  const interfaces = hosts.map((host) => host.link.interface);
  const running = await findTraces(namespaces, interfaces, second.directory);
  assert.ok(running.processes.length >= 6, 'the traces of a running lab are seen');
  assert.equal(running.interfaces.length, 2);
  await second.stop();
  assert.deepEqual(await findTraces(namespaces, interfaces, second.directory), NOTHING);
  await assert.rejects(stat(second.directory), { code: 'ENOENT' });
  assert.equal(await answers(lab.old), true, 'another lab goes on');
});

test('kill -9 of its owner leaves no process, mount or interface, and the next lab removes its files', async () => {
  const program = fileURLToPath(new URL('hold-lab.js', import.meta.url));
  const owner = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface(owner.stdout), 'line')) as [string];
  const held = JSON.parse(line) as { directory: string; hosts: { pid: number; interface: string }[] };
  const namespaces = await Promise.all(held.hosts.map((host) => namespaceOf(host.pid)));
  const interfaces = held.hosts.map((host) => host.interface);
  owner.kill('SIGKILL');
  await once(owner, 'exit');
  const deadline = Date.now() + 10_000;
  let traces = await findTraces(namespaces, interfaces, held.directory);
  while (JSON.stringify(traces) !== JSON.stringify(NOTHING) && Date.now() < deadline) {
    await sleep(100);
    traces = await findTraces(namespaces, interfaces, held.directory);
  }
  assert.deepEqual(traces, NOTHING);
  assert.ok(await readFile(`${held.directory}/owner`, 'utf8'));
  await (await startLab()).stop();
  await assert.rejects(stat(held.directory), { code: 'ENOENT' });
});

/** Whether the host's ssh server answers within half a second. */
async function answers(host: LabHost): Promise<boolean> {
  const socket = connect(22, host.link.address);
  try {
    await once(socket, 'data', { signal: AbortSignal.timeout(500) });
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
