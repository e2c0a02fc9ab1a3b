import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const SCRIPTS = fileURLToPath(new URL('../../../scripts', import.meta.url));

/** Runs the test runner of a tree that holds only `files`, by their paths below dist/test. */
async function runTests(t: TestContext, files: Record<string, string>, ...args: string[]) {
  const root = await mkdtemp(join(tmpdir(), 'vmferry-runner-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  await cp(SCRIPTS, join(root, 'scripts'), { recursive: true });
  await mkdir(join(root, 'dist', 'test'), { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    const file = join(root, 'dist', 'test', name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, `const test = require('node:test');\n${text}`);
  }
  const environment = { ...process.env };
  // Node marks the processes of a test runner by this, and runs no second one below.
  delete environment['NODE_TEST_CONTEXT'];
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'scripts', 'test.mjs'), ...args], {
    env: environment,
    encoding: 'utf8',
  });
  return { status, last: stdout.trimEnd().split('\n').at(-1), shown: stdout + stderr };
}

const PASS = `test('goes', () => {});`;

test('passed tests are counted, over all files', async (t) => {
  const { status, last } = await runTests(t, { 'a.test.js': PASS + PASS, 'lab/b.test.js': PASS });
  assert.deepEqual({ status, last }, { status: 0, last: '3 passed, 0 failed' });
});

test('a failed test, a skipped one and one to do all count as failed', async (t) => {
  const { status, last, shown } = await runTests(t, {
    'a.test.js': `${PASS} test('breaks', () => { throw new Error('the reason'); });`,
    'b.test.js': `test('rests', { skip: true }, () => {}); test('waits', { todo: true }, () => {});`,
  });
  assert.deepEqual({ status, last }, { status: 1, last: '1 passed, 3 failed' });
  assert.match(shown, /the reason/);
});

test('a file that ends with an error before its tests counts as failed', async (t) => {
  const { status, last } = await runTests(t, { 'a.test.js': PASS, 'b.test.js': `throw new Error('at once');` });
  assert.deepEqual({ status, last }, { status: 1, last: '1 passed, 1 failed' });
});

test('a file without tests counts as failed', async (t) => {
  const { status, last } = await runTests(t, { 'a.test.js': PASS, 'b.test.js': '' });
  assert.deepEqual({ status, last }, { status: 1, last: '1 passed, 1 failed' });
});

test('no test at all is a failure', async (t) => {
  const { status, last } = await runTests(t, {});
  assert.deepEqual({ status, last }, { status: 1, last: '0 passed, 1 failed' });
});

test('long tests run only when asked for, and words choose files', async (t) => {
  const files = { 'a.test.js': PASS, 'a.long.test.js': PASS + PASS, 'b.test.js': PASS };
  assert.equal((await runTests(t, files)).last, '2 passed, 0 failed');
  assert.equal((await runTests(t, files, '--long')).last, '2 passed, 0 failed');
  assert.equal((await runTests(t, files, 'b.test')).last, '1 passed, 0 failed');
  assert.equal((await runTests(t, files, 'vmferry-runner')).last, '0 passed, 1 failed', 'not by where the tree lies');
});
