import assert from 'node:assert/strict';
import test from 'node:test';
import { formatBytes, formatDuration, formatEta, formatInstant, formatRate } from '../../src/model/format.js';

test('bytes are shown in binary units with three figures', () => {
  const shown = [0, 1, 1023, 1024, 1536, 1024 * 1023.7, 448 * 1024, 2.098 * 2 ** 30, 16 * 2 ** 40, -2048];
  assert.deepEqual(shown.map(formatBytes), [
    '0 B',
    '1 B',
    '1023 B',
    '1 KiB',
    '1.5 KiB',
    '1 MiB',
    '448 KiB',
    '2.1 GiB',
    '16 TiB',
    '-2 KiB',
  ]);
  assert.equal(formatRate(209_715_200), '200 MiB/s');
});

test('durations are shown in their two largest units', () => {
  const shown = [0, 850, 999.6, 8160, 9960, 59_400, 59_600, 72_000, 3_599_700, 3_840_000, 86_399_999, 266_400_000];
  assert.deepEqual(shown.map(formatDuration), [
    '0 ms',
    '850 ms',
    '1.0 s',
    '8.2 s',
    '10 s',
    '59 s',
    '1 min',
    '1 min 12 s',
    '1 h',
    '1 h 4 min',
    '1 d',
    '3 d 2 h',
  ]);
  assert.equal(formatDuration(-1500), '-1.5 s');
});

test('instants are shown in UTC and nonsense is shown as it is', () => {
  assert.equal(formatInstant('2026-11-22T20:12:03+01:00'), '2026-11-22 19:12:03 UTC');
  assert.equal(formatInstant('soon'), 'soon');
});

test('what is left is unknown without a rate', () => {
  assert.equal(formatEta(0, 5), 'done');
  assert.equal(formatEta(10, 0), 'unknown');
  assert.equal(formatEta(100 * 2 ** 20, 2 ** 20), '1 min 40 s');
});
