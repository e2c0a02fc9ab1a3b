import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { summarise } from '../../bench/benchmark.js';

const main = fileURLToPath(import.meta.resolve('../../bench/main.js'));

test('an unknown benchmark is refused with exit status 2 and the names of those that exist', () => {
  const { status, stderr } = spawnSync(process.execPath, [main, 'nbd-random', 'nope'], { encoding: 'utf8' });
  assert.equal(status, 2);
  assert.match(
    stderr,
    /no benchmark nope; there are: nbd-random, nbd-sparse, file-raw, ova-import, http-import, verify, delta-idle, resume, downtime-warm, memory, history/,
  );
});

test('an unknown option and a senseless number of rounds are refused with exit status 2', () => {
  for (const args of [
    ['--jsn', 'x'],
    ['--rounds', '0'],
  ]) {
    const { status, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
    assert.equal(status, 2, stderr);
    assert.match(stderr, /usage: npm run bench/);
  }
});

test('ratios are above 1 when ours is better, whichever way that is', () => {
  const facts = { name: 'x', unit: 's', peer: 'theirs' } as const;
  const runs = [2, 4, 8].map((theirs) => ({ ours: 2, theirs }));
  assert.equal(summarise({ ...facts, better: 'lower' }, runs).ratio, 2);
  assert.equal(summarise({ ...facts, better: 'higher' }, runs).ratio, 0.5);
  assert.equal(summarise({ ...facts, better: 'lower' }, [{ ours: 1, theirs: null }]).ratio, null);
});
