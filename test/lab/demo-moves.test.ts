import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { DemoProcess, NOTHING, reportFolder, reportIn, staying } from './demo-process.js';

const DIGEST = /^[0-9a-f]{64}$/;

test('the demo moves its guest, says that nothing acknowledged was lost, reports it, and leaves nothing behind', async (t) => {
  const folder = await reportFolder(t);
  const demo = DemoProcess.start(t, ['--yes', '--report', folder]);
  const hosts = await demo.hosts();
  assert.notDeepEqual(await hosts.traces(), NOTHING, 'the traces of a running demo are seen');
  assert.equal(await demo.end(), 0, demo.printed + demo.errors);
  assert.equal(demo.errors, '');

  const counter = /last acknowledged at dc-old (\d+), the guest's first at dc-new (\d+): none lost$/m.exec(
    demo.printed,
  );
  assert.ok(counter, demo.printed);
  const [last, first] = counter.slice(1).map(Number);
  assert.ok(last! > 0 && first! >= last!, counter[0]);

  const report = await reportIn(folder);
  assert.equal(report.outcome, 'completed');
  assert.equal(report.error, null);
  assert.ok(report.downtimeMs! > 0 && report.predictedDowntimeMs! > 0);
  const kinds = report.passes.map((pass) => pass.kind);
  assert.match(kinds.join(' '), /^seed (delta )+final$/);
  for (const disk of report.disks) {
    assert.match(disk.rootDigest!, DIGEST);
    assert.ok(demo.printed.includes(`disk ${disk.name}`) && demo.printed.includes(disk.rootDigest!));
    assert.ok(disk.verifiedAt);
  }
  assert.deepEqual(
    report.disks.map((disk) => disk.name),
    ['vda', 'vdb'],
  );
  assert.deepEqual(
    report.decisions.map(({ name, accepted, comment }) => ({ name, accepted, comment })),
    [{ name: 'approveCutover', accepted: true, comment: 'given by npm start' }],
  );
  // The VM as it is now.
  assert.deepEqual(staying(report), ['domain at dc-new']);

  const page = await readFile(join(folder, 'report.html'), 'utf8');
  const loaded = [...page.matchAll(/(?:src|href)="([^"]{0,40})/g)].map((match) => match[1]!);
  const pictures = report.evidence.filter((piece) => piece.kind === 'screenshot').length;
  assert.ok(pictures >= 2, 'the rehearsal and the target had their picture taken');
  assert.deepEqual(new Set(loaded.map((address) => address.slice(0, 22))), new Set(['data:image/png;base64,']));
  assert.equal(loaded.length, pictures);
  assert.doesNotMatch(page, /url\(|@import|<script|https?:\/\//i);

  assert.deepEqual(await hosts.traces(), NOTHING);
  await assert.rejects(stat(hosts.directory), { code: 'ENOENT' });
});
