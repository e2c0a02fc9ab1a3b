import { readdir, readFile, statfs } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startTemporal } from '#temporal';
import { VmferryError } from '../src/errors.js';
import { quoteCommand } from '../src/exec/quote.js';
import { formatBytes } from '../src/model/format.js';
import { registerSearchAttributes } from '../src/search-attributes.js';
import { connectClient, temporalSettings, type TemporalSettings } from '../src/temporal.js';
import type { CleanUp } from './clean-up.js';
import { exists } from './debian.js';
import { defineGuest, startGuest, waitForGuest, type Guest } from './guest/guest.js';
import { guestImage } from './guest/image.js';
import type { LabHost } from './host/lab-host.js';
import { LAB_PARENT, LAB_PREFIX, startLab, stopLab, type Lab } from './lab.js';
import { startRecorder, type Recorder } from './recorder.js';

/** What disks, copies and overlays of the demo's guest take at most, with something over. */
const ROOM_BYTES = 2 ** 30;

/** Everything that the demo migrates with: a Temporal server, two hosts, and a guest that counts on the first. */
export interface Demo {
  /** Holds hosts, disks and Temporal's database; removed at the end. */
  readonly directory: string;
  readonly temporal: DemoTemporal;
  readonly lab: Lab;
  readonly guest: Guest;
  /** What the guest said was on its disks, at either host. */
  readonly recorded: { old: Recorder; new: Recorder };
  /** When the guest was up the first time, from its start. */
  readonly bootMs: number;
}

export interface DemoTemporal {
  readonly address: string;
  readonly namespace: string;
  readonly connection: TemporalSettings['connection'];
  /** Null for a server that is not ours: its UI may be anywhere. */
  readonly uiUrl: string | null;
  /** The program `temporal` that it was started with. Null for a server that is not ours. */
  readonly program: string | null;
}

export interface DemoOptions {
  /** All of it outlives this process; ended with `stopDemo(directory)`. */
  keep: boolean;
  /** Limit of the links of both hosts, as tc(8) writes it; null for none. */
  rate: string | null;
  say: (line: string) => void;
  /** Aborted when the user wants no more. */
  signal: AbortSignal;
}

/** Starts all of it, and registers its end in `cleanUp` as it goes. */
export async function startDemo(options: DemoOptions, cleanUp: CleanUp): Promise<Demo> {
  const { keep, rate, say, signal } = options;
  // What can be wrong from outside is said before anything is started.
  const foreign = await foreignServer();
  await checkRoom();
  await guestImage('cloud', () => say('Building the guest (once, some ten seconds) …'));
  signal.throwIfAborted();
  say('Starting two libvirt hosts …');
  const lab = await startLab({ keep, say, ...(rate ? { rate } : {}) });
  cleanUp.add('the hosts', () => lab.stop());
  for (const host of [lab.old, lab.new]) say(`  ${host.name}, for root: ${virshAt(host)}`);
  signal.throwIfAborted();
  const temporal = foreign ?? (await startServer(lab.directory, options, cleanUp));
  if (foreign)
    say(`Using the Temporal server at ${foreign.address}, namespace ${foreign.namespace} (TEMPORAL_ADDRESS is set)`);
  signal.throwIfAborted();

  const recorded = { old: await startRecorder(lab.old), new: await startRecorder(lab.new) };
  const guest = await defineGuest(lab.old);
  say(`Booting the guest ${guest.name} on ${lab.old.name} …`);
  const startedAt = Date.now();
  await startGuest(lab.old, guest);
  const { answer } = await waitForGuest(lab.old, guest, 120_000, signal);
  const bootMs = Date.now() - startedAt;
  say(`  up after ${(bootMs / 1000).toFixed(1)} s: http://${guest.address}/ says "${answer}", its agent answers`);
  while ((await recorded.old.last()) === 0) {
    signal.throwIfAborted();
    await sleep(100);
  }
  say(`  it counts on its disk; the recorder has ${await recorded.old.last()} by now`);
  return { directory: lab.directory, temporal, lab, guest, recorded, bootMs };
}

/** virsh at one of the hosts, as a line for a shell of this machine. */
export function virshAt(host: LabHost, ...args: string[]): string {
  return quoteCommand('virsh', ['-c', host.localConfig.uri, ...args]);
}

/** The server that the environment names, made ready for migrations; null where it names none. */
async function foreignServer(): Promise<DemoTemporal | null> {
  if (!process.env['TEMPORAL_ADDRESS']) return null;
  const settings = temporalSettings();
  const connected = await connectClient(settings);
  try {
    await registerSearchAttributes(connected.client.connection.operatorService, settings.namespace);
  } finally {
    await connected.close();
  }
  return { ...settings, uiUrl: null, program: null };
}

/** @throws VmferryError `NoSpace` where the demo would stop half-way. */
async function checkRoom(): Promise<void> {
  const { bavail, bsize } = await statfs(LAB_PARENT);
  if (bavail * bsize >= ROOM_BYTES) return;
  throw new VmferryError(
    'NoSpace',
    `cannot start the demo: ${LAB_PARENT} has ${formatBytes(bavail * bsize)} free, and disks and copies of its guest need ${formatBytes(ROOM_BYTES)}`,
    { remedy: 'Make room there.' },
  );
}

async function startServer(directory: string, options: DemoOptions, cleanUp: CleanUp): Promise<DemoTemporal> {
  const { keep, say } = options;
  say('Starting the Temporal server …');
  const server = await startTemporal({ dbFile: join(directory, 'temporal.db'), keep });
  cleanUp.add('the Temporal server', () => server.stop());
  say(`  ${server.address}, its pages at ${server.uiUrl}`);
  const { address, uiUrl, program } = server;
  return { address, namespace: 'default', connection: { address }, uiUrl, program };
}

/** Ends a demo that was kept, and removes its folder. */
export async function stopDemo(directory: string): Promise<void> {
  // It is going to be removed with all that is in it.
  if (!basename(directory).startsWith(LAB_PREFIX) || !(await exists(join(directory, 'owner')))) {
    throw new VmferryError('NotFound', `cannot stop a demo in ${directory}: there is none`, {
      remedy: `What --keep left is a folder ${join(LAB_PARENT, LAB_PREFIX)}…`,
    });
  }
  // The server is known by its database: a process id that was written down may be another's by now.
  const database = join(directory, 'temporal.db');
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)) {
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (!words.includes('start-dev') || !words.includes(database)) continue;
    process.kill(pid, 'SIGTERM');
    while (await exists(`/proc/${pid}`)) await sleep(50);
  }
  await stopLab(directory);
}
