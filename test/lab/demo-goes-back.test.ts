import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { DemoProcess, NOTHING, reportFolder, reportIn, staying } from './demo-process.js';

test('a probe that fails brings the source back by itself, with nothing lost, and leaves nothing behind', async (t) => {
  const folder = await reportFolder(t);
  const demo = DemoProcess.start(t, ['--fail-probe', '--report', folder]);
  const hosts = await demo.hosts();
  assert.equal(await demo.end(), 1, demo.printed + demo.errors);
  assert.equal(demo.errors, '');

  assert.match(demo.printed, /the source +counts at dc-old again, .* after it was off$/m);
  const counter = /last acknowledged before (\d+), found on its disk (\d+): none lost$/m.exec(demo.printed);
  assert.ok(counter, demo.printed);
  const [last, first] = counter.slice(1).map(Number);
  assert.ok(last! > 0 && first! >= last!, counter[0]);
  assert.match(demo.printed, /^Exit status 1, /m);

  const report = await reportIn(folder);
  assert.equal(report.outcome, 'rolled-back');
  assert.equal(report.error?.code, 'ProbeFailed');
  assert.deepEqual(
    report.probes.filter((probe) => !probe.passed).map((probe) => probe.required),
    [true],
  );
  // A whole replica is kept until told otherwise.
  assert.deepEqual(staying(report), ['replica at dc-new']);
  assert.match(await readFile(join(folder, 'report.html'), 'utf8'), /rolled[ -]back/i);

  assert.deepEqual(await hosts.traces(), NOTHING);
  await assert.rejects(stat(hosts.directory), { code: 'ENOENT' });
});
