import { chown, cp, mkdir, readdir } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { WorkflowHandle } from '@temporalio/client';
import { processContext } from '../src/cli/context.js';
import { follow } from '../src/cli/follow.js';
import { findMigration, workflowIdFor } from '../src/cli/find.js';
import { waysToDecide } from '../src/cli/ways.js';
import { loadConfig } from '../src/config.js';
import { cannotWrite } from '../src/file-trouble.js';
import { quoteCommand } from '../src/exec/quote.js';
import type { MigrationStatus } from '../src/model/status.js';
import type { MigrateVmInput } from '../src/request/migrate-vm.js';
import { connectClient, TASK_QUEUE, whoIsThis, type ConnectedClient } from '../src/temporal.js';
import { startWorker } from '../src/worker.js';
import type { Demo } from './demo.js';
import { summary } from './summary.js';
import type { Terminal } from './terminal.js';

export interface MigrateGuestOptions {
  /** `ask`: on the terminal. `wait`: from elsewhere, in any case. `yes`: by the demo itself, with the same signal. */
  approval: 'ask' | 'wait' | 'yes';
  /** Ask for a probe of a service that is not there, so that the cutover is undone. */
  failProbe: boolean;
  /** Where report.json and report.html go. */
  reportDirectory: string;
  terminal: Terminal;
  /**
   * Given the exit status, 0 done as asked, 1 not, when the migration has ended and was summed up. Awaited before the
   * worker is stopped: without one, Temporal's pages and the command line show less.
   */
  lookAround: (status: number) => Promise<void>;
  signal: AbortSignal;
}

/** A port on which the demo's guest has no service. */
const NOBODY_LISTENS = 81;
/** The line of the phase in what is printed: what one can do stands below it. */
const ASKED = /^\S+ {2}phase awaiting-approval$/m;
const QUESTION = 'Cut over now? [y] yes  [n] no: abort, the VM stays at dc-old ';
const VMFERRY = fileURLToPath(new URL('../../bin/vmferry.mjs', import.meta.url));

/** Moves the demo's guest from `dc-old` to `dc-new` with `migrateVm`, and shows what came of it. */
export async function migrateGuest(demo: Demo, options: MigrateGuestOptions): Promise<void> {
  const { signal } = options;
  const { say } = options.terminal;
  const config = await loadConfig(demo.lab.configPath);
  const { address, namespace, connection } = demo.temporal;
  const worker = await startWorker({ config, address, namespace, connection, logLevel: 'ERROR' });
  const connected = await connectClient({ address, namespace, connection });
  try {
    const workflowId = workflowIdFor('dc-old', demo.guest.name);
    const handle = await connected.client.workflow.start('migrateVm', {
      taskQueue: TASK_QUEUE,
      workflowId,
      staticSummary: `${demo.guest.name}: dc-old to dc-new`,
      args: [requestFor(demo, options)],
    });
    say(`\nMigrating ${demo.guest.name} from dc-old to dc-new: workflow ${workflowId}`);
    if (options.approval === 'yes') say('Its cutover is approved by this program; with --wait it would wait for you.');
    const stop = new AbortController();
    let approving: Promise<void> | undefined;
    const status = await watch(connected, workflowId, options, () => {
      approving = approve(demo, handle, options, AbortSignal.any([signal, stop.signal]));
    });
    stop.abort();
    await approving;
    await keepReport(status, options.reportDirectory);
    const whole = await summary(demo, status, options.reportDirectory, options.terminal.say, signal);
    // What was not heard of in time, as the user wants no more, proves nothing.
    if (!whole) signal.throwIfAborted();
    if (options.failProbe) say('Exit status 1, as for any migration that was rolled back; --fail-probe asked for it.');
    await options.lookAround(whole && !options.failProbe ? 0 : 1);
  } finally {
    // Interrupted, requests may be under way on it: it ends with the process, which is about to end.
    if (!signal.aborted) await connected.close();
    await worker.stop();
  }
}

