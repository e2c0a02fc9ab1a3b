import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { VmferryError } from '../errors.js';
import { formatBytes, formatDuration, formatInstant } from '../model/format.js';
import type { MigrationStatus } from '../model/status.js';
import { askLive, askStatus, awaitEnd, type LiveActivity } from './ask.js';
import { printable, type Context } from './context.js';
import type { Found } from './find.js';
import { diskLine, page, verbs } from './screen.js';

const REFRESH_MS = 1000;
/** Without a terminal: how often a running copy is told about. */
const PROGRESS_EVERY_MS = 10_000;

/**
 * Follows a migration to its end: a page that is redrawn on a terminal, plain lines elsewhere. A worker that is away
 * for a while is waited for.
 * @returns the last status; null when it failed or was ended from outside before a worker could tell.
 */
export async function follow(
  context: Context,
  client: Client,
  found: Found,
  redraw: boolean,
): Promise<MigrationStatus | null> {
  const end = { reached: false };
  const ended = awaitEnd(client, found).finally(() => (end.reached = true));
  ended.catch(() => undefined);
  const show = redraw ? new Page(context, found.workflowId) : new Lines(context);
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
  if (status) show.draw(status, []);
  return status;
}

/** The page of `watch`, redrawn in place. */
class Page {
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

/** What is new since the last time, a line each, with the time. */
class Lines {
  private phase = '';
  private waitingFor: string | null = null;
  private passes = 0;
  private events = new Set<string>();
  private progressAt = 0;
  private noted = '';
  private trouble = '';
  constructor(private readonly context: Context) {}

  draw(status: MigrationStatus, live: readonly LiveActivity[]): void {
    for (const each of status.events) {
      const key = `${each.at} ${each.text}`;
      if (!this.events.has(key)) this.line(each.text, each.at);
      this.events.add(key);
    }
    if (status.phase !== this.phase) this.line(`phase ${status.phase}`);
    for (const each of status.passes.filter((one) => one.number > this.passes)) {
      this.line(
        `pass ${each.number} (${each.kind}): read ${formatBytes(each.bytesRead)}, wrote ${formatBytes(each.bytesWritten)} in ${formatDuration(each.durationMs)}`,
      );
    }
    if (status.waitingFor !== null && status.waitingFor !== this.waitingFor) {
      const fit = verbs(status.decisions);
      this.line(`waits for ${status.waitingFor}${fit.length > 0 ? ` (${fit.join(', ')})` : ''}`);
    }
    for (const { name, attempt, lastFailure } of live) {
      const trouble = lastFailure ? `${name}, try ${attempt}: ${lastFailure}` : null;
      if (trouble !== null && trouble !== this.trouble) this.line(trouble);
      this.trouble = trouble ?? this.trouble;
    }
    if (Date.now() - this.progressAt >= PROGRESS_EVERY_MS) {
      const disks = live.flatMap((each) => each.disks);
      for (const disk of disks) this.line(`${disk.name} ${diskLine(disk)}`);
      if (disks.length > 0) this.progressAt = Date.now();
    }
    this.phase = status.phase;
    this.waitingFor = status.waitingFor;
    this.passes = Math.max(this.passes, status.passCount);
    this.noted = '';
  }

  note(text: string): void {
    if (text !== this.noted) this.line(text);
    this.noted = text;
  }

  private line(text: string, at = new Date().toISOString()): void {
    this.context.out(`${formatInstant(at).slice(11, 19)}  ${printable(text.replaceAll('\n', ' '))}\n`);
  }
}
