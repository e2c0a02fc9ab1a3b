// Runs the demo as root. Ctrl-C reaches it by itself on a terminal; other signals are passed on.
import { join } from 'node:path';
import { startAsRoot, root } from './say.mjs';

const child = startAsRoot(['--enable-source-maps', join(root, 'dist', 'lab', 'main.js'), ...process.argv.slice(2)]);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  });
child.once('error', (error) => {
  console.error(`cannot start the demo: ${error.message}`);
  process.exit(1);
});
child.once('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)));
