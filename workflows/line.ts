import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  condition,
  isCancellation,
  rootCause,
  TimeoutFailure,
} from '@temporalio/workflow';
import type { MigrationActivities, Notice } from '../activities/io.js';
import type { DecisionName } from '../src/request/decisions.js';
import { whyNot } from './decisions.js';
import { activity, type Manner } from './activities.js';
import type { Migration, Side } from './migration.js';

/** Thrown through the main line: a human, or a cancellation of the workflow, wants out. */
export class Aborted extends Error {}
/** Thrown through the main line: go back to the source. */
export class Undone extends Error {}

/** What an activity failed with, for people. */
export interface Trouble {
  code: string;
  message: string;
  remedy: string | null;
}

export function troubleOf(error: unknown): Trouble {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure) {
    const remedy = cause.details?.[0];
    return {
      code: cause.type ?? 'Internal',
      message: cause.message,
      remedy: typeof remedy === 'string' ? remedy : null,
    };
  }
  if (cause instanceof TimeoutFailure)
    return {
      code: 'Timeout',
      message: `a step did not end in its time: ${cause.message}`,
      remedy: 'See whether a worker runs for that site.',
    };
  return { code: 'Internal', message: rootCause(error) ?? String(error), remedy: null };
}

function lostItsWorker(error: unknown): boolean {
  return (
    error instanceof ActivityFailure && error.cause instanceof TimeoutFailure && error.cause.timeoutType === 'HEARTBEAT'
  );
}

/** Decisions that interrupt a running step; the others are noticed between steps. */
const INTERRUPTING: ReadonlySet<DecisionName> = new Set([
  'pause',
  'setBandwidth',
  'abort',
  'undoCutover',
  'forceStop',
  'rejectCutover',
]);
const MINUTE_MS = 60_000;

/** The one line of work of a migration: runs steps, lets decisions interrupt them, and waits for people. */
export class Line {
  private scope: CancellationScope | null = null;

  constructor(readonly migration: Migration) {}

  /** Called by the decision handlers. */
  decided(name: DecisionName): void {
    this.migration.changed();
    // A new bandwidth concerns only a running pass.
    if (name === 'setBandwidth' && this.migration.status.work !== 'pass') return;
    if (INTERRUPTING.has(name)) this.scope?.cancel();
  }

  /**
   * Runs an activity before cutover. A lost worker, a pause and a new bandwidth lead to another try; what retries cannot
   * mend waits for a human in `needs-attention`. `ends`: codes of failures that end the migration instead.
   * @throws Aborted when that was asked for.
   */
  async step<N extends keyof MigrationActivities>(
    name: N,
    site: string,
    summary: string,
    input: () => Parameters<MigrationActivities[N]>[0],
    ends: readonly string[] = [],
  ) {
    for (;;) {
      this.checkAbort();
      await this.whilePaused();
      try {
        return await this.interruptible(() => this.run(name, site, 'patient', summary, input()));
      } catch (error) {
        this.checkAbort();
        if (isCancellation(error)) continue;
        if (lostItsWorker(error)) {
          this.migration.event(`${summary}: its worker was lost; going on`);
          continue;
        }
        if (ends.includes(troubleOf(error).code)) throw error;
        await this.attention(troubleOf(error));
      }
    }
  }

  /** Runs an activity whose failure ends the migration. @throws Aborted when that was asked for meanwhile. */
  async first<N extends keyof MigrationActivities>(
    name: N,
    site: string,
    summary: string,
    input: Parameters<MigrationActivities[N]>[0],
  ) {
    this.checkAbort();
    try {
      return await this.interruptible(() => this.run(name, site, 'patient', summary, input));
    } catch (error) {
      this.checkAbort();
      throw error;
    }
  }

  /** Runs an activity whose failure is only written down. */
  async once<N extends keyof MigrationActivities>(
    name: N,
    site: string,
    summary: string,
    input: Parameters<MigrationActivities[N]>[0],
  ) {
    return await this.run(name, site, 'patient', summary, input);
  }

  /** Runs an activity while the source is being stopped or down: a few tries, then the error leads to the undo. */
  async cut<N extends keyof MigrationActivities>(
    name: N,
    site: string,
    summary: string,
    input: Parameters<MigrationActivities[N]>[0],
    manner: Manner = 'quick',
  ) {
    this.checkUndo();
    try {
      return await this.interruptible(() => this.run(name, site, manner, summary, input));
    } catch (error) {
      this.checkUndo();
      throw error;
    }
  }

