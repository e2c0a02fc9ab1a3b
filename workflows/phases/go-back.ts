import type { Line } from '../line.js';

/**
 * The way back, from wherever the migration stands: the target is seen stopped and unable to start, only then the
 * source is started. Every step is idempotent and none is given up but by a human who declares a side down.
 */
export async function goBack(line: Line): Promise<void> {
  const { migration } = line;
  const { ref, marks, assessment } = migration;
  line.goingBack = true;
  const error = migration.status.error;
  if (marks.claimed || marks.replica) migration.enter('undoing');
  if (marks.targetDefined) {
    await line.back('removeTarget', 'target', `stop and remove ${ref.targetName}`, () => ref);
    if (!marks.targetConfirmedDown) {
      marks.targetDefined = false;
      marks.targetStarted = false;
      migration.removed('domain');
    }
  }
  if (marks.sourceStopping || marks.autostartHeld) {
    await line.back('restoreSource', 'source', `bring ${ref.vm} back`, () => ({
      ...ref,
      start: assessment.running,
      autostart: assessment.autostart,
      targetConfirmedDown: marks.targetConfirmedDown,
    }));
    marks.sourceStopping = false;
    marks.autostartHeld = false;
    marks.sourceOff = false;
    migration.event(assessment.running ? 'the source runs again' : 'the source is as it was');
  }
  if (marks.rehearsal && (await line.back('endRehearsal', 'target', 'remove the rehearsal', () => ref)) !== null) {
    marks.rehearsal = false;
    migration.removed('rehearsal');
  }
  if (marks.claimed) {
    await line.back('cleanSource', 'source', 'clean the source', () => ref);
    marks.claimed = false;
    migration.removed('claim');
    migration.removed('checkpoint');
  }
  if (marks.replica) {
    const cleaned = await line.back('cleanTarget', 'target', 'clean the target', () => ({ ...ref, keepWhole: true }));
    if (cleaned?.kept) migration.event('the whole replica is kept at the target; `vmferry replicas` lists it');
    if (cleaned && !cleaned.kept) migration.removed('replica');
    marks.replica = false;
  }
  migration.status.error = error;
}
