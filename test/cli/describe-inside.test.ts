import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { nothingLeft, untilRunning } from '../guest/appliance-processes.js';
import { lockedDisk } from '../guest/inspect/built-disks.js';
import { vmferry } from './capture.js';

/** `describe --inspect` of machines in files. */

const program = fileURLToPath(new URL('../../../bin/vmferry.mjs', import.meta.url));
let work: string;
let path: string;
before(async () => {
  work = await mkdtemp(join(tmpdir(), 'vmferry-inside-'));
  path = join(work, 'locked.raw');
  await lockedDisk(path);
});
after(() => rm(work, { recursive: true, force: true }));

test('disks on which nothing can be read are said to be so, for people', async () => {
  const { exit, out, err } = await vmferry(['describe', path, '--inspect']);
  assert.equal(exit, 0, err);
  for (const words of [/guest\.no-system/, /encrypted with LUKS/, /encrypted with BitLocker/, /what is encrypted/]) {
    assert.match(out, words);
  }
});

test('whoever ends it, by Ctrl-C or by force, ends its appliance too', async () => {
  await Promise.all((['SIGINT', 'SIGKILL'] as const).map(endedBy));
});

async function endedBy(signal: NodeJS.Signals): Promise<void> {
  const folder = join(work, signal);
  await mkdir(join(folder, 'tmp'), { recursive: true });
  const env = { ...process.env, TMPDIR: join(folder, 'tmp'), LIBGUESTFS_CACHEDIR: '/var/tmp' };
  const child = spawn(process.execPath, [program, 'describe', path, '--inspect'], { env, stdio: 'ignore' });
  const ended = new Promise<number | null>((resolve) => child.on('exit', (code) => resolve(code)));
  await untilRunning(folder, (commands) => commands.some((command) => command.includes('qemu')));
  child.kill(signal);
  assert.notEqual(await ended, 0);
  await nothingLeft(folder);
  // By force, nobody is left to remove the folder of its socket; by Ctrl-C all is.
  if (signal === 'SIGINT') assert.deepEqual(await readdir(join(folder, 'tmp')), []);
}
