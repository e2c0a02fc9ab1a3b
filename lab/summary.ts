import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatBytes, formatDuration } from '../src/model/format.js';
import { decisionWords } from '../src/model/happenings.js';
import type { MigrationStatus, PassRecord } from '../src/model/status.js';
import type { RecordedBoot, Recorder } from './recorder.js';

const POLL_MS = 300;
/** Passes that have a line each: the first, and the last few. Those between are summed up. */
const LAST_PASSES = 3;
/** So long after a boot the guest is heard of, on a slow machine too. */
const HEARD_MS = 120_000;

/** What the guest said of its disks at either host. */
export interface Heard {
  recorded: { old: Counted; new: Counted };
}
type Counted = Pick<Recorder, 'last' | 'boots' | 'numbers'>;

/**
 * Says what came of a migration, in figures. Waits two minutes at most for the guest to be heard of again.
 * @returns whether the guest was moved and nothing that it had acknowledged was lost.
 */
export async function summary(
  demo: Heard,
  status: MigrationStatus,
  reportDirectory: string,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<boolean> {
  const field = (name: string, value: string): void => say(`  ${name.padEnd(18)}${value}`);
  const { vm, outcome, passes, disks } = status;
  const moved = outcome === 'completed';
  const source = moved ? null : await sourceAgain(demo, status, signal);
  say(`\n${vm}: ${source === null ? 'completed: it runs at dc-new' : `${wordOf(status)}: ${source.headline}`}`);
  if (source) field('why', whyNotMoved(status));
  field('downtime', downtime(status));
  for (const [name, value] of passLines(passes)) field(name, value);
  for (const disk of disks) field(`disk ${disk.name}`, `root digest ${disk.rootDigest ?? 'none: not copied whole'}`);
  const last = await demo.recorded.old.last();
  const first = moved ? (await heardOf(demo.recorded.new, 1, signal))?.first : undefined;
  if (source === null) {
    const heard = `last acknowledged at dc-old ${last}, the guest's first at dc-new`;
    field('its counter', first === undefined ? `${heard} not heard yet` : `${heard} ${first}: ${verdict(last, first)}`);
  } else {
    for (const [name, value] of source.fields) field(name, value);
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

/** `rolled back` for `rolled-back`. */
function wordOf({ outcome }: MigrationStatus): string {
  return String(outcome).replaceAll('-', ' ');
}

/** What it failed for, or who gave it up. */
function whyNotMoved({ error, trail }: MigrationStatus): string {
  if (error) return error.message;
  const decided = trail.findLast(({ name, accepted }) => accepted && /^(abort|undoCutover)$/.test(name));
  return decided ? decisionWords(decided) : 'nobody said';
}

/** The seed, the last passes, and between them one line for all others. */
function passLines(passes: readonly PassRecord[]): [string, string][] {
  const line = (name: string, of: readonly PassRecord[]): [string, string] => {
    const sum = (field: 'bytesRead' | 'bytesWritten' | 'durationMs') => of.reduce((all, each) => all + each[field], 0);
    const [read, wrote] = [formatBytes(sum('bytesRead')), formatBytes(sum('bytesWritten'))];
    return [name, `read ${read}, wrote ${wrote} in ${formatDuration(sum('durationMs'))}`];
  };
  const each = (pass: PassRecord) => line(`pass ${pass.number}, ${pass.kind}`, [pass]);
  const between = passes.slice(1, -LAST_PASSES);
  if (between.length < LAST_PASSES) return passes.map(each);
  const [name, sum] = line(`passes ${between[0]!.number} to ${between.at(-1)!.number}`, between);
  const dropped = between[0]!.number - passes[0]!.number - 1;
  const total = `${sum} together${dropped > 0 ? `; ${dropped} before them are not kept in the status` : ''}`;
  return [each(passes[0]!), [name, total], ...passes.slice(-LAST_PASSES).map(each)];
}

interface Source {
  /** Where the VM runs now, in words. */
  headline: string;
  fields: [string, string][];
}

/** How the source stands after a migration that did not move it. */
async function sourceAgain(demo: Heard, { events }: MigrationStatus, signal: AbortSignal): Promise<Source> {
  const off = events.find((each) => each.text === 'the source is off');
  if (!off) return { headline: 'it runs at dc-old as before', fields: [['the source', 'was not stopped at any time']] };
  const again = await heardOf(demo.recorded.old, 2, signal);
  if (!again)
    return {
      headline: 'it was started at dc-old again',
      fields: [['the source', 'has not been heard of yet since it was started again']],
    };
  const away = formatDuration(again.atMs - Date.parse(off.at));
  const before = (await demo.recorded.old.numbers()).filter(({ atMs }) => atMs < again.atMs);
  const last = before.reduce((highest, { counter }) => Math.max(highest, counter), 0);
  const counter = `last acknowledged before ${last}, found on its disk ${again.first}: ${verdict(last, again.first)}`;
  return {
    headline: 'it runs at dc-old again',
    fields: [
      ['the source', `counts at dc-old again, ${away} after it was off`],
      ['its counter', counter],
    ],
  };
}

function verdict(last: number, first: number): string {
  return first >= last ? 'none lost' : 'NUMBERS ARE LOST';
}

/** The guest's boot of this number, from 1, as the recorder has it; undefined when it is not heard of for long. */
async function heardOf(recorder: Counted, number: number, signal: AbortSignal): Promise<RecordedBoot | undefined> {
  for (const endsAt = Date.now() + HEARD_MS; ;) {
    const boot = (await recorder.boots())[number - 1];
    if (boot || Date.now() > endsAt || signal.aborted) return boot;
    await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}
