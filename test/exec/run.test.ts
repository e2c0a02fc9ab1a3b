import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LocalHost } from '../../src/exec/local.js';

/** Ends with a status of its own when it is asked to end, as ssh does. */
const CATCHES = 'trap "kill $!; exit 255" TERM; sleep 30 >/dev/null 2>&1 & wait';

test('a command that takes too long is a timeout, whatever status it ends with when it is stopped', async () => {
  const late = new LocalHost().run('sh', ['-c', CATCHES], { timeoutMs: 300, okExitCodes: [0, 255] });
  await assert.rejects(late, { code: 'Timeout' });
});

test('a command that is cancelled is cancelled, whatever status it ends with', async () => {
  const stop = new AbortController();
  const run = new LocalHost().run('sh', ['-c', CATCHES], { signal: stop.signal, okExitCodes: [0, 255] });
  setTimeout(() => stop.abort(), 200);
  await assert.rejects(run, { code: 'Cancelled' });
});