  /**
   * Runs an activity of the way back: never given up but by a human who declares that side down (then null). `mayBeDown`:
   * the sides that may be declared; where it names the other side, the step is tried again, knowing that. None: the step
   * has to be done.
   */
  async back<N extends keyof MigrationActivities>(
    name: N,
    side: 'source' | 'target',
    summary: string,
    input: () => Parameters<MigrationActivities[N]>[0],
    mayBeDown: readonly Side[] = [side],
  ) {
    const { migration } = this;
    const { marks } = migration;
    for (;;) {
      try {
        return await this.run(name, migration.ref[side], 'patient', summary, input());
      } catch (error) {
        migration.unreachable = mayBeDown;
        await this.attention(troubleOf(error), true);
        migration.unreachable = [];
        const down = side === 'target' ? marks.targetConfirmedDown : marks.sourceConfirmedDown;
        if (down && mayBeDown.includes(side)) return null;
      }
    }
  }

  /** Waits until something happened or the time is over. */
  async wait(milliseconds: number, summary: string): Promise<void> {
    const seen = this.migration.version;
    // Below a second nothing is gained; above a month a timer is renewed.
    const bounded = Math.round(Math.min(Math.max(milliseconds, 1_000), 30 * 24 * 60 * MINUTE_MS));
    this.migration.publish();
    await condition(() => this.migration.version !== seen, bounded, { summary });
  }

  async waitForDecision(): Promise<void> {
    const seen = this.migration.version;
    this.migration.publish();
    await condition(() => this.migration.version !== seen);
  }

  /** The workflow was cancelled: as `abort`, where that fits. */
  cancelled(): void {
    const { migration } = this;
    const reason = whyNot(migration, 'abort');
    migration.decided(
      'abort',
      null,
      'the workflow was cancelled',
      reason === null,
      reason ? `ignored: ${reason}` : 'aborting',
    );
    if (reason !== null) return;
    migration.wishes.abort = true;
    this.scope?.cancel();
  }

  checkAbort(): void {
    if (this.migration.wishes.abort) throw new Aborted();
  }

  checkUndo(): void {
    this.checkAbort();
    if (this.migration.wishes.undo) throw new Undone();
  }

  async whilePaused(): Promise<void> {
    const { migration } = this;
    if (!migration.wishes.pause) return;
    const before = migration.status.phase;
    migration.carried.resumeTo = before;
    migration.enter('paused', 'resume');
    while (migration.wishes.pause && !migration.wishes.abort) await this.waitForDecision();
    migration.carried.resumeTo = null;
    migration.enter(before);
    this.checkAbort();
  }

  /**
   * Says what is wrong and what to do, and waits for `resume` (or, in the way back, for `confirmSiteDown`). An abort ends
   * the wait, but not in the way back (`goingBack`), which it cannot change.
   */
  async attention(trouble: Trouble, goingBack = false): Promise<void> {
    const { migration } = this;
    const { status, wishes } = migration;
    const before = status.phase;
    migration.carried.resumeTo = before;
    status.error = trouble;
    wishes.resumed = false;
    const sides = migration.unreachable.join(' or the ');
    const cures = sides ? `resume, or confirmSiteDown for the ${sides}` : 'resume';
    migration.enter('needs-attention', `${cures}, after: ${trouble.remedy ?? trouble.message}`);
    migration.event(`needs attention: ${trouble.message}`);
    await this.tell('needs-attention', trouble.message);
    while (!wishes.resumed && !(wishes.abort && !goingBack)) await this.waitForDecision();
    wishes.resumed = false;
    status.error = null;
    migration.carried.resumeTo = null;
    migration.enter(before);
  }

  /** Calls the request's webhook or hook; a failure is written down and changes nothing. */
  async tell(event: Notice['event'], text: string): Promise<void> {
    const { migration } = this;
    const { notify } = migration.request;
    if (!notify) return;
    const { migrationId, vm, source, target, phase, decisions } = migration.status;
    const notice: Notice = { event, text, status: { migrationId, vm, source, target, phase, decisions } };
    try {
      await this.run('notify', migration.ref.target, 'quick', `notify: ${event}`, {
        ref: migration.ref,
        notify,
        notice,
      });
    } catch (error) {
      migration.event(`the notification of ${event} failed: ${troubleOf(error).message}`);
    }
  }

  private async run<N extends keyof MigrationActivities>(
    name: N,
    site: string,
    manner: Manner,
    summary: string,
    input: Parameters<MigrationActivities[N]>[0],
  ) {
    this.migration.publish();
    return await activity(name, site, manner, summary, input);
  }

  private async interruptible<T>(run: () => Promise<T>): Promise<T> {
    const scope = new CancellationScope();
    this.scope = scope;
    try {
      return await scope.run(run);
    } finally {
      this.scope = null;
    }
  }
}
