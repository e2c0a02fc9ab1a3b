import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import test from 'node:test';
import { promisify } from 'node:util';
import { readTctl, words } from '../cli/tctl.js';
import { DemoProcess, NOTHING, reportFolder, reportIn, staying, type DemoHosts } from './demo-process.js';

const execute = promisify(execFile);

/** What a shell prints that is given the line as it is, in a folder that has nothing to do with it. */
async function inShell(line: string): Promise<string> {
  const environment = { ...process.env };
  delete environment['TEMPORAL_ADDRESS'];
  return (await execute('sh', ['-c', line], { cwd: tmpdir(), env: environment })).stdout;
}

/** The line that it printed behind `label`, when it waits for the approval. */
async function wayTo(demo: DemoProcess, label: string): Promise<string> {
  const printed = await demo.until(/^The cutover waits for an approval[\s\S]*^ {2}tctl .*$/m);
  const line = new RegExp(`^  ${label} +(.+)$`, 'm').exec(printed)?.[1];
  assert.ok(line, printed);
  return line;
}

async function assertGone(hosts: DemoHosts): Promise<void> {
  assert.deepEqual(await hosts.traces(), NOTHING);
  await assert.rejects(stat(hosts.directory), { code: 'ENOENT' });
}

test('a demo that waits goes on when the printed command line is run; what it keeps is there until it is stopped', async (t) => {
  const folder = await reportFolder(t);
  const demo = DemoProcess.start(t, ['--wait', '--keep', '--report', folder]);
  const hosts = await demo.hosts();
  // What is kept outlives the group of the process that kept it, also where this test fails.
  t.after(() => DemoProcess.start(t, ['--stop', hosts.directory]).end());
  const approve = await wayTo(demo, 'vmferry');
  assert.match(await inShell(approve), /cutover approved/);
  assert.equal(await demo.end(), 0, demo.printed + demo.errors);
  const report = await reportIn(folder);
  assert.equal(report.outcome, 'completed');
  assert.deepEqual(
    report.decisions.map(({ name, accepted }) => ({ name, accepted })),
    [{ name: 'approveCutover', accepted: true }],
  );

  assert.doesNotMatch(demo.printed, /Everything that was started has ended/);
  const { processes } = await hosts.traces();
  for (const kept of ['libvirtd', 'qemu-system', 'start-dev'])
    assert.ok(
      processes.some((process) => process.includes(kept)),
      `${kept} is not among\n${processes.join('\n')}`,
    );
  const list = /^ {2}what runs there +(.+)$/m.exec(demo.printed)?.[1];
  assert.ok(list, demo.printed);
  assert.match(await inShell(list), /^ \d+ +web01 +running$/m);

  const stop = /^ {2}its end +npm start -- (.+)$/m.exec(demo.printed)?.[1];
  assert.ok(stop, demo.printed);
  const stopping = DemoProcess.start(t, stop.split(' '));
  assert.equal(await stopping.end(), 0, stopping.errors);
  await assertGone(hosts);
});

test('a demo that waits goes on when the printed signal of the program temporal is sent', async (t) => {
  const folder = await reportFolder(t);
  const demo = DemoProcess.start(t, ['--wait', '--report', folder]);
  const hosts = await demo.hosts();
  const signal = await wayTo(demo, 'or');
  assert.match(signal, /temporal workflow signal /);
  // tctl is not here; its line says the same.
  const tctl = readTctl(await wayTo(demo, 'tctl'));
  const said = words(signal);
  const after = (flag: string) => said[said.indexOf(flag) + 1];
  assert.deepEqual(tctl.server, { address: after('--address'), namespace: after('--namespace') });
  assert.deepEqual(
    [tctl.verb, tctl.flags['workflow_id'], tctl.flags['name'], tctl.flags['input']],
    ['signal', after('--workflow-id'), after('--name'), after('--input')],
  );
  await inShell(signal);
  assert.equal(await demo.end(), 0, demo.printed + demo.errors);
  const { outcome, decisions } = await reportIn(folder);
  assert.equal(outcome, 'completed');
  const given = JSON.parse(/--input '(.+)'$/.exec(signal)![1]!) as { by: string };
  assert.deepEqual(
    decisions.map(({ name, accepted, by }) => ({ name, accepted, by })),
    [{ name: 'approveCutover', accepted: true, by: given.by }],
  );
  await assertGone(hosts);
});

test('a demo killed in the middle of its migration is cleared away by the next, which goes well', async (t) => {
  const killed = DemoProcess.start(t, ['--yes', '--report', await reportFolder(t)]);
  const left = await killed.hosts();
  await killed.until(/phase seeding/);
  killed.child.kill('SIGKILL');
  assert.equal(await killed.end(), null);
  assert.ok((await stat(left.directory)).isDirectory());

  const folder = await reportFolder(t);
  const next = DemoProcess.start(t, ['--yes', '--report', folder]);
  const hosts = await next.hosts();
  assert.ok(next.printed.includes(`(removing ${left.directory}, which a killed run left)`), next.printed);
  assert.equal(await next.end(), 0, next.printed + next.errors);
  const report = await reportIn(folder);
  assert.equal(report.outcome, 'completed');
  assert.deepEqual(staying(report), ['domain at dc-new']);
  await assertGone(left);
  await assertGone(hosts);
});