function requestFor(demo: Demo, options: MigrateGuestOptions): MigrateVmInput {
  return {
    vm: demo.guest.name,
    source: 'dc-old',
    target: 'dc-new',
    sync: { interval: '30s', minInterval: '1s', convergedBelow: '16MiB' },
    cutover: { shutdown: 'force-after', shutdownTimeout: '1m' },
    acceptance: { mode: 'automatic', after: '3s' },
    ...(options.failProbe ? { probes: [{ kind: 'agent' }, { kind: 'tcp', port: NOBODY_LISTENS, within: '20s' }] } : {}),
  };
}

/** @param onAsked called once, when the reader has been told that the approval is waited for. */
async function watch(
  connected: ConnectedClient,
  workflowId: string,
  { terminal: { write }, signal }: MigrateGuestOptions,
  onAsked: () => void,
): Promise<MigrationStatus> {
  const found = await findMigration(connected, workflowId);
  let asked = false;
  const out = (text: string): void => {
    write(text);
    if (asked || !ASKED.test(text)) return;
    asked = true;
    onAsked();
  };
  const context = { ...processContext(signal), out, err: write, connect: () => Promise.resolve(connected) };
  return await follow(context, connected.client, found, 'lines');
}

/** Gives the approval, asks for it, or says how it is given; ends when the migration has it. */
async function approve(
  demo: Demo,
  handle: WorkflowHandle,
  options: MigrateGuestOptions,
  signal: AbortSignal,
): Promise<void> {
  if (options.approval === 'yes') {
    await handle.signal('approveCutover', { by: whoIsThis(), comment: 'given by npm start' });
    return;
  }
  const { terminal } = options;
  const { runId } = await handle.describe();
  const programs = { vmferry: inThisDemo(demo), ...temporalProgram(demo.temporal.program) };
  const ways = waysToDecide(handle.workflowId, { ...demo.temporal, ...programs, runId, by: whoIsThis() });
  terminal.say(`\nThe cutover waits for an approval. Any of these gives it, from another shell too.\n${ways}\n`);
  if (options.approval === 'wait') return;
  try {
    const answer = await terminal.ask(QUESTION, ['yes', 'no'], signal);
    if (answer === 'yes') await handle.signal('approveCutover', { by: whoIsThis(), comment: 'given at the terminal' });
    else await handle.signal('abort', { by: whoIsThis(), comment: 'declined at the terminal' });
  } catch (error) {
    // Somebody else decided, or the user wants no more.
    if (!signal.aborted) throw error;
  }
}

/** The command line with the demo's server, quoted for a shell, so that it works in any shell and folder as it is. */
export function inThisDemo({ temporal: { address, namespace } }: Demo): string {
  const elsewhere = namespace === 'default' ? [] : [`TEMPORAL_NAMESPACE=${namespace}`];
  return quoteCommand('env', [`TEMPORAL_ADDRESS=${address}`, ...elsewhere, VMFERRY]);
}

/** The program `temporal` where a shell would not find it. */
function temporalProgram(program: string | null): { temporal?: string } {
  const known = program === null || (process.env['PATH'] ?? '').split(delimiter).includes(dirname(program));
  return known ? {} : { temporal: program };
}

async function keepReport(status: MigrationStatus, directory: string): Promise<void> {
  if (status.reportPath === null) return;
  try {
    await mkdir(directory, { recursive: true });
    await cp(dirname(status.reportPath), directory, { recursive: true });
  } catch (cause) {
    throw cannotWrite(directory, cause, 'Name another folder with --report.');
  }
  // Run by sudo, what is meant to stay belongs to who asked for it.
  const { SUDO_UID: user, SUDO_GID: group } = process.env;
  if (!user || !group) return;
  for (const path of [directory, ...(await readdir(directory)).map((name) => join(directory, name))])
    await chown(path, Number(user), Number(group));
}
