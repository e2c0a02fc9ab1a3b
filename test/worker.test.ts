import assert from 'node:assert/strict';
import test from 'node:test';
import { VmferryError } from '../src/errors.js';
import { briefly } from '../src/worker.js';

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
