// Runs the demo as root. Ctrl-C reaches it by itself on a terminal; other signals are passed on. npm starts this by
// `exec`: Ctrl-C would end the shell in between at once, and npm with the shell's status instead of the demo's.
import { join } from 'node:path';
import { startAsRoot, root } from './say.mjs';

const PROGRAM = join(root, 'dist', 'lab', 'main.js');
const LOOK_MS = 1000;

const args = ['--enable-source-maps', PROGRAM, '--started-by', String(process.pid), ...process.argv.slice(2)];
const child = startAsRoot(args);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  });
// npm that is killed hard passes nothing on; a shell that is left may well leave this running.
const parent = process.ppid;
if (process.env.npm_lifecycle_event)
  setInterval(() => {
    // The demo ends with this process, in order.
    if (process.ppid !== parent) process.exit(143);
  }, LOOK_MS).unref();
child.on('error', (error) => {
  if (child.pid === undefined) console.error(`cannot start the demo: ${error.message}`);
  // Else it is sudo, which only root may signal: the demo ends with this process as well.
  process.exit(child.pid === undefined ? 1 : 143);
});
child.once('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)));
