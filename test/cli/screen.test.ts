import assert from 'node:assert/strict';
import test from 'node:test';
import { readStatus } from '../../src/cli/ask.js';
import { columns, processContext, type Context } from '../../src/cli/context.js';
import { exitOfOutcome } from '../../src/cli/exit.js';
import { workflowIdFor } from '../../src/cli/find.js';
import { Lines } from '../../src/cli/follow.js';
import { JsonLines } from '../../src/cli/json-lines.js';
import { diskLine, page } from '../../src/cli/screen.js';
import { at, sampleStatus } from '../report/sample.js';

const MIB = 2 ** 20;
const contextOf = (terminal: boolean): Context => ({
  ...processContext(new AbortController().signal),
  columns: 100,
  terminal,
});

test('a page of a running copy shows bytes, rate and ETA of each disk, and what can be decided', () => {
  const status = sampleStatus({
    outcome: null,
    phase: 'syncing',
    work: 'pass',
    downtimeMs: null,
    decisions: ['approveCutover', 'syncNow', 'setBandwidth', 'somethingNew'],
    waitingFor: 'approval of the cutover',
  });
  const disk = { name: 'vda', doneBytes: 512 * MIB, totalBytes: 2048 * MIB, rateBytesPerSecond: 128 * MIB };
  const live = [{ name: 'runPass', attempt: 3, lastFailure: 'the connection was closed', disks: [disk] }];
  const text = page({ status, live, workflowId: 'migrate-dc-old-web01', nowMs: Date.parse(at(400)) }).join('\n');
  assert.match(text, /^web01 {2}dc-old -> dc-new {3}syncing, pass running$/m);
  assert.match(text, /vda {8}\[######\.{18}\] {3}25 % {2}512 MiB of 2 GiB {2}128 MiB\/s {2}12 s left/);
  assert.match(text, /you can {4}approve, sync-now, limit, somethingNew/);
  assert.match(text, /retrying {3}runPass, try 3: the connection was closed/);
  assert.match(text, /6 min 40 s ago/);
});

test('a disk of nothing and a copy that stands still can be shown', () => {
  assert.match(diskLine({ name: 'a', doneBytes: 0, totalBytes: 0, rateBytesPerSecond: 0 }), /0 %.*done$/);
  assert.match(diskLine({ name: 'a', doneBytes: 1, totalBytes: 9, rateBytesPerSecond: 0 }), /11 %.*ETA unknown$/);
});

test('names from outside cannot move the cursor', () => {
  const status = sampleStatus({ vm: '\u001b[2Jweb\u0007', waitingFor: 'a\nb' });
  const text = page({ status, live: [], workflowId: 'x', nowMs: 0 }).join('\n');
  assert.ok(!text.includes('\u001b') && !text.includes('\u0007'));
  assert.ok(!columns([['\u001b]0;x\u0007']]).includes('\u001b'));
});

test('two names never give one workflow id, and plain ones stay as they are', () => {
  assert.equal(workflowIdFor('dc-old', 'web01'), 'migrate-dc-old-web01');
  assert.match(workflowIdFor('dc-old', 'my vm'), /^migrate-dc-old-my_vm-[0-9a-f]{8}$/);
  assert.notEqual(workflowIdFor('dc-old', 'my vm'), workflowIdFor('dc-old', 'my_vm'));
  assert.notEqual(workflowIdFor('dc-old', 'my vm'), workflowIdFor('dc-old', 'my  vm'));
});

test('a status from a newer worker is read, one of another shape is refused', () => {
  assert.equal(readStatus({ ...sampleStatus(), newField: 1 }, 'w').vm, 'web01');
  assert.throws(() => readStatus({ ...sampleStatus(), vm: 3 }, 'w'), /another shape/);
  assert.throws(() => readStatus('done', 'w'), /another shape/);
});

test('the exit status is the outcome, and a blocking finding that was not waived counts most', () => {
  const blocking = { id: 'x', severity: 'blocking' as const, message: '', remedy: '' };
  assert.equal(exitOfOutcome('completed', []), 0);
  assert.equal(exitOfOutcome('dry-run', [{ ...blocking, waivedBy: 'known' }]), 0);
  assert.equal(exitOfOutcome('rolled-back', []), 1);
  assert.equal(exitOfOutcome(null, []), 1);
  assert.equal(exitOfOutcome('dry-run', [blocking]), 3);
  assert.equal(exitOfOutcome('failed', [blocking]), 3);
});

test('lines tell what is new once, in the order in which it happened, and redraw a running copy on a terminal', () => {
  let printed = '';
  const context = { ...contextOf(true), out: (text: string) => void (printed += text) };
  const lines = new Lines(context);
  const disk = { name: 'vda', doneBytes: 512 * MIB, totalBytes: 2048 * MIB, rateBytesPerSecond: 128 * MIB };
  const live = [{ name: 'runPass', attempt: 1, lastFailure: null, disks: [disk] }];
  const status = sampleStatus({
    outcome: null,
    phases: [{ name: 'seeding', startedAt: at(5), endedAt: null }],
    passes: [],
  });
  lines.draw({ ...status, events: [{ at: at(1), text: 'assessed' }], trail: [] }, live);
  assert.match(printed, /^\(times are UTC\)\n18:00:01 {2}assessed\n18:00:05 {2}phase seeding\n.* vda \[/);
  printed = '';
  const ignored = {
    name: 'approveCutover',
    by: 'mira',
    at: at(9),
    comment: null,
    accepted: false,
    reason: 'ignored: not now',
  };
  lines.draw({ ...status, events: [{ at: at(1), text: 'assessed' }], trail: [ignored] }, []);
  assert.equal(printed, '\u001b[1A\r\u001b[J18:00:09  approveCutover by mira: ignored: not now\n');
});

test('elsewhere than on a terminal a running copy is a line now and then, without control characters', () => {
  let printed = '';
  const lines = new Lines({ ...contextOf(false), out: (text: string) => void (printed += text) });
  const disk = { name: 'vda', doneBytes: 512 * MIB, totalBytes: 2048 * MIB, rateBytesPerSecond: 128 * MIB };
  const live = [{ name: 'runPass', attempt: 1, lastFailure: null, disks: [disk] }];
  const status = sampleStatus({ outcome: null, phases: [], passes: [], events: [], trail: [], waitingFor: null });
  const done = [{ ...live[0]!, disks: [{ ...disk, doneBytes: disk.totalBytes }] }];
  lines.draw(status, done);
  assert.equal(printed, '', 'a copy that is done is told about as a pass');
  lines.draw(status, live);
  lines.draw(status, live);
  assert.match(
    printed,
    /^\d\d:\d\d:\d\d {2}vda \[######\.{18}\] {3}25 % {2}512 MiB of 2 GiB {2}128 MiB\/s {2}12 s left\n$/,
  );
});

test('times never run backwards from line to line, whatever is known late', () => {
  let printed = '';
  const lines = new Lines({ ...contextOf(false), out: (text: string) => void (printed += text) });
  const status = sampleStatus({ outcome: null, phases: [], passes: [], events: [], trail: [], waitingFor: null });
  const [seed] = sampleStatus().passes;
  lines.draw({ ...status, events: [{ at: at(400), text: 'limited' }] }, []);
  // It ended at 371 s.
  lines.draw({ ...status, passes: [seed!], events: [{ at: at(401), text: 'seeded' }] }, []);
  lines.note('no worker answers');
  lines.draw({ ...status, passes: [seed!], events: [{ at: at(402), text: 'rehearsed' }] }, []);
  const times = printed.split('\n').slice(1, -1);
  assert.match(times[0]!, /^18:06:40 {2}limited$/);
  assert.match(times[1]!, /^18:06:40 {2}pass 1 \(seed\)/);
  assert.match(times[2]!, /^18:06:41 {2}seeded$/);
  assert.equal(times[3]!.slice(0, 8), times[4]!.slice(0, 8));
  assert.equal(times.length, 5);
});

test('as JSON lines a status is printed when it changed only, and what is no status goes elsewhere, once', () => {
  let printed = '';
  let aside = '';
  const lines = new JsonLines({
    ...contextOf(false),
    out: (text: string) => void (printed += text),
    err: (text: string) => void (aside += text),
  });
  const [first, second] = [sampleStatus({ phase: 'seeding' }), sampleStatus({ phase: 'syncing' })];
  lines.draw(first);
  lines.draw(first);
  for (let tries = 0; tries < 2; tries += 1) lines.note('no worker\nanswers');
  lines.draw(second);
  assert.equal(printed, `${JSON.stringify(first)}\n${JSON.stringify(second)}\n`);
  assert.equal(aside, 'no worker answers\n');
});
