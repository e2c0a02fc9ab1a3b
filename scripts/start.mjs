// Runs the demo: as root, since it makes hosts with networks and mounts of their own; by sudo for others. npm itself would
// not help: it runs the scripts of a folder as the folder's owner.
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { cache, giveUp, onPath, root } from './say.mjs';

/** What the demo reads from the environment; sudo passes on nothing by itself. */
const KEPT = /^(TEMPORAL_|VMFERRY_|XDG_CACHE_HOME$|PATH$)/;

const program = [process.execPath, '--enable-source-maps', join(root, 'dist', 'lab', 'main.js')];
const given = process.argv.slice(2);
const env = { ...process.env };
let command = [...program, ...given];
if (process.getuid() !== 0 && !given.some((word) => word === '--help' || word === '-h')) {
  if (onPath('sudo') === null) {
    const words = [...command].map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`));
    giveUp('start the demo', 'its hosts need root, and sudo is not installed', `as root: ${words.join(' ')}`);
  }
  console.error(
    'The demo makes two hosts with networks and mounts of their own, which needs root: going on with sudo.',
  );
  // What is cached once is found again, whoever runs it.
  env.XDG_CACHE_HOME ||= dirname(cache);
  const names = Object.keys(env).filter((name) => KEPT.test(name));
  command = ['sudo', `--preserve-env=${names.join(',')}`, '--', ...command];
}
const child = spawn(command[0], command.slice(1), { stdio: 'inherit', env });
// Ctrl-C reaches the demo by itself; this process only waits for its end.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  });
child.once('error', (error) => giveUp('start the demo', error.message, command.join(' ')));
child.once('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)));
