import { blockers } from '../../src/model/finding.js';
import type { PassKind } from '../../src/model/status.js';
import type { MigrateVmRequest } from '../../src/request/migrate-vm.js';
import { parseSizeBytes } from '../../src/request/units.js';
import type { PassInput, PassResult } from '../../activities/io.js';
import type { Line } from '../line.js';
import type { Migration } from '../migration.js';
import { auditDue, noteAudit, withdraw } from './audit.js';
import { putBackGuest } from './prepare-guest.js';

/** A guest that stops this long after its cutover was called off was stopped by somebody else. */
const LATE_STOP_MS = 30 * 60_000;

/** One pass over all disks, with what it found written down. `readBack`: the whole replica is read back with it. */
export async function pass(line: Line, kind: PassKind, readBack = false): Promise<PassResult> {
  const { migration } = line;
  const { status, carried, ref } = migration;
  const number = status.passCount + 1;
  if (kind !== 'final') migration.expect('checkpoint', ref.source, `vmferry-${ref.migrationId}-${number}`);
  migration.expect('point', ref.source, ref.vm);
  status.work = 'pass';
  migration.changed();
  const summary =
    kind === 'seed' ? `pass ${number}: seed` : `pass ${number}: ${kind}${readBack ? ', and all read back' : ''}`;
  try {
    const input = () => ({ ...passInput(migration, kind, number), readBack });
    const result =
      kind === 'final'
        ? await line.cut('runPass', ref.target, summary, input())
        : await line.step('runPass', ref.target, summary, input);
    note(migration, result);
    if (kind !== 'final' && result.instance === null) await startAgain(line);
    if (result.hardwareChanged && kind !== 'final') await assessAgain(line);
    return result;
  } finally {
    status.work = 'idle';
    carried.lastPassAt = new Date().toISOString();
    migration.changed();
  }
}

function passInput(migration: Migration, kind: PassKind, number: number): PassInput {
  const { ref, request, assessment, carried, status } = migration;
  carried.generation += 1;
  return {
    ...ref,
    generation: carried.generation,
    number,
    kind,
    disks: assessment.disks.map((disk) => disk.id),
    quiesce: kind === 'final' ? 'never' : request.sync.quiesce,
    ...(kind === 'final' ? {} : commandsAround(request)),
    bandwidth: status.bandwidth,
    diskPrint: assessment.diskPrint,
    hardwarePrint: assessment.hardwarePrint,
    audit: kind !== 'seed' && (carried.distrusted || (kind === 'delta' && auditDue(migration))),
    verify: kind !== 'final',
  };
}

function commandsAround({ prepareGuest }: MigrateVmRequest): Pick<PassInput, 'commands'> {
  const { beforePoint: before = [], afterPoint: after = [] } = prepareGuest ?? {};
  return before.length + after.length === 0 ? {} : { commands: { before, after } };
}

function note(migration: Migration, result: PassResult): void {
  const { status, carried, request, ref } = migration;
  migration.removed('point');
  migration.removed('checkpoint', result.checkpoint);
  if (result.checkpoint) migration.expect('checkpoint', ref.source, result.checkpoint);
  for (const known of status.disks) {
    const disk = result.disks.find((each) => each.name === known.name);
    // The digest of the pass before is no more than that; where nothing was written it still holds.
    known.rootDigest = disk?.rootDigest ?? (result.record.bytesWritten === 0 ? known.rootDigest : null);
    known.verifiedAt = disk?.verifiedAt ?? known.verifiedAt;
  }
  if (carried.lastInstance !== result.instance) {
    if (carried.lastInstance && result.instance)
      migration.event('the source was stopped and started since the pass before');
    carried.lastInstance = result.instance;
  }
  if (result.record.note) migration.event(`pass ${result.record.number}: ${result.record.note}`);
  if (result.record.kind !== 'final') {
    carried.verified = result.verified;
    // What read back differently is copied again at once.
    if (!result.verified) carried.wishes.syncNow = true;
    const small =
      result.verified &&
      result.record.kind === 'delta' &&
      result.changedBytes < parseSizeBytes(request.sync.convergedBelow)!;
    if (small && !status.converged) migration.event(`converged with pass ${result.record.number}`);
    status.converged = small || status.converged;
    if (!status.converged && result.record.number === request.sync.maxPasses) {
      migration.event(
        `does not converge: ${request.sync.maxPasses} passes, and the last still changed more than ${request.sync.convergedBelow}`,
      );
    }
  }
  noteAudit(migration, result);
  migration.addPass(result.record);
}

/** The source's hardware changed: what was approved and rehearsed is another VM. Its disks are the same. */
async function assessAgain(line: Line): Promise<void> {
  const { migration } = line;
  const { carried, status, ref, request } = migration;
  withdraw(migration, "the source's hardware is not as assessed any more");
  const before = migration.assessment;
  carried.rehearsal = null;
  for (;;) {
    const now = await line.step('assess', ref.source, `assess ${ref.vm} again`, () => ({ ref, request }));
    carried.assessment = { ...now, running: before.running, autostart: before.autostart, disks: before.disks };
    status.findings = now.findings;
    const stops = blockers(now.findings);
    if (stops.length === 0) return;
    const message = stops.map((each) => `${each.id}: ${each.message}`).join('; ');
    await line.attention({
      code: 'BlockingFindings',
      message,
      remedy: 'Put the source back as it was and resume, or abort.',
    });
  }
}

/** A guest cannot be told to forget that it was asked to stop: one that does so after all is brought back. */
async function startAgain(line: Line): Promise<void> {
  const { migration } = line;
  const { ref, assessment, carried } = migration;
  const { calledOffAt } = carried;
  if (!calledOffAt || !assessment.running || Date.now() - Date.parse(calledOffAt) > LATE_STOP_MS) return;
  await line.back('restoreSource', 'source', `start ${ref.vm} again`, () => ({
    ...ref,
    start: true,
    autostart: assessment.autostart,
    // Nothing was defined there yet.
    targetConfirmedDown: true,
  }));
  carried.calledOffAt = null;
  migration.event('the guest stopped after its cutover had been called off, and was started again');
  await putBackGuest(line, { again: true });
}
