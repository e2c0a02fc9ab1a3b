import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { VmferryError } from '../../src/errors.js';
import { migrationReport } from '../../src/model/report.js';
import { buildReport, renderHtml, writeReport } from '../../src/report/index.js';
import { sampleStatus } from './sample.js';

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==',
  'base64',
);

test('a report built from a status fits its schema and keeps every figure', () => {
  const status = sampleStatus();
  const report = migrationReport.parse(buildReport(status));
  assert.equal(report.outcome, 'completed');
  assert.equal(report.downtimeMs, status.downtimeMs);
  assert.deepEqual(report.passes, status.passes);
  assert.deepEqual(report.decisions, status.trail);
  assert.equal(report.endedAt, '2026-11-22T18:18:49.000Z');
});

test('a finding that was waived stands in both reports, with the reason for going on', () => {
  const report = buildReport(sampleStatus());
  const [waived] = report.findings.filter(({ waivedBy }) => waivedBy !== undefined);
  assert.equal(waived?.severity, 'blocking');
  const page = renderHtml(report);
  assert.ok(page.includes(waived.waivedBy!), 'the reason is on the page');
  assert.ok(page.includes(waived.id));
});

test('a report of a migration that still runs says so', () => {
  const report = buildReport(sampleStatus({ outcome: null, phase: 'awaiting-approval', downtimeMs: null }));
  assert.equal(report.outcome, null);
  assert.equal(report.endedAt, null);
  assert.match(renderHtml(report), /In progress/);
});

test('names, console text and comments with markup in them stay text', () => {
  const evil = '<script>alert(1)</script>"\'&';
  const status = sampleStatus({ vm: evil, targetName: `x${evil}` });
  status.trail[0]!.comment = evil;
  status.trail[0]!.by = evil;
  status.events[0]!.text = evil;
  status.findings[0]!.message = evil;
  status.evidence[2]!.text = `${evil}\u0000\u001b[31mred`;
  status.evidence[0]!.title = '" onerror="alert(2)';
  status.disks[0]!.name = evil;
  status.error = { code: 'Internal', message: evil, remedy: evil };
  const page = renderHtml(buildReport(status), { 'evidence/rehearsal.png': PNG });
  assert.doesNotMatch(page, /<script/i);
  assert.doesNotMatch(page, /" onerror="/);
  assert.match(page, /&lt;script&gt;alert\(1\)&lt;\/script&gt;&quot;&#39;&amp;/);
  assert.ok(![...page].some((character) => character < ' ' && character !== '\n' && character !== '\t'));
});

test('the page loads nothing from anywhere and embeds pictures', () => {
  const page = renderHtml(buildReport(sampleStatus()), { 'evidence/rehearsal.png': PNG, 'evidence/target.png': PNG });
  assert.equal(page.match(/src="data:image\/png;base64,/g)?.length, 2);
  assert.doesNotMatch(page, /(src|href)="(?!data:)/);
  assert.doesNotMatch(page, /url\(|@import|https?:\/\//);
  assert.match(page, /default-src &#39;none&#39;/);
});

test('a picture that is no PNG is named, not embedded', () => {
  const page = renderHtml(buildReport(sampleStatus()), { 'evidence/rehearsal.png': Buffer.from('<svg onload=x>') });
  assert.doesNotMatch(page, /data:image/);
  assert.match(page, /evidence\/rehearsal\.png/);
});

test('a report of a migration that never began a phase can be rendered', () => {
  const empty = { phases: [], passes: [], disks: [], findings: [], probes: [], evidence: [], trail: [], events: [] };
  const page = renderHtml(buildReport(sampleStatus({ ...empty, ledger: [], prediction: null, passCount: 0 })));
  assert.match(page, /No phase was entered/);
  assert.doesNotMatch(page, /NaN|Infinity|undefined/);
});

test('passes of nothing and thousands of passes can be drawn', () => {
  const [first] = sampleStatus().passes;
  const many = Array.from({ length: 300 }, (_, index) => ({
    ...first!,
    number: index + 1,
    bytesWritten: 0,
    durationMs: 0,
  }));
  const page = renderHtml(buildReport(sampleStatus({ passes: many, passCount: 5000 })));
  assert.match(page, /4700 passes between are not listed/);
  assert.doesNotMatch(page, /NaN|Infinity|undefined/);
});

test('report.json, report.html and evidence are written, and written again, without leftovers', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-report-'));
  context.after(() => rm(folder, { recursive: true }));
  const report = buildReport(sampleStatus());
  for (let round = 0; round < 2; round++) {
    const written = await writeReport(folder, report, { 'evidence/rehearsal.png': PNG });
    assert.deepEqual(migrationReport.parse(JSON.parse(await readFile(written.json, 'utf8'))), report);
    assert.match(await readFile(written.html, 'utf8'), /<h1>web01<\/h1>/);
  }
  assert.deepEqual((await readdir(folder, { recursive: true })).sort(), [
    'evidence',
    'evidence/rehearsal.png',
    'report.html',
    'report.json',
  ]);
});

test('evidence that leads out of the folder is refused', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-report-'));
  context.after(() => rm(folder, { recursive: true }));
  await assert.rejects(
    writeReport(join(folder, 'in'), buildReport(sampleStatus()), { '../out.png': PNG }),
    (error) => error instanceof VmferryError && error.code === 'Unsafe',
  );
  assert.deepEqual(await readdir(folder), []);
});
