import { setMaxListeners } from 'node:events';
import { processContext } from './context.js';
import { run } from './program.js';

const stop = new AbortController();
// Each site that is asked listens to it.
setMaxListeners(0, stop.signal);
let asked = 0;
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    asked += 1;
    stop.abort(new Error(name));
    // A second Ctrl-C does not wait for a tidy end.
    if (asked > 1) process.exit(130);
  });
}
// What was still asked of Temporal when the connection was closed has nobody left to tell.
process.on('unhandledRejection', (reason) => {
  if (!stop.signal.aborted) throw reason;
});
// `vmferry list | head` is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await run(process.argv.slice(2), processContext(stop.signal));
