import assert from 'node:assert/strict';
import test from 'node:test';
import { inspect } from 'node:util';
import { ApplicationFailure } from '@temporalio/common';
import { toFailure } from '../activities/interceptor.js';
import { VmferryError } from '../src/errors.js';
import { briefly } from '../src/worker.js';

test('a migration that failed for a reason is one line in the log of a worker, also from another thread', () => {
  const failure = ApplicationFailure.nonRetryable('cannot migrate web01: there is no such VM', 'NotFound');
  const expected = ['migrate-dc-old-web01 failed: cannot migrate web01: there is no such VM'];
  for (const error of [failure, structuredClone(failure)])
    assert.deepEqual(briefly('Workflow failed', { error, workflowId: 'migrate-dc-old-web01', runId: 'x' }), expected);
});

test('what nobody expected keeps its stack in the log of a worker', () => {
  const slip = new TypeError('undefined is no function');
  const meta = { error: slip, workflowId: 'w' };
  assert.deepEqual(briefly('Workflow failed', meta), ['Workflow failed', meta]);
  const error = toFailure(slip, new AbortController().signal);
  const [message, logged] = briefly('Activity failed', { error, activityType: 'assess', workflowId: 'w', attempt: 1 });
  assert.equal(message, 'Activity failed');
  assert.match(inspect(logged), /worker\.test\.[jt]s:\d+/);
});

test('a failed step is one line in the log of a worker, without a stack', () => {
  const error = new VmferryError('Unreachable', 'cannot reach dc-old over ssh');
  const meta = { error, activityType: 'assess', workflowId: 'migrate-dc-old-web01', attempt: 2, taskToken: 'x' };
  assert.deepEqual(briefly('Activity failed', meta), [
    'assess of migrate-dc-old-web01, try 2: cannot reach dc-old over ssh',
  ]);
  assert.deepEqual(briefly('Worker state changed', { state: 'RUNNING' }), [
    'Worker state changed',
    { state: 'RUNNING' },
  ]);
});
