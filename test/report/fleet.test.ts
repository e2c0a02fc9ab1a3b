import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fleetText } from '../../src/cli/fleet-text.js';
import { summarizeFleet, unreadable } from '../../src/checks/fleet.js';
import { rateFrom } from '../../src/checks/rate.js';
import { fleetAssessment, type FleetAssessment, type FleetVm } from '../../src/model/fleet.js';
import { renderFleetHtml } from '../../src/report/fleet-html.js';
import { packVms, unpackVms } from '../../src/report/fleet-part.js';
import { writeFleetReport } from '../../src/report/fleet-write.js';
import { assessFleetRequest } from '../../src/request/assess-fleet.js';
import { TARGET } from '../checks/facts.js';

const EVIL = '<script>alert(1)</script>"\'&\u001b[2J';
const request = assessFleetRequest.parse({ source: 'dc-old', target: 'dc-new' });

function vm(name: string, findings = 1, more: Partial<FleetVm> = {}): FleetVm {
  return {
    ...unreadable(name, { code: 'ToolFailed', message: 'x', remedy: null }),
    ...{ error: null, readiness: 'blocked', running: true, cpus: 2, memoryBytes: 2 ** 30, disks: 1 },
    ...{ sizeBytes: 3 * 2 ** 40, allocatedBytes: 2 ** 40 },
    estimate: {
      ...{ copyBytes: 2 ** 40, copyMs: 10_486_000, copyHow: '1 TiB at 100 MiB/s', rateBytesPerSecond: 2 ** 27 },
      ...{ downtimeMs: 69_000, downtimeHow: 'assumed', parts: [{ name: 'boot', ms: 60_000, how: 'assumed' }] },
    },
    findings: Array.from({ length: findings }, (_, index) => ({
      id: `rule.number-${index}`,
      severity: index === 0 ? ('blocking' as const) : ('info' as const),
      message: `Of ${name} this was found: ${Math.random()} ${'so long a text '.repeat(80)}`,
      remedy: 'Mend it.',
    })),
    ...more,
  };
}

function fleetOf(vms: FleetVm[]): FleetAssessment {
  const times = { startedAt: '2026-11-27T18:00:00.000Z', endedAt: '2026-11-27T18:00:05.000Z' };
  return { ...summarizeFleet(vms, { ...TARGET, boots: true }, request, rateFrom(request), times), vms };
}

test('an assessment is written as JSON that fits its schema and as one page that loads nothing', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-fleet-'));
  context.after(() => rm(folder, { recursive: true }));
  const fleet = fleetOf([vm('web01'), vm('db01', 0, { readiness: 'ready' })]);
  const { json, html } = await writeFleetReport(folder, fleet);
  assert.deepEqual(fleetAssessment.parse(JSON.parse(await readFile(json, 'utf8'))), fleet);
  const page = await readFile(html, 'utf8');
  assert.match(page, /Content-Security-Policy" content="default-src &#39;none&#39;/);
  assert.doesNotMatch(page, /(src|href)="(?!data:)/);
  assert.match(page, /1 cannot move yet/);
  assert.match(page, /1 TiB at 100 MiB\/s/);
});

test('names and messages with markup in them stay text, on the page and on the terminal', () => {
  const broken = unreadable(EVIL, { code: 'ToolFailed', message: EVIL, remedy: EVIL });
  const fleet = fleetOf([vm(EVIL, 1, { guestOs: EVIL }), broken]);
  const page = renderFleetHtml(fleet);
  assert.doesNotMatch(page, /<script|\u001b/i);
  assert.match(page, /&lt;script&gt;/);
  assert.doesNotMatch(fleetText(fleet, 80), /\u001b/);
});

test('for a terminal no line is wider than 80 characters, whatever names and messages hold', () => {
  const names = ['web01', 'x'.repeat(120), 'name with spaces '.repeat(6)];
  const text = fleetText(fleetOf(names.map((name) => vm(name, 3))), 200);
  for (const line of text.split('\n')) assert.ok(line.length <= 80, line);
  assert.match(text, /^web01 +blocked +3 TiB +1 TiB +2 h 55 min +1 min 9 s$/m);
  assert.match(text, /rule\.number-0: Of web01 this was found/);
  assert.match(text, /3 VMs: 0 ready, 0 with warnings, 3 blocked, 0 unreadable\./);
});

test('of a target that keeps files nothing is said of CPUs and memory that it does not have', () => {
  const fleet = fleetOf([vm('web01')]);
  const target = { ...fleet.sizing.target, cpus: 0, memoryBytes: 0, freeMemoryBytes: 0 };
  const files = { ...fleet, sizing: { ...fleet.sizing, target } };
  for (const text of [fleetText(fleet, 80), renderFleetHtml(fleet)]) assert.match(text, /host of|of the host/);
  for (const text of [fleetText(files, 80), renderFleetHtml(files)])
    assert.doesNotMatch(text, /host of|of the host|0 B/);
});

test('VMs come out of a part as they went in', () => {
  const vms = [vm('web01'), vm('db01', 3)].map((each) => ({
    ...each,
    findings: each.findings.map((one) => ({ ...one, message: one.message.slice(0, 900) })),
  }));
  const [one, other] = unpackVms(packVms(vms, 100_000));
  assert.deepEqual([one, other], vms);
});

test('a part that would be too large leaves findings out, the least grave first, and counts them', () => {
  const vms = Array.from({ length: 50 }, (_, index) => vm(`vm${index}`, 300));
  const part = packVms(vms, 40_000);
  assert.ok(part.length <= 40_000, String(part.length));
  for (const each of unpackVms(part)) {
    assert.equal(each.findings[0]?.severity, 'blocking');
    assert.equal(each.findings.length + each.findingsLeftOut, 300);
  }
});

test('what is no part is refused, a bomb too', () => {
  for (const part of ['', 'nonsense', packVms([], 100).slice(0, 10), Buffer.from('[{}]').toString('base64')])
    assert.throws(() => unpackVms(part), { code: 'ToolFailed' });
});
