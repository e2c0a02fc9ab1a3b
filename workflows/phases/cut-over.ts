import { ApplicationFailure, isCancellation, patched } from '@temporalio/workflow';
import type { ProbeInput, StopResult } from '../../activities/io.js';
import type { Conversion } from '../../src/model/conversion.js';
import type { DiskRecord } from '../../src/model/status.js';
import type { GuestFacts } from '../../src/model/vm.js';
import { parseDurationMs } from '../../src/request/units.js';
import { type Line, Undone } from '../line.js';
import type { Migration } from '../migration.js';
import { tell } from '../tell.js';
import { troubleOf } from '../trouble.js';
import { writePackage } from './package.js';
import { pass } from './pass.js';
import { putBackGuest, stopServices } from './prepare-guest.js';
import { whatHoldsCutover } from './sync.js';

/** While a human is asked, the guest is asked to stop by one step for so long: what comes interrupts it. */
const ASKING_MS = 12 * 3_600_000;

/**
 * Last delta, then the source is stopped for good. False when what was learnt meanwhile forbids it, or when the guest did
 * not stop and the cutover was called off, which then needs a new approval: the source runs as before.
 */
export async function stopSource(line: Line): Promise<boolean> {
  const { migration } = line;
  const { ref, marks, carried, request } = migration;
  migration.enter('cutting-over');
  if (migration.assessment.running) await pass(line, 'delta', request.sync.readBack === 'whole');
  if (heldAgain(migration)) return false;
  // The pass may have assessed it again.
  const { assessment } = migration;
  marks.autostartHeld = true;
  const look = await line.step('holdSource', ref.source, 'look once more, hold autostart off', () => ({
    ...ref,
    hardwarePrint: assessment.hardwarePrint,
    diskPrint: assessment.diskPrint,
  }));
  if (heldAgain(migration)) {
    await putBack(line, 'put autostart back', false);
    return false;
  }
  assessment.running = look.running;
  if (look.facts) assessment.facts = merged(assessment.facts, look.facts);
  if (look.running) await stopServices(line);
  marks.sourceStopping = true;
  const stopped = look.running ? await stopGuest(line) : true;
  if (!stopped) {
    await callOff(line);
    return false;
  }
  marks.sourceOff = true;
  carried.offAt = new Date().toISOString();
  migration.event(look.running ? 'the source is off' : 'the source was off already');
  return true;
}

/** Whether the cutover that was due has to wait again: a change of the source withdrew its approval, or it would take too long. */
function heldAgain(migration: Migration): boolean {
  const hold = whatHoldsCutover(migration);
  // `patched` can go with the last migration that was begun before 2026-12.
  if (hold === null || !patched('hold-after-last-look')) return false;
  migration.event(`the cutover waits again, for ${hold.text}`);
  return true;
}

/** By the shutdown policy; true when the guest is off. */
async function stopGuest(line: Line): Promise<boolean> {
  const { migration } = line;
  const { ref, request, wishes } = migration;
  const timeoutMs = parseDurationMs(request.cutover.shutdownTimeout)!;
  const first = await line.cut('stopSource', ref.source, 'stop the guest', { ...ref, timeoutMs });
  if (first.off) return true;
  migration.event(`the guest did not stop within ${request.cutover.shutdownTimeout}`);
  if (request.cutover.shutdown === 'graceful') return false;
  if (request.cutover.shutdown === 'force-after')
    return (await line.cut('forceStopSource', ref.source, 'switch the guest off', ref)).off;
  migration.askingForce = true;
  migration.enter('cutting-over', 'forceStop, or rejectCutover, or abort: the guest does not stop');
  await tell(line, 'decision-awaited', `${ref.vm} does not stop: forceStop, rejectCutover or abort`);
  try {
    for (;;) {
      let result: StopResult = { off: false, tookMs: 0 };
      // It may have been decided while people were told.
      if (!wishes.forceStop) {
        try {
          // Goes on asking, so that a guest that stops late needs nobody.
          const input = { ...ref, timeoutMs: ASKING_MS };
          result = await line.cut('stopSource', ref.source, 'ask the guest to stop', input);
        } catch (error) {
          if (!isCancellation(error)) throw error;
        }
      }
      if (result.off) return true;
      if (wishes.forceStop) return (await line.cut('forceStopSource', ref.source, 'switch the guest off', ref)).off;
    }
  } catch (error) {
    // Rejected: not the end of the migration, only of this cutover.
    if (error instanceof Undone) return false;
    throw error;
  } finally {
    migration.askingForce = false;
    wishes.forceStop = false;
    wishes.undo = false;
  }
}

