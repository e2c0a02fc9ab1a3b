import { CancellationScope, condition, isCancellation, patched } from '@temporalio/workflow';
import type { MigrationActivities } from '../activities/io.js';
import type { DecisionName } from '../src/request/decisions.js';
import { activity, type Manner } from './activities.js';
import type { Side } from './carried.js';
import { whyNot } from './decisions.js';
import { GoOn, isLong, lengthWatch } from './go-on.js';
import type { Migration } from './migration.js';
import { awaitWorker, tell } from './tell.js';
import { Losses, lostItsWorker, NobodyThere, troubleOf, type Trouble } from './trouble.js';

/** Thrown through the main line: a human, or a cancellation of the workflow, wants out. */
export class Aborted extends Error {}
/** Thrown through the main line: go back to the source. */
export class Undone extends Error {}

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
    const losses = new Losses();
    for (let tries = 0; ; tries++) {
      this.checkAbort();
      await this.whilePaused();
      // Interrupted or lost again and again: here nothing runs, and the next run comes to this step by itself.
      if (tries > 0 && isLong()) throw new GoOn();
      const began = Date.now();
      try {
        return await this.interruptible(() => this.once(name, site, 'patient', summary, input()));
      } catch (error) {
        this.checkAbort();
        if (isCancellation(error)) continue;
        if (ends.includes(troubleOf(error).code)) throw error;
        if (!lostItsWorker(error)) {
          await this.attention(troubleOf(error), { worker: nobodyAt(error) });
        } else if (losses.tooMany(Date.now() - began)) {
          await this.attention({
            code: 'Unreachable',
            message: `${summary}: its workers are lost one after the other`,
            remedy: `See why the workers for ${site} end: what they print, the memory of their machine.`,
          });
        } else {
          this.migration.event(`${summary}: its worker was lost; going on`);
        }
      }
    }
  }

  /**
   * Runs an activity whose failure ends the migration; but a worker is waited for, and for the cure of failures with the
   * codes `waitFor`.
   * @throws Aborted when that was asked for meanwhile.
   */
  async first<N extends keyof MigrationActivities>(
    name: N,
    site: string,
    summary: string,
    input: Parameters<MigrationActivities[N]>[0],
    waitFor: readonly string[],
  ) {
    for (;;) {
      this.checkAbort();
      try {
        return await this.interruptible(() => this.once(name, site, 'patient', summary, input));
      } catch (error) {
        this.checkAbort();
        const trouble = troubleOf(error);
        const waits = waitFor.includes(trouble.code) && patched('wait-in-first-step');
        if (!(error instanceof NobodyThere) && !waits) throw error;
        await this.attention(trouble, { worker: nobodyAt(error) });
      }
    }
  }

  /** Runs an activity while the source is being stopped or down: a few tries, then the error leads to the undo. */
  async cut<N extends keyof MigrationActivities>(
    name: N,
    site: string,
    summary: string,
    input: Parameters<MigrationActivities[N]>[0],
  ) {
    this.checkUndo();
    try {
      return await this.interruptible(() => this.once(name, site, 'quick', summary, input));
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
        return await this.once(name, migration.ref[side], 'patient', summary, input());
      } catch (error) {
        migration.unreachable = mayBeDown;
        await this.attention(troubleOf(error), { worker: nobodyAt(error), goingBack: true });
        migration.unreachable = [];
        const down = side === 'target' ? marks.targetConfirmedDown : marks.sourceConfirmedDown;
        if (down && mayBeDown.includes(side)) return null;
      }
    }
  }

  /** Runs an activity whose failure is the caller's to meet. All others run through it, too. */
  async once<N extends keyof MigrationActivities>(
    name: N,
    site: string,
    manner: Manner,
    summary: string,
    input: Parameters<MigrationActivities[N]>[0],
  ) {
    this.migration.publish();
    return await activity(name, site, manner, summary, input);
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
    const tooLong = lengthWatch();
    while (migration.wishes.pause && !migration.wishes.abort && !tooLong()) await this.waitForDecision();
    migration.carried.resumeTo = null;
    migration.enter(before);
    this.checkAbort();
    // Still paused: the next run pauses again, where it comes to a step.
    if (migration.wishes.pause) throw new GoOn();
  }

  /**
   * Says what is wrong and what to do, and waits for `resume` (or, in the way back, for `confirmSiteDown`). An abort ends
   * the wait, but not in the way back (`goingBack`), which it cannot change; with `orUndo` an undo ends it, too. With
   * `worker`, the site that has none, a worker there ends it as well.
   */
  async attention(
    trouble: Trouble,
    options: { worker?: string | null; goingBack?: boolean; orUndo?: boolean } = {},
  ): Promise<void> {
    const { worker = null, goingBack = false, orUndo = false } = options;
    const { migration } = this;
    const { status, wishes } = migration;
    const before = status.phase;
    migration.carried.resumeTo = before;
    // What was approved is the VM as it was assessed.
    if (trouble.code === 'Drift' && !goingBack && status.approval) {
      migration.withdrawApproval();
      migration.event('the approval lapsed: the source is not as it was assessed any more');
    }
    status.error = trouble;
    wishes.resumed = false;
    const sides = migration.unreachable.join(' or the ');
    const cures = [
      ...(worker ? [`a worker for ${worker}`] : []),
      'resume',
      ...(sides ? [`confirmSiteDown for the ${sides}`] : []),
    ];
    migration.enter('needs-attention', `${cures.join(', or ')}, after: ${trouble.remedy ?? trouble.message}`);
    migration.event(`needs attention: ${trouble.message}`);
    await tell(this, 'needs-attention', trouble.message, worker);
    const answer = worker ? awaitWorker(this, worker) : null;
    const left = () => (wishes.abort && !goingBack) || (wishes.undo && orUndo);
    const over = () => wishes.resumed || left() || answer?.came === true;
    // A cutover cannot be gone on with in another run.
    const tooLong = orUndo ? () => false : lengthWatch();
    while (!over() && !tooLong()) await this.waitForDecision();
    await answer?.end();
    const goesOn = over();
    wishes.resumed = false;
    status.error = null;
    migration.carried.resumeTo = null;
    migration.enter(before);
    // The next run tries the step again, as `resume` does.
    if (!goesOn) throw new GoOn();
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

/** The site that has no worker, where that is why a step failed. */
function nobodyAt(error: unknown): string | null {
  return error instanceof NobodyThere ? error.site : null;
}
