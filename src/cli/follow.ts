import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { VmferryError } from '../errors.js';
import { formatBytes, formatDuration, formatInstant } from '../model/format.js';
import { happenings } from '../model/happenings.js';
import type { MigrationStatus } from '../model/status.js';
import { askLive, askStatus, awaitEnd, untold, type LiveActivity } from './ask.js';
import { printable, type Context } from './context.js';
import type { Found } from './find.js';
import { JsonLines } from './json-lines.js';
import { diskLine, page, verbs } from './screen.js';

const REFRESH_MS = 1000;
/** Without a terminal: how often a running copy is told about. */
const PROGRESS_EVERY_MS = 10_000;
/** Of what happened before one looked, so much is told. */
const AT_FIRST = 30;

/**
 * How a migration is shown while it is followed: as a page that is redrawn; as lines of what is new, with the running copy
 * redrawn below them on a terminal; or as its status, a JSON document on a line of its own whenever it changed.
 */
export type Manner = 'page' | 'lines' | 'json';

/**
 * Follows a migration to its end. A worker that is away for a while is waited for.
 * @returns the last status.
 * @throws VmferryError `Internal` when it failed or was ended from outside before a worker could tell.
 */
export async function follow(context: Context, client: Client, found: Found, manner: Manner): Promise<MigrationStatus> {
  const end = { reached: false };
  const ended = awaitEnd(client, found).finally(() => (end.reached = true));
  ended.catch(() => undefined);
  const show = showAs(manner, context, found.workflowId);
  let last: MigrationStatus | null = null;
  while (!end.reached) {
    try {
      const [status, live] = await Promise.all([askStatus(client, found), askLive(client, found)]);
      last = status;
      show.draw(status, live);
    } catch (error) {
      if (!(error instanceof VmferryError && error.code === 'Unreachable')) throw error;
      show.note(error.message);
    }
    await Promise.race([
      sleep(REFRESH_MS, undefined, { signal: context.signal }).catch(() => undefined),
      ended.catch(() => undefined),
    ]);
    context.signal.throwIfAborted();
  }
  const status = (await ended) ?? (await askStatus(client, found).catch(() => last));
  if (!status) throw await untold(client, found);
  show.draw(status, []);
  return status;
}

interface Show {
  draw(status: MigrationStatus, live: readonly LiveActivity[]): void;
  /** Why there is nothing to draw just now. */
  note(text: string): void;
}

function showAs(manner: Manner, context: Context, workflowId: string): Show {
  if (manner === 'page') return new Page(context, workflowId);
  return manner === 'json' ? new JsonLines(context) : new Lines(context);
}

/** The page of `watch`, redrawn in place. */
class Page implements Show {
  private drawn = 0;
  constructor(
    private readonly context: Context,
    private readonly workflowId: string,
  ) {}

  draw(status: MigrationStatus, live: readonly LiveActivity[]): void {
    this.replace(page({ status, live, workflowId: this.workflowId, nowMs: Date.now() }));
  }

  note(text: string): void {
    this.replace([printable(text)]);
  }

  private replace(lines: string[]): void {
    // Lines are cut, so that each takes one row and the cursor goes back as far as it came.
    const cut = lines.map((line) => line.slice(0, Math.max(20, this.context.columns - 1)));
    const back = this.drawn > 0 ? `\u001b[${this.drawn}A\r\u001b[J` : '';
    this.context.out(`${back}${cut.join('\n')}\n`);
    this.drawn = cut.length;
  }
}

/**
 * What is new since the last time, a line each, with the time at which it happened; where a later one was printed before
 * it was known, with that. On a terminal the running copy stands below them and is redrawn.
 */
export class Lines implements Show {
  private readonly said = new Set<string>();
  private waitingFor: string | null = null;
  private progressAt = 0;
  private noted = '';
  private trouble = '';
  private drawn = 0;
  private latestMs = 0;
  constructor(private readonly context: Context) {}

  draw(status: MigrationStatus, live: readonly LiveActivity[]): void {
    const lines = this.news(status);
    if (status.waitingFor !== null && status.waitingFor !== this.waitingFor) {
      const fit = status.phase === 'syncing' ? [] : verbs(status.decisions);
      lines.push(this.timed(`waits for ${status.waitingFor}${fit.length > 0 ? ` (you can: ${fit.join(', ')})` : ''}`));
    }
    this.waitingFor = status.waitingFor;
    for (const { name, attempt, lastFailure } of live) {
      const trouble = lastFailure ? `${name}, try ${attempt}: ${lastFailure}` : null;
      if (trouble !== null && trouble !== this.trouble) lines.push(this.timed(trouble));
      this.trouble = trouble ?? this.trouble;
    }
    const disks = live.flatMap((each) => each.disks);
    const progress = disks.map((disk) => `${disk.name} ${diskLine(disk)}`);
    const running = disks.some(({ doneBytes, totalBytes }) => doneBytes < totalBytes);
    if (this.context.terminal) this.write(lines, progress);
    // One that has just ended has a line of its own in a moment, with an earlier time.
    else this.write([...lines, ...this.dueProgress(running ? progress : [])], []);
    this.noted = '';
  }

  note(text: string): void {
    if (text !== this.noted) this.write([this.timed(text)], []);
    this.noted = text;
  }

  /** Happenings, phases and passes that were not said yet, the oldest first. */
  private news(status: MigrationStatus): string[] {
    const all = [
      ...happenings(status),
      ...status.phases.map((each) => ({ at: each.startedAt, text: `phase ${each.name}` })),
      ...status.passes.map((each) => ({
        at: new Date(Date.parse(each.startedAt) + each.durationMs).toISOString(),
        text: `pass ${each.number} (${each.kind}): read ${formatBytes(each.bytesRead)}, wrote ${formatBytes(each.bytesWritten)} in ${formatDuration(each.durationMs)}`,
      })),
    ].sort((one, other) => Date.parse(one.at) - Date.parse(other.at));
    const first = this.said.size === 0;
    const fresh = all.filter(({ at, text }) => !this.said.has(`${at} ${text}`));
    for (const { at, text } of fresh) this.said.add(`${at} ${text}`);
    const lines = fresh.slice(first ? -AT_FIRST : 0).map(({ at, text }) => this.timed(text, at));
    return first && lines.length > 0 ? ['(times are UTC)', ...lines] : lines;
  }

  /** The running copy, now and then, where it cannot be redrawn. */
  private dueProgress(progress: readonly string[]): string[] {
    if (progress.length === 0 || Date.now() - this.progressAt < PROGRESS_EVERY_MS) return [];
    this.progressAt = Date.now();
    return progress.map((line) => this.timed(line));
  }

  private write(lines: readonly string[], below: readonly string[]): void {
    if (lines.length === 0 && below.length === 0 && this.drawn === 0) return;
    const back = this.drawn > 0 ? `\u001b[${this.drawn}A\r\u001b[J` : '';
    const cut = below.map((line) => printable(`          ${line}`).slice(0, Math.max(20, this.context.columns - 1)));
    this.context.out(`${back}${[...lines, ...cut].map((line) => `${line}\n`).join('')}`);
    this.drawn = cut.length;
  }

  /** Clocks of sites, server and this machine differ, and a pass is known a moment after its end: times never go back. */
  private timed(text: string, at = new Date().toISOString()): string {
    this.latestMs = Math.max(this.latestMs, Date.parse(at) || 0);
    const shown = formatInstant(new Date(this.latestMs).toISOString()).slice(11, 19);
    return `${shown}  ${printable(text.replaceAll('\n', ' '))}`;
  }
}
