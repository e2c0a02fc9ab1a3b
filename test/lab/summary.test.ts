import assert from 'node:assert/strict';
import test from 'node:test';
import { summary, type Heard } from '../../lab/summary.js';
import type { MigrationStatus } from '../../src/model/status.js';
import { at, sampleStatus } from '../report/sample.js';

/** A recorder that has heard of so many boots, the guest counting from 40 to 50 before each later one. */
function heard(boots: number): Heard['recorded']['old'] {
  const atMs = (boot: number) => Date.parse(at(1040 + 60 * boot));
  return {
    last: () => Promise.resolve(50),
    numbers: () => Promise.resolve([40, 50].map((counter) => ({ atMs: atMs(1), counter }))),
    boots: () =>
      Promise.resolve(
        Array.from({ length: boots }, (_, nth) => ({ atMs: atMs(nth + 1), guest: 'g', bootId: `${nth}`, first: 50 })),
      ),
  };
}

/** What is printed, as lines, and whether all went well. */
async function summed(
  status: MigrationStatus,
  old: number,
  fresh: number,
): Promise<{ lines: string[]; well: boolean }> {
  const printed: string[] = [];
  const recorded = { old: heard(old), new: heard(fresh) };
  const say = (line: string): void => void printed.push(line);
  const well = await summary({ recorded }, status, '/r', say, new AbortController().signal);
  return { lines: printed.join('\n').trim().split('\n'), well };
}

const off = { at: at(1051), text: 'the source is off' };

test('a migration that was rolled back says that the VM runs at its source again, and why', async () => {
  const error = { code: 'ProbeFailed', message: 'tcp 192.0.2.7:81 did not answer', remedy: null };
  const { lines, well } = await summed(sampleStatus({ outcome: 'rolled-back', error, events: [off] }), 2, 1);
  assert.equal(well, false);
  assert.equal(lines[0], 'web01: rolled back: it runs at dc-old again');
  assert.equal(lines[1], '  why               tcp 192.0.2.7:81 did not answer');
  assert.match(lines.join('\n'), /the source +counts at dc-old again, 1 min 49 s after it was off/);
});

test('a migration that was aborted says that the VM never stopped, and who gave it up', async () => {
  const trail = [
    { name: 'abort', by: 'ann', at: at(900), comment: 'declined', accepted: true, reason: 'aborting' },
    { name: 'abort', by: 'ben', at: at(901), comment: null, accepted: false, reason: 'ignored: it is being aborted' },
  ];
  const status = sampleStatus({ outcome: 'aborted', error: null, events: [], trail, downtimeMs: null });
  const { lines, well } = await summed(status, 1, 0);
  assert.equal(well, false);
  assert.equal(lines[0], 'web01: aborted: it runs at dc-old as before');
  assert.equal(lines[1], '  why               abort by ann: aborting ("declined")');
  assert.match(lines.join('\n'), /the source +was not stopped at any time$/m);
});

test('of many passes the first and the last have lines of their own, and the others one together', async () => {
  const { lines, well } = await summed(sampleStatus(), 1, 1);
  assert.equal(well, true);
  assert.equal(lines[0], 'web01: completed: it runs at dc-new');
  const few = lines.filter((line) => /^ {2}pass/.test(line));
  assert.equal(few.length, 6);
  assert.match(few[1]!, /^ {2}pass 2, delta +read 96\.4 MiB, wrote 96\.4 MiB in 9\.8 s$/);

  const [seed, delta] = sampleStatus().passes;
  const later = Array.from({ length: 49 }, (_, nth) => ({ ...delta!, number: nth + 22 }));
  const many = await summed(sampleStatus({ passes: [seed!, ...later], passCount: 70 }), 1, 1);
  const passes = many.lines.filter((line) => /^ {2}pass/.test(line)).map((line) => line.trim().split(/ {2,}/));
  assert.deepEqual(
    passes.map(([name]) => name),
    ['pass 1, seed', 'passes 22 to 67', 'pass 68, delta', 'pass 69, delta', 'pass 70, delta'],
  );
  assert.match(
    passes[1]![1]!,
    /^read 4\.33 GiB, wrote 4\.33 GiB in 7 min 31 s together; 20 before them are not kept in the status$/,
  );
});
