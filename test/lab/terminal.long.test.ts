import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { quoteCommand } from '../../src/exec/quote.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const WAIT_MS = 15 * 60_000;
const CTRL_C = '\u0003';

test("on a terminal the demo approves by itself with --yes, and Temporal's pages stay up until Ctrl-C", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-terminal-'));
  t.after(() => rm(folder, { recursive: true }));
  // Without its set-up, which might compile what runs here.
  const command = quoteCommand('npm', ['start', '--ignore-scripts', '--', '--yes', '--report', folder]);
  const env = { ...process.env };
  delete env['TEMPORAL_ADDRESS'];
  // script(1) gives it a terminal of its own.
  const demo = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], { env, cwd: ROOT });
  const ended = once(demo, 'exit') as Promise<[number | null]>;
  t.after(() => demo.kill('SIGKILL'));
  let printed = '';
  demo.stderr.resume();
  demo.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
  const ui = await new Promise<string>((resolve, reject) => {
    const look = () => {
      const stays = /The pages of Temporal stay at (http:\S+)\. Ctrl-C ends everything\./.exec(printed)?.[1];
      if (stays !== undefined) resolve(stays);
    };
    demo.stdout.on('data', look);
    setTimeout(() => reject(new Error(`it never stayed up:\n${printed}`)), WAIT_MS).unref();
    void ended.then(() => reject(new Error(`it ended without staying up:\n${printed}`)));
  });
  assert.match(printed, /completed: it runs at dc-new/);
  assert.doesNotMatch(printed, /Cut over now/);
  assert.equal((await fetch(ui)).status, 200);
  const report = JSON.parse(await readFile(join(folder, 'report.json'), 'utf8')) as { outcome: string };
  assert.equal(report.outcome, 'completed');
  demo.stdin.write(CTRL_C);
  const [status] = await ended;
  assert.equal(status, 0, printed);
  assert.match(printed, /Everything that was started has ended/);
  await assert.rejects(fetch(ui));
});
