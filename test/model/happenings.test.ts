import assert from 'node:assert/strict';
import test from 'node:test';
import { decisionWords, happenings } from '../../src/model/happenings.js';
import { at } from '../report/sample.js';

const DECISION = {
  name: 'approveCutover',
  by: 'mira',
  at: at(2),
  comment: null,
  accepted: true,
  reason: 'cutover approved',
};

test('a decision reads as who decided what, and what came of it', () => {
  assert.equal(decisionWords(DECISION), 'approveCutover by mira: cutover approved');
  assert.equal(
    decisionWords({ ...DECISION, by: null, comment: 'as agreed', accepted: false, reason: 'wrong payload: at' }),
    'approveCutover: ignored: wrong payload: at ("as agreed")',
  );
  assert.equal(
    decisionWords({ ...DECISION, accepted: false, reason: 'ignored: the migration is seeding' }),
    'approveCutover by mira: ignored: the migration is seeding',
  );
});

test('events and decisions stand together, the oldest first', () => {
  const events = [
    { at: at(1), text: 'converged' },
    { at: at(3), text: 'the source is off' },
  ];
  assert.deepEqual(
    happenings({ events, trail: [DECISION] }).map((each) => each.text),
    ['converged', 'approveCutover by mira: cutover approved', 'the source is off'],
  );
});
