import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const SETUP = fileURLToPath(new URL('../../../scripts/setup.mjs', import.meta.url));

test('set-up that was done before has nothing to do, and says nothing', () => {
  const started = performance.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, [SETUP, '--own-server'], { encoding: 'utf8' });
  assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' });
  // Two seconds is the aim; a loaded machine may take longer, an install or a build takes much longer.
  assert.ok(performance.now() - started < 10_000);
});
