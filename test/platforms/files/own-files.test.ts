import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { ownPath, removeLeft } from '../../../src/platforms/files/own-files.js';

test('what a killed process left is removed, and nothing that is in use, of another host or of another kind', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'vmferry-own-test-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const module = JSON.stringify(new URL('../../../src/platforms/files/own-files.js', import.meta.url).href);
  const script = `import { mkdirSync } from 'node:fs';
    const { ownPath } = await import(${module});
    mkdirSync(await ownPath(${JSON.stringify(dir)}));
    console.log('made');
    setInterval(() => {}, 1000);`;
  const other = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => other.kill('SIGKILL'));
  await once(other.stdout, 'data');
  const [left = ''] = await readdir(dir);
  const own = await ownPath(dir);
  await mkdir(own);
  await writeFile(join(own, 'socket-0'), '');
  const [, , host = '', boot = ''] = left.split('-');
  const elsewhere = left.replace(host, '000000');
  const before = left.replace(`-${boot}-`, '-000000-');
  for (const name of [elsewhere, before, 'vmferry-files-else', 'other']) await mkdir(join(dir, name));

  await removeLeft(dir);
  assert.deepEqual((await readdir(dir)).sort(), [basename(own), elsewhere, left, 'other', 'vmferry-files-else'].sort());
  other.kill('SIGKILL');
  await once(other, 'exit');
  await removeLeft(dir);
  assert.deepEqual((await readdir(dir)).sort(), [basename(own), elsewhere, 'other', 'vmferry-files-else'].sort());
  await removeLeft(join(dir, 'missing'));
});
