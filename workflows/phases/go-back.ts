import { patched } from '@temporalio/workflow';
import { formatDuration, formatInstant } from '../../src/model/format.js';
import { parseDurationMs } from '../../src/request/units.js';
import type { Line } from '../line.js';
import { putBackGuest } from './prepare-guest.js';

/** A guest that was asked to stop and does so after this was stopped by somebody else. */
const MOST_WATCH_MS = 10 * 60_000;

/**
 * The way back, from wherever the migration stands: the target is seen stopped and unable to start, only then the
 * source is started. Every step is idempotent and none is given up but by a human who declares a side down.
 */
export async function goBack(line: Line): Promise<void> {
  const { migration } = line;
  const { ref, marks, assessment, carried } = migration;
  if (marks.claimed || marks.replica) migration.enter('undoing');
  // What was never defined cannot run: then a target that is out of reach keeps nobody from going back.
  const maybeThere = marks.targetDefined;
  if (marks.targetDefined) {
    const what = migration.status.package ? 'remove the package of' : 'stop and remove';
    await line.back('removeTarget', 'target', `${what} ${ref.targetName}`, () => ref);
    if (!marks.targetConfirmedDown) {
      marks.targetDefined = false;
      migration.removed('domain');
      migration.removed('package');
    }
  }
  if (marks.sourceStopping || marks.autostartHeld) {
    const restored = await line.back(
      'restoreSource',
      'source',
      `bring ${ref.vm} back`,
      () => ({
        ...ref,
        // A source that was not asked to stop is off by somebody else's hand.
        start: assessment.running && marks.sourceStopping,
        autostart: assessment.autostart,
        targetConfirmedDown: marks.targetConfirmedDown || !maybeThere,
      }),
      maybeThere ? ['source', 'target'] : ['source'],
    );
    const offMs = carried.offAt === null ? null : Date.now() - Date.parse(carried.offAt);
    const after = offMs === null ? '' : `, ${formatDuration(offMs)} after it was off`;
    const back =
      assessment.running && marks.sourceStopping ? `the source runs again${after}` : 'the source is as it was';
    // Never seen off: it may stop yet.
    if (restored !== null && assessment.running && marks.sourceStopping && !marks.sourceOff)
      carried.calledOffAt = new Date().toISOString();
    marks.sourceStopping = false;
    marks.autostartHeld = false;
    marks.sourceOff = false;
    migration.event(restored === null ? 'the source was declared down, and was not started' : back);
  }
  await putBackGuest(line, { traces: true });
  // While the claim still keeps another migration from cutting over. `patched` can go with the last migration that was
  // begun before 2026-12.
  if (carried.calledOffAt && !marks.sourceConfirmedDown && patched('watch-late-stop')) await watchLateStop(line);
  await cleanUp(line);
}

/** A guest cannot be told to forget that it was asked to stop: one that does so after all is started again. */
async function watchLateStop(line: Line): Promise<void> {
  const { migration } = line;
  const { ref, marks, assessment, carried, request } = migration;
  const givenMs = Math.min(parseDurationMs(request.cutover.shutdownTimeout)!, MOST_WATCH_MS);
  const untilMs = Date.parse(carried.calledOffAt!) + givenMs;
  const forMs = untilMs - Date.now();
  carried.calledOffAt = null;
  if (forMs <= 0) return;
  const until = formatInstant(new Date(untilMs).toISOString());
  migration.enter('undoing', `the guest, which was asked to stop, to run on until ${until}`);
  const seen = await line.back('watchSource', 'source', `see ${ref.vm} run on`, () => ({
    ...ref,
    forMs,
    autostart: assessment.autostart,
    targetConfirmedDown: marks.targetConfirmedDown,
  }));
  if (!seen?.startedAgain) return;
  migration.event('the guest stopped after all, and was started again');
  await putBackGuest(line, { again: true });
}

/** Removes what the migration left at both sides. A side that a human declared down is left as it is. */
async function cleanUp(line: Line): Promise<void> {
  const { migration } = line;
  const { ref, marks, status } = migration;
  if (
    marks.rehearsal &&
    !marks.targetConfirmedDown &&
    (await line.back('endRehearsal', 'target', 'remove the rehearsal', () => ref)) !== null
  ) {
    marks.rehearsal = false;
    migration.removed('rehearsal');
  }
  if (
    marks.claimed &&
    !marks.sourceConfirmedDown &&
    (await line.back('cleanSource', 'source', 'clean the source', () => ref)) !== null
  ) {
    marks.claimed = false;
    migration.removed('claim');
    migration.removed('checkpoint');
    migration.removed('point');
  }
  if (marks.replica && !marks.targetConfirmedDown) {
    const cleaned = await line.back('cleanTarget', 'target', 'clean the target', () => ({ ...ref, keepWhole: true }));
    if (cleaned?.kept) migration.event('the whole replica is kept at the target; `vmferry replicas` lists it');
    for (const { name, rootDigest } of cleaned?.disks ?? []) {
      const known = status.disks.find((each) => each.name === name);
      if (known) known.rootDigest = rootDigest;
    }
    if (cleaned && !cleaned.kept) migration.removed('replica');
    marks.replica = false;
  }
  for (const side of ['source', 'target'] as const) {
    if (side === 'source' ? marks.sourceConfirmedDown : marks.targetConfirmedDown)
      migration.event(`nothing was cleaned at ${ref[side]}, which was declared down: the ledger says what is there`);
  }
}
