import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatBytes, formatDuration } from '../src/model/format.js';
import type { MigrationStatus } from '../src/model/status.js';
import type { Demo } from './demo.js';
import type { RecordedBoot, Recorder } from './recorder.js';

const POLL_MS = 300;
/** So long after a boot the guest is heard of, on a slow machine too. */
const HEARD_MS = 120_000;

/**
 * Says what came of a migration, in figures. Waits two minutes at most for the guest to be heard of again.
 * @returns whether the guest was moved and nothing that it had acknowledged was lost.
 */
export async function summary(
  demo: Demo,
  status: MigrationStatus,
  reportDirectory: string,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<boolean> {
  const field = (name: string, value: string): void => say(`  ${name.padEnd(18)}${value}`);
  const { vm, outcome, error, passes, disks } = status;
  const moved = outcome === 'completed';
  say(`\n${vm}: ${moved ? 'completed: it runs at dc-new' : `${outcome}: it was not moved`}`);
  if (error) field('why', error.message);
  field('downtime', downtime(status));
  for (const { number, kind, bytesRead, bytesWritten, durationMs } of passes) {
    const took = formatDuration(durationMs);
    field(`pass ${number}, ${kind}`, `read ${formatBytes(bytesRead)}, wrote ${formatBytes(bytesWritten)} in ${took}`);
  }
  for (const disk of disks) field(`disk ${disk.name}`, `root digest ${disk.rootDigest ?? 'none: not copied whole'}`);
  const last = await demo.recorded.old.last();
  const first = moved ? (await heardOf(demo.recorded.new, 1, signal))?.first : undefined;
  if (moved) {
    const heard = `last acknowledged at dc-old ${last}, the guest's first at dc-new`;
    field('its counter', first === undefined ? `${heard} not heard yet` : `${heard} ${first}: ${verdict(last, first)}`);
  } else {
    for (const [name, value] of await sourceAgain(demo, status, signal)) field(name, value);
  }
  field('report', `${join(reportDirectory, 'report.html')} and report.json`);
  return first !== undefined && first >= last;
}

function downtime({ outcome, downtimeMs, predictedDowntimeMs }: MigrationStatus): string {
  const predicted = predictedDowntimeMs === null ? '' : ` (predicted ${formatDuration(predictedDowntimeMs)})`;
  if (downtimeMs === null) return `not measured: no probe passed at dc-new${predicted}`;
  const until =
    outcome === 'completed' ? 'it answered at dc-new' : 'the first probe passed at dc-new, before it went back';
  return `${formatDuration(downtimeMs)} until ${until}${predicted}`;
}

/** How the source stands after a migration that did not move it, as fields of the summary. */
async function sourceAgain(demo: Demo, { events }: MigrationStatus, signal: AbortSignal): Promise<[string, string][]> {
  const off = events.find((each) => each.text === 'the source is off');
  if (!off) return [['the source', 'was not stopped; it runs at dc-old as before']];
  const again = await heardOf(demo.recorded.old, 2, signal);
  if (!again) return [['the source', 'was started at dc-old again, and has not been heard of yet']];
  const away = formatDuration(again.atMs - Date.parse(off.at));
  const before = (await demo.recorded.old.numbers()).filter(({ atMs }) => atMs < again.atMs);
  const last = before.reduce((highest, { counter }) => Math.max(highest, counter), 0);
  return [
    ['the source', `counts at dc-old again, ${away} after it was off`],
    [
      'its counter',
      `last acknowledged before ${last}, found on its disk ${again.first}: ${verdict(last, again.first)}`,
    ],
  ];
}

function verdict(last: number, first: number): string {
  return first >= last ? 'none lost' : 'NUMBERS ARE LOST';
}

/** The guest's boot of this number, from 1, as the recorder has it; undefined when it is not heard of for long. */
async function heardOf(recorder: Recorder, number: number, signal: AbortSignal): Promise<RecordedBoot | undefined> {
  for (const endsAt = Date.now() + HEARD_MS; ;) {
    const boot = (await recorder.boots())[number - 1];
    if (boot || Date.now() > endsAt || signal.aborted) return boot;
    await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}
