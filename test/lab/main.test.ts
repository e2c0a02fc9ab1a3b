import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { DemoProcess, NOTHING } from './demo-process.js';

test('the demo stopped by Ctrl-C while its guest boots leaves nothing behind', async (t) => {
  const demo = DemoProcess.start(t, ['--yes']);
  await demo.until(/Booting the guest/);
  const hosts = await demo.hosts();
  const running = await hosts.traces();
  assert.ok(running.processes.some((process) => process.includes('start-dev')));
  assert.ok(running.processes.some((process) => process.includes('libvirtd')));
  demo.child.kill('SIGINT');
  assert.equal(await demo.end(), 130);
  assert.deepEqual(await hosts.traces(), NOTHING);
  await assert.rejects(stat(hosts.directory), { code: 'ENOENT' });
});

test('the demo ends in order by itself when what started it is killed', async (t) => {
  const demo = DemoProcess.start(t, ['--yes'], 'start');
  await demo.until(/Booting the guest/);
  const hosts = await demo.hosts();
  demo.child.kill('SIGKILL');
  // Its output is the demo's as well, and is closed when both have ended.
  await demo.end();
  assert.match(demo.printed, /^npm start was killed\. Stopping …$[\s\S]*^Everything that was started has ended/m);
  assert.deepEqual(await hosts.traces(), NOTHING);
  await assert.rejects(stat(hosts.directory), { code: 'ENOENT' });
});

test('the demo ends in order when nobody reads its output any more', async (t) => {
  const demo = DemoProcess.start(t, ['--yes']);
  const hosts = await demo.hosts();
  demo.child.stdout.destroy();
  assert.equal(await demo.end(), 130);
  assert.equal(demo.errors, '');
  assert.deepEqual(await hosts.traces(), NOTHING);
  await assert.rejects(stat(hosts.directory), { code: 'ENOENT' });
});

test('help says what the options are, and a wrong one is refused', async (t) => {
  const help = DemoProcess.start(t, ['--help']);
  assert.equal(await help.end(), 0);
  assert.match(help.printed, /--fail-probe[\s\S]*--keep[\s\S]*--report <dir>/);
  assert.doesNotMatch(help.printed, /started-by/);
  const wrong = [
    ['--yes', '--wait'],
    ['--stop', ''],
    ['--report', ''],
    ['--rate', 'fast'],
  ];
  for (const options of wrong) assert.equal(await DemoProcess.start(t, options).end(), 2, options.join(' '));
});

test('a folder for the report that cannot be made is said before anything is started', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-lab-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'file'), '');
  const demo = DemoProcess.start(t, ['--yes', '--report', join(folder, 'file', 'report')]);
  assert.equal(await demo.end(), 1);
  assert.equal(demo.printed, '');
  assert.match(demo.errors, /^cannot write .*: what should be a folder on the way there is a file\n {2}Name another/);
});

test('only the folder of a demo is ended and removed', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-lab-'));
  t.after(() => rm(folder, { recursive: true }));
  for (const named of [folder, join(folder, 'not-there')])
    assert.equal(await DemoProcess.start(t, ['--stop', named]).end(), 1);
  assert.ok((await stat(folder)).isDirectory());
});
