import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

test('a machine without any package is told each that is missing, with what it is for', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-setup-'));
  context.after(() => rm(folder, { recursive: true }));
  // Nothing is installed and nothing can be: neither may reach this machine's own packages.
  for (const name of ['dpkg-query', 'apt-get', 'sudo']) {
    await writeFile(join(folder, name), '#!/bin/sh\nexit 1\n');
    await chmod(join(folder, name), 0o755);
  }
  const env = { ...process.env, PATH: `${folder}:${process.env['PATH']}` };
  const { status, stderr } = spawnSync(process.execPath, [SETUP], { encoding: 'utf8', env });
  assert.equal(status, 1, stderr);
  const missing = new Map([...stderr.matchAll(/^ {4}([a-z0-9-]+): (.+)$/gm)].map(([, name, why]) => [name!, why!]));
  const command = /Try: .*apt-get install --no-install-recommends (.*)$/m.exec(stderr)?.[1]?.split(' ');
  assert.deepEqual([...missing.keys()], command);
  // What lab/guest/ calls that a small installation lacks: kernel modules come packed on Ubuntu, and on Debian from 13 on.
  for (const name of ['zstd', 'xz-utils']) assert.match(missing.get(name) ?? '', /kernel modules/, name);
  for (const name of ['mtools', 'e2fsprogs', 'busybox-static'])
    assert.match(missing.get(name) ?? '', /demo guest/, name);
});