/** The source, asked to stop in vain, is put back; syncing goes on until there is a new approval. Idempotent. */
export async function callOff(line: Line): Promise<void> {
  const { migration } = line;
  const { assessment, carried } = migration;
  // First, so that whatever becomes of the rest, nothing goes on with what was approved before.
  migration.withdrawApproval();
  await putBack(line, 'put the source back', assessment.running);
  carried.calledOffAt = new Date().toISOString();
  migration.event('the cutover was called off: the guest did not stop; it needs a new approval');
  migration.enter('syncing');
}

async function putBack(line: Line, summary: string, start: boolean): Promise<void> {
  const { ref, marks, assessment } = line.migration;
  await line.back('restoreSource', 'source', summary, () => ({
    ...ref,
    start,
    autostart: assessment.autostart,
    // Nothing was defined there yet: a target that is out of reach keeps nobody from going back.
    targetConfirmedDown: true,
  }));
  await putBackGuest(line);
  marks.sourceStopping = false;
  marks.autostartHeld = false;
}

/** From the stopped source to the target that passed its probes. An error here leads back to the source. */
export async function cutOver(line: Line): Promise<void> {
  const { migration } = line;
  const { ref, marks, assessment, carried, status } = migration;
  await pass(line, 'final');
  migration.enter('verifying');
  await verify(line);
  const converted = await convert(line);
  if (assessment.package) return await writePackage(line, assessment.package, converted);
  migration.enter('starting');
  migration.expect('domain', ref.target, ref.targetName);
  marks.targetDefined = true;
  const { networks } = assessment;
  const target = { ...ref, description: converted?.description ?? assessment.description, networks };
  await sourceSeen(line, (sourceConfirmedDown) => {
    const input = { ...target, sourceConfirmedDown };
    return line.cut('startTarget', ref.target, `define and start ${ref.targetName}, unplugged`, input);
  });
  const startedAt = new Date().toISOString();
  migration.enter('validating');
  const probes = { ...ref, probes: migration.request.probes ?? null, facts: assessment.facts, startedAt };
  const offline = await probe(line, { ...probes, stage: 'offline' });
  // A target that is kept all the same gets its network: whoever accepts it expects that.
  const keptAnyway = !migration.request.undoOnFailedProbes;
  const goesOn = offline || (keptAnyway && patched('plug-in-all-the-same'));
  const online = goesOn && (await probe(line, { ...probes, stage: 'online' }));
  marks.probesPassed = offline && online;
  if (!marks.probesPassed && migration.request.undoOnFailedProbes) {
    const failed = status.probes
      .filter((each) => each.required && !each.passed)
      .map((each) => `${each.probe}: ${each.detail}`);
    throw ApplicationFailure.nonRetryable(
      `a probe of the target failed: ${failed.join('; ')}`,
      'ProbeFailed',
      'See the evidence in the report; the source runs again.',
    );
  }
  if (carried.offAt && status.downtimeMs === null) migration.event('no probe passed: the downtime was not measured');
}

/**
 * The guest, converted on the overlay that it will run on; null where it is left alone. What the last rehearsal found fit as
 * it is needs no second look, which would cost downtime.
 */
