import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { explain } from '../src/errors.js';
import { checkFolder } from '../src/file-trouble.js';
import { CleanUp } from './clean-up.js';
import { startDemo, stopDemo, virshAt, type Demo } from './demo.js';
import { inThisDemo, migrateGuest } from './migrate-guest.js';
import { Terminal } from './terminal.js';

/** `npm start`: moves a running guest between two hosts on this machine, with a human's approval. */

interface Options {
  yes?: boolean;
  wait?: boolean;
  failProbe?: boolean;
  keep?: boolean;
  report: string;
  rate?: string;
  stop?: string;
  startedBy?: string;
}

const terminal = new Terminal();
const { say } = terminal;

const INTERRUPTED = 130;

const HELP = `
Example:
  npm start -- --yes --report /tmp/report

On a terminal Temporal's pages stay up at the end until Ctrl-C, with --yes too; --keep leaves them up beyond that.

Exit status: 0 moved, nothing lost; 1 not; 2 wrong use; 130 interrupted before the migration ended.`;

/** An empty word comes of a variable that is not set: nothing is made of it. */
function named(folder: string): string {
  if (folder.trim() === '') throw new InvalidArgumentError('Expected a folder.');
  return folder;
}

/** As tc(8) takes it. */
function linkRate(rate: string): string {
  if (!/^\d+(\.\d+)?[kmgt]?bit$/i.test(rate)) throw new InvalidArgumentError('Expected such as 100mbit or 1gbit.');
  return rate;
}

const program = new Command('npm start --')
  .description('Moves a running guest between two libvirt hosts on this machine, with approval, and shows how it went.')
  .addOption(new Option('--yes', 'approve without being asked').conflicts('wait'))
  .option('--wait', 'wait for the approval to come from elsewhere, on a terminal too')
  .option('--fail-probe', 'ask for a service that is not there: the source is back by itself (exit status 1)')
  .option('--keep', 'leave everything running at the end, and say how to end it')
  .option('--report <dir>', 'where report.json and report.html go', named, 'report')
  .option('--rate <rate>', 'limit of the links between the hosts, such as 1gbit', linkRate)
  .option('--stop <dir>', 'end what --keep left, by its folder', named)
  .addOption(new Option('--started-by <pid>', 'end when this process does').hideHelp())
  .addHelpText('after', HELP)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse();
const options = program.opts<Options>();

const cleanUp = new CleanUp();
const interrupted = new AbortController();
let signals = 0;
/** The exit status of a migration that has ended: what is interrupted after it is but the look around. */
let ended: number | null = null;
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    // The second time in a hurry: the kernel ends what is left with this process.
    if (++signals > 1) process.exit(ended ?? INTERRUPTED);
    // First, so that a question is gone before anything is printed over it.
    interrupted.abort(new Error('interrupted'));
    say('\nStopping …');
  });
}
// Whoever reads has gone, as `head` does. Without a listener the error would end this process where it stands.
for (const output of [process.stdout, process.stderr])
  output.on('error', () => interrupted.abort(new Error('nobody reads the output any more')));
if (options.startedBy) endWith(Number(options.startedBy));

// Connections that were left open on an interruption must not hold this process.
process.exit(await (options.stop ? end(resolve(options.stop)) : run()));

/** A process that is killed hard passes nothing on, and what it started would go on unseen. */
function endWith(pid: number): void {
  const watching = setInterval(() => {
    if (existsSync(`/proc/${pid}`)) return;
    clearInterval(watching);
    say('\nnpm start was killed. Stopping …');
    interrupted.abort(new Error('its parent was killed'));
  }, 1000);
  watching.unref();
}

async function run(): Promise<number> {
  const { signal } = interrupted;
  const keep = options.keep ?? false;
  const reportDirectory = resolve(options.report);
  let demo: Demo | undefined;
  try {
    // At the end it would be too late to say so.
    await checkFolder(reportDirectory, 'Name another folder with --report.');
    const started = await startDemo({ keep, rate: options.rate ?? null, say, signal }, cleanUp);
    demo = started;
    await migrateGuest(started, {
      approval: options.wait ? 'wait' : options.yes || !terminal.interactive ? 'yes' : 'ask',
      failProbe: options.failProbe ?? false,
      reportDirectory,
      terminal,
      lookAround: async (status) => {
        ended = status;
        const { uiUrl } = started.temporal;
        if (terminal.interactive && !keep && uiUrl) await untilInterrupted(uiUrl);
      },
      signal,
    });
  } catch (error) {
    if (!signal.aborted) {
      process.stderr.write(`${explain(error)}\n`);
      ended = 1;
    }
  }
  const status = ended ?? INTERRUPTED;
  if (keep && demo && !signal.aborted) {
    say(`Kept: two hosts, as ${demo.lab.configPath} names them, and the guest; no worker`);
    say(`  what runs there   ${virshAt(status === 0 ? demo.lab.new : demo.lab.old, 'list')}`);
    if (demo.temporal.uiUrl) say(`  Temporal's pages  ${demo.temporal.uiUrl}`);
    say(`  a worker          ${inThisDemo(demo)} worker --config ${demo.lab.configPath}`);
    say(`  its end           npm start -- --stop ${demo.directory}`);
    // What was started to go on must not hold this process.
    process.exit(status);
  }
  if (await cleanUp.run(say)) say('Everything that was started has ended, and its files are removed.');
  return status;
}

async function untilInterrupted(uiUrl: string): Promise<void> {
  say(`The pages of Temporal stay at ${uiUrl}. Ctrl-C ends everything.`);
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => undefined, 60_000);
    interrupted.signal.addEventListener('abort', () => {
      clearInterval(timer);
      resolve();
    });
  });
}

async function end(directory: string): Promise<number> {
  try {
    await stopDemo(directory);
    say(`Ended the demo in ${directory}, and removed it.`);
    return 0;
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`);
    return 1;
  }
}
