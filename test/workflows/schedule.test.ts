import assert from 'node:assert/strict';
import test from 'node:test';
import type { CutoverWindow } from '../../src/request/migrate-vm.js';
import { insideWindow, nextStart } from '../../workflows/schedule.js';

const at = (text: string) => Date.parse(text);
const window = (from: string, to: string, days?: CutoverWindow['days']): CutoverWindow => ({
  from,
  to,
  timeZone: 'Europe/Berlin',
  ...(days ? { days } : {}),
});

/** When a cutover begins that is looked at then, as a person would write it. */
const start = (now: string, wanted: CutoverWindow | undefined, notBefore: string | null = null) =>
  new Date(nextStart(at(now), notBefore === null ? null : at(notBefore), wanted)).toISOString();

test('a window opens at its first minute and has closed at its last, by the clock of its zone', () => {
  const evening = window('20:00', '22:00');
  assert.deepEqual(
    ['19:59:59', '20:00:00', '21:59:59', '22:00:00'].map((time) =>
      insideWindow(evening, at(`2026-11-24T${time}+01:00`)),
    ),
    [false, true, true, false],
  );
  assert.equal(insideWindow({ ...evening, timeZone: 'America/New_York' }, at('2026-11-24T20:30:00+01:00')), false);
  assert.equal(insideWindow(window('00:00', '01:00'), at('2026-11-24T00:00:00+01:00')), true);
});

test('a window over midnight goes on into the next day, and its day is the one on which it opened', () => {
  const night = window('22:00', '04:00', ['fri']);
  // The 27th of November 2026 is a Friday.
  for (const [time, inside] of [
    ['2026-11-27T03:00:00+01:00', false],
    ['2026-11-27T21:59:00+01:00', false],
    ['2026-11-27T22:00:00+01:00', true],
    ['2026-11-28T00:00:00+01:00', true],
    ['2026-11-28T03:59:00+01:00', true],
    ['2026-11-28T04:00:00+01:00', false],
    ['2026-11-28T22:30:00+01:00', false],
  ] as const)
    assert.equal(insideWindow(night, at(time)), inside, time);
  assert.equal(start('2026-11-28T04:00:00+01:00', night), '2026-12-04T21:00:00.000Z');
  // Sunday's night ends on a Monday.
  assert.equal(insideWindow(window('22:00', '04:00', ['sun']), at('2026-11-30T01:00:00+01:00')), true);
});

test('a cutover begins at once inside its window, else at the first minute of the next one of its days', () => {
  const weekend = window('10:00', '12:00', ['sat', 'sun']);
  assert.equal(start('2026-11-28T10:30:15+01:00', weekend), '2026-11-28T09:30:15.000Z');
  assert.equal(start('2026-11-28T09:59:30+01:00', weekend), '2026-11-28T09:00:00.000Z');
  assert.equal(start('2026-11-28T12:00:00+01:00', weekend), '2026-11-29T09:00:00.000Z');
  assert.equal(start('2026-11-29T12:00:00+01:00', weekend), '2026-12-05T09:00:00.000Z');
});

test('a time in the past holds nothing, and one to come is waited for and then falls into a window', () => {
  const now = '2026-11-24T15:00:00+01:00';
  const nowIs = '2026-11-24T14:00:00.000Z';
  assert.equal(start(now, undefined, '2026-11-20T00:00:00Z'), nowIs);
  assert.equal(start(now, undefined), nowIs);
  assert.equal(start(now, undefined, '2026-11-24T23:30:00+01:00'), '2026-11-24T22:30:00.000Z');
  const night = window('22:00', '04:00');
  assert.equal(start(now, night, '2026-11-20T23:00:00+01:00'), '2026-11-24T21:00:00.000Z');
  assert.equal(start(now, night, '2026-11-24T23:30:00+01:00'), '2026-11-24T22:30:00.000Z');
  assert.equal(start(now, night, '2026-12-24T12:00:00+01:00'), '2026-12-24T21:00:00.000Z');
});

test('a window keeps to the clock on the wall when the clocks change', () => {
  const night = window('22:00', '04:00');
  // Berlin goes from 02:00 to 03:00 on the 29th of March 2026, and from 03:00 to 02:00 on the 25th of October.
  assert.equal(start('2026-03-28T12:00:00Z', night), '2026-03-28T21:00:00.000Z');
  assert.equal(start('2026-03-29T12:00:00Z', night), '2026-03-29T20:00:00.000Z');
  assert.equal(insideWindow(night, at('2026-03-29T01:59:00Z')), true);
  assert.equal(insideWindow(night, at('2026-03-29T02:00:00Z')), false);
  assert.equal(start('2026-10-24T12:00:00Z', night), '2026-10-24T20:00:00.000Z');
  assert.equal(insideWindow(night, at('2026-10-25T02:59:00Z')), true);
  assert.equal(insideWindow(night, at('2026-10-25T03:00:00Z')), false);
});

test('a window in the hour that is left out comes on its next day, and one in the hour that comes twice comes twice', () => {
  const deep = window('02:15', '02:45');
  assert.equal(start('2026-03-29T00:30:00Z', deep), '2026-03-30T00:15:00.000Z');
  // A Sunday that has no such hour leaves nearly two weeks between two windows.
  assert.equal(start('2026-03-22T02:00:00Z', window('02:15', '02:45', ['sun'])), '2026-04-05T00:15:00.000Z');
  assert.deepEqual(
    ['00:14', '00:15', '00:44', '00:45', '01:15', '01:45'].map((time) =>
      insideWindow(deep, at(`2026-10-25T${time}:00Z`)),
    ),
    [false, true, true, false, true, false],
  );
});