async function convert(line: Line): Promise<Conversion | null> {
  const { migration } = line;
  const { ref, assessment, carried, marks } = migration;
  if (!assessment.conversion) return null;
  const rehearsed = carried.rehearsal?.passed ? carried.rehearsal.conversion : null;
  if (rehearsed?.kind === 'none') return rehearsed;
  migration.enter('converting');
  // From here on there are overlays to be removed.
  marks.targetDefined = true;
  const { description, facts, conversion, package: planned = null } = assessment;
  // What virt-v2v could not do in the rehearsal is not tried again while the guest is down.
  const most = rehearsed?.kind === 'light' ? 'light' : conversion.most;
  const input = { ...ref, description, facts, conversion: { ...conversion, most }, package: planned };
  const done = await line.cut('convertTarget', ref.target, 'convert the guest', input);
  migration.addConversion('cutover', done);
  return done;
}

/**
 * Runs a step that needs the source seen off. Where it cannot be seen, neither side may be started: that is a human's to
 * say, who may bring the site back, declare the source down, or go back. `alsoWaitFor`: codes of other troubles that are
 * waited out.
 */
export async function sourceSeen<T>(
  line: Line,
  step: (confirmedDown: boolean) => Promise<T>,
  alsoWaitFor: readonly string[] = [],
): Promise<T> {
  const { migration } = line;
  const { marks } = migration;
  for (;;) {
    try {
      return await step(marks.sourceConfirmedDown);
    } catch (error) {
      const trouble = troubleOf(error);
      const lost = trouble.code === 'SourceLost';
      if (!lost && !alsoWaitFor.includes(trouble.code)) throw error;
      migration.unreachable = lost ? ['source'] : [];
      await line.attention(trouble, { orUndo: true });
      migration.unreachable = [];
      line.checkUndo();
    }
  }
}

/** Reads the final pass back. What differs is copied and read once more; then it leads back. */
async function verify(line: Line): Promise<void> {
  const { migration } = line;
  const { ref, status } = migration;
  // A source that is off all the time has no pass before its final one, and no downtime that could grow.
  const readBack = !migration.assessment.running && migration.request.sync.readBack === 'whole';
  const input = { ...ref, bandwidth: null, readBack };
  const read = () => line.cut('verifyPass', ref.target, 'verify the final pass', input);
  let disks: DiskRecord[];
  try {
    disks = await read();
  } catch (error) {
    if (troubleOf(error).code !== 'VerifyFailed') throw error;
    migration.event(`${troubleOf(error).message}; copying them again`);
    await pass(line, 'final');
    disks = await read();
  }
  for (const disk of disks) {
    const known = status.disks.find((each) => each.name === disk.name);
    if (known) Object.assign(known, disk);
  }
}

async function probe(line: Line, input: ProbeInput): Promise<boolean> {
  const { migration } = line;
  const summary = input.stage === 'offline' ? 'probe the target, unplugged' : 'plug the network, probe the target';
  const outcome = await sourceSeen(line, (sourceConfirmedDown) =>
    line.cut('probeTarget', migration.ref.target, summary, { ...input, sourceConfirmedDown }),
  );
  measure(migration, outcome.firstPassed, outcome.firstPassedAgoMs);
  const others =
    input.stage === 'online'
      ? migration.status.probes.filter((each) => !outcome.results.some((result) => result.probe === each.probe))
      : [];
  migration.addEvidence([...others, ...outcome.results], outcome.evidence);
  return outcome.passed;
}

/** Downtime: from the source's guest being off to the first probe passed, by the server's clock. */
function measure(migration: Migration, passed: boolean, agoMs: number): void {
  const { carried, status } = migration;
  if (!passed || status.downtimeMs !== null || !carried.offAt || !migration.assessment.running) return;
  status.downtimeMs = Date.now() - Date.parse(carried.offAt) - Math.round(agoMs);
}

/** What answered at the assessment and what answered at the end: only what did both times is asked of the target. */
function merged(first: GuestFacts | null, last: GuestFacts): GuestFacts {
  if (!first) return last;
  return {
    agent: last.agent,
    hostname: last.hostname ?? first.hostname,
    addresses: last.addresses,
    openPorts: last.openPorts.filter((port) => first.openPorts.includes(port)),
  };
}
