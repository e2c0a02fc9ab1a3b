import { formatInstant } from '../../src/model/format.js';
import { parseDurationMs } from '../../src/request/units.js';
import { GoOn, isLong } from '../go-on.js';
import { type Line, Undone } from '../line.js';
import { tell } from '../tell.js';

/**
 * The second gate: a human, or the request's time, keeps the target; until then everything can go back.
 * @throws GoOn when the history has grown.
 */
export async function awaitAcceptance(line: Line): Promise<void> {
  const { migration } = line;
  const { wishes, request, carried, marks } = migration;
  const automatic = request.acceptance.mode === 'automatic' && marks.probesPassed;
  const dueMs =
    Date.parse(carried.validatedAt ?? new Date().toISOString()) + parseDurationMs(request.acceptance.after)!;
  carried.validatedAt ??= new Date().toISOString();
  migration.enter(
    'awaiting-acceptance',
    automatic
      ? `acceptTarget or undoCutover; accepted by itself at ${formatInstant(new Date(dueMs).toISOString())}`
      : 'acceptTarget or undoCutover',
  );
  if (!carried.announced.includes('awaited:acceptance')) {
    carried.announced.push('awaited:acceptance');
    await tell(
      line,
      'decision-awaited',
      `${migration.ref.vm} ${migration.status.package ? 'lies as a package' : 'runs'} at ${migration.ref.target}: acceptTarget or undoCutover`,
    );
  }
  for (;;) {
    // Asked for while the last step of the cutover ran, which it came too late to interrupt.
    line.checkAbort();
    if (wishes.undo) throw new Undone();
    if (wishes.accept) return;
    if (automatic && Date.now() >= dueMs) {
      migration.event('accepted by itself, as the request says');
      return;
    }
    if (isLong()) throw new GoOn();
    if (automatic) await line.wait(dueMs - Date.now(), 'automatic acceptance');
    else await line.waitForDecision();
  }
}

/** The target becomes final: nothing can be undone from here on, so errors wait for a human and are tried again. */
export async function finalize(line: Line): Promise<void> {
  const { migration } = line;
  const { ref, assessment, marks } = migration;
  migration.enter('finalizing');
  // Not to be given up: without the target, the source must not be retired.
  const moved = { ...ref, autostart: assessment.autostart, movedAt: new Date().toISOString() };
  const done = await line.back('finalizeTarget', 'target', `make the target final, retire ${ref.vm}`, () => moved, []);
  migration.removed('replica');
  const retire = () => line.back('retireSource', 'source', `retire ${ref.vm}`, () => moved);
  if (!done?.retired && (marks.sourceConfirmedDown || (await retire()) === null)) {
    migration.event(`nothing was cleaned at ${ref.source}, which was declared down: the ledger says what is there`);
    return;
  }
  marks.claimed = false;
  migration.removed('claim');
  migration.removed('checkpoint');
  migration.removed('point');
}
