import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  setHandler,
} from '@temporalio/workflow';
import type { MigrationStatus, Outcome } from '../src/model/status.js';
import { migrateVmRequest, type MigrateVmInput } from '../src/request/migrate-vm.js';
import type { Carried } from './carried.js';
import { handleDecisions } from './decisions.js';
import { GoOn } from './go-on.js';
import { Aborted, Line, Undone } from './line.js';
import { getStatusQuery } from './messages.js';
import { Migration } from './migration.js';
import { assess, prepare } from './phases/assess.js';
import { seed, syncUntilDue } from './phases/sync.js';
import { callOff, cutOver, stopSource } from './phases/cut-over.js';
import { awaitAcceptance, finalize } from './phases/accept.js';
import { goBack } from './phases/go-back.js';
import { prepareGuest } from './phases/prepare-guest.js';
import { requestFrom } from './request-from.js';
import { tell, writeReport } from './tell.js';
import { troubleOf } from './trouble.js';

export interface MigrationResult {
  outcome: Outcome;
  migrationId: string;
  downtimeMs: number | null;
  reportPath: string | null;
  status: MigrationStatus;
}

/**
 * Moves one VM. The only argument for people is the request; `carried` is what an earlier run hands on by
 * continue-as-new. Ends as `completed` with the outcome and the report, or as failed where a human is needed.
 */
export async function migrateVm(input: MigrateVmInput, carried?: Carried): Promise<MigrationResult> {
  const request = requestFrom(migrateVmRequest, input, 'migrateVm');
  const migration = carried ? new Migration(request, carried) : Migration.begin(request);
  const line = new Line(migration);
  setHandler(getStatusQuery, () => migration.status);
  handleDecisions(migration, (name) => line.decided(name));
  abortOnCancel(migration, line);
  migration.changed();
  return await CancellationScope.nonCancellable(() => run(line));
}

/** From wherever the migration stands to its end, or into the next run. */
async function run(line: Line): Promise<MigrationResult> {
  try {
    if (!line.migration.carried.ending) {
      const outcome = await goForward(line);
      if (outcome !== null) return await end(line, outcome);
    }
    return await goBackAndEnd(line);
  } catch (error) {
    if (error instanceof GoOn) return await goOn(line);
    throw error;
  }
}

/** The phases in order, to their good end; null when the way back begins. @throws GoOn. */
async function goForward(line: Line): Promise<Outcome | null> {
  const { migration } = line;
  const { status, carried, request } = migration;
  try {
    if (status.phase === 'assessing') {
      await assess(line);
      if (request.dryRun) return 'dry-run';
    }
    if (status.phase !== 'awaiting-acceptance' && status.phase !== 'finalizing') {
      if (!migration.seeded) {
        await prepare(line);
        await prepareGuest(line);
        await seed(line);
      }
      // The run before was left while it called a cutover off.
      if (migration.marks.sourceStopping) await callOff(line);
      do await syncUntilDue(line);
      while (!(await stopSource(line)));
      await cutOver(line);
    }
    if (status.phase !== 'finalizing') await awaitAcceptance(line);
    await finalize(line);
    return 'completed';
  } catch (error) {
    if (error instanceof GoOn) throw error;
    const outcome = outcomeOf(migration, error);
    if (!(error instanceof Aborted || error instanceof Undone)) {
      status.error = troubleOf(error);
      migration.event(`${outcome === 'failed' ? 'failed' : 'going back'}: ${status.error.message}`);
    }
    carried.ending = { outcome, error: status.error };
    return null;
  }
}

async function goBackAndEnd(line: Line): Promise<MigrationResult> {
  const { carried, status } = line.migration;
  const { outcome, error } = carried.ending!;
  if (carried.assessment) await goBack(line);
  status.error = error;
  // The source first, then people: a webhook that hangs must not lengthen the downtime.
  if (error) await tell(line, 'failed', error.message);
  return await end(line, outcome);
}

/** Aborted by a human; rolled back after the source was touched; failed when a human is needed before anything moved. */
function outcomeOf(migration: Migration, error: unknown): Outcome {
  if (error instanceof Aborted || migration.wishes.abort) return 'aborted';
  if (error instanceof Undone || migration.marks.sourceStopping) return 'rolled-back';
  return 'failed';
}

async function end(line: Line, outcome: Outcome): Promise<MigrationResult> {
  const { migration } = line;
  const { status } = migration;
  status.outcome = outcome;
  if (outcome !== 'dry-run') migration.enter(outcome);
  migration.close();
  await writeReport(line);
  await tell(line, 'finished', `the migration of ${status.vm} ended as ${outcome}`);
  await condition(allHandlersFinished);
  migration.changed();
  if (outcome === 'failed') {
    const { code, message, remedy } = status.error ?? { code: 'Internal', message: 'unknown', remedy: null };
    throw ApplicationFailure.create({
      type: code,
      message: remedy ? `${message}\n${remedy}` : message,
      nonRetryable: true,
      details: [{ migrationId: status.migrationId, reportPath: status.reportPath }],
    });
  }
  const { migrationId, downtimeMs, reportPath } = status;
  return { outcome, migrationId, downtimeMs, reportPath, status };
}

/** Goes on in a new run, with everything that matters. Only called where no activity runs. */
async function goOn(line: Line): Promise<never> {
  await condition(allHandlersFinished);
  return await continueAsNew<typeof migrateVm>(line.migration.request, line.migration.carried);
}

/** Cancelling the workflow is `abort`, where that fits. */
function abortOnCancel(migration: Migration, line: Line): void {
  CancellationScope.current().cancelRequested.catch(() => {
    line.cancelled();
    migration.changed();
  });
}
