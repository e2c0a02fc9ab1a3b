import { workflowInfo } from '@temporalio/workflow';
import { blockers } from '../../src/model/finding.js';
import type { PassKind } from '../../src/model/status.js';
import { parseDurationMs, parseSizeBytes } from '../../src/request/units.js';
import type { PassInput, PassResult } from '../../activities/io.js';
import { formatDuration, formatInstant } from '../../src/model/format.js';
import { whyTooLong } from '../decisions.js';
import type { Line } from '../line.js';
import type { Migration } from '../migration.js';
import { nextStart } from '../schedule.js';
import { auditDue, noteAudit, settled, withdraw } from './audit.js';
import { rehearse } from './rehearse.js';

/** A run goes on in a new one before the server's warning limit, where the server did not ask for it earlier. */
const LONG_HISTORY = 8_000;
/** An approval about to lapse is announced this long before, or at half of its time. */
const LAPSING_NOTICE_MS = 24 * 3_600_000;

export async function seed(line: Line): Promise<void> {
  line.migration.enter('seeding');
  await pass(line, 'seed');
}

/**
 * Passes, the rehearsal and the wait for approval, until a cutover is due.
 * `long`: the history has grown, and the run should continue as new.
 */
export async function syncUntilDue(line: Line): Promise<'due' | 'long'> {
  const { migration } = line;
  const { status, wishes, request } = migration;
  for (;;) {
    line.checkAbort();
    await line.whilePaused();
    await lapse(line);
    if (isLong() && status.work === 'idle') return 'long';
    const passAt = nextPassAt(migration);
    if (auditDue(migration)) {
      await pass(line, 'delta');
    } else if (wishes.rehearse || rehearsalDue(migration)) {
      wishes.rehearse = false;
      await rehearse(line);
    } else if (wishes.syncNow || passAt <= Date.now()) {
      wishes.syncNow = false;
      await pass(line, 'delta');
    } else {
      const hold = whatHoldsCutover(migration);
      if (hold === null) return 'due';
      migration.enter(hold.phase, hold.text);
      await announce(line, hold);
      await line.wait(
        Math.min(passAt, hold.untilMs, lapsesAt(migration)) - Date.now(),
        `next pass, every ${request.sync.interval}`,
      );
    }
  }
}

export function isLong(): boolean {
  const info = workflowInfo();
  return info.continueAsNewSuggested || info.historyLength > LONG_HISTORY;
}

/** One pass over all disks, with what it found written down. */
export async function pass(line: Line, kind: PassKind): Promise<PassResult> {
  const { migration } = line;
  const { status, carried, ref } = migration;
  const number = status.passCount + 1;
  if (kind !== 'final') migration.expect('checkpoint', ref.source, `vmferry-${ref.migrationId}-${number}`);
  status.work = 'pass';
  migration.changed();
  const summary = kind === 'seed' ? `pass ${number}: seed` : `pass ${number}: ${kind}`;
  try {
    const input = () => passInput(migration, kind, number);
    const result =
      kind === 'final'
        ? await line.cut('runPass', ref.target, summary, input())
        : await line.step('runPass', ref.target, summary, input);
    note(migration, result);
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
    bandwidth: status.bandwidth,
    diskPrint: assessment.diskPrint,
    hardwarePrint: assessment.hardwarePrint,
    audit: kind !== 'seed' && (carried.distrusted || (kind === 'delta' && auditDue(migration))),
    verify: kind !== 'final',
  };
}

function note(migration: Migration, result: PassResult): void {
  const { status, carried, request, ref } = migration;
  migration.removed('checkpoint', result.checkpoint);
  if (result.checkpoint) migration.expect('checkpoint', ref.source, result.checkpoint);
  for (const disk of result.disks) {
    const known = status.disks.find((each) => each.name === disk.name);
    if (known)
      Object.assign(known, {
        rootDigest: disk.rootDigest ?? known.rootDigest,
        verifiedAt: disk.verifiedAt ?? known.verifiedAt,
      });
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

function nextPassAt(migration: Migration): number {
  const { sync } = migration.request;
  const last = migration.carried.lastPassAt;
  if (!last) return Date.now();
  return Date.parse(last) + Math.max(1_000, parseDurationMs(settled(migration) ? sync.interval : sync.minInterval)!);
}

function rehearsalDue(migration: Migration): boolean {
  return (
    migration.request.rehearsal.enabled &&
    migration.carried.rehearsal === null &&
    migration.carried.verified &&
    settled(migration)
  );
}

interface Hold {
  phase: 'syncing' | 'awaiting-approval';
  text: string;
  untilMs: number;
}

/** What a cutover still waits for, in words, or null when it is due. */
function whatHoldsCutover(migration: Migration): Hold | null {
  const { status, carried, request } = migration;
  const now = Date.now();
  const never = Number.MAX_SAFE_INTEGER;
  if (!carried.verified) return { phase: 'syncing', text: 'a pass that reads back as it was written', untilMs: never };
  if (!settled(migration)) return { phase: 'syncing', text: 'the passes to converge', untilMs: never };
  if (carried.approvalRequired && !status.approval)
    return { phase: 'awaiting-approval', text: 'approveCutover', untilMs: never };
  const startMs = nextStart(now, carried.notBefore ? Date.parse(carried.notBefore) : null, request.cutover.window);
  if (startMs > now)
    return {
      phase: 'syncing',
      text: `the cutover at ${formatInstant(new Date(startMs).toISOString())}`,
      untilMs: startMs,
    };
  const tooLong = whyTooLong(migration);
  if (tooLong) return { phase: 'syncing', text: tooLong, untilMs: never };
  return null;
}

/** Tells once that a decision is awaited. */
async function announce(line: Line, hold: Hold): Promise<void> {
  const { carried, status } = line.migration;
  const name = `awaited:${hold.phase}`;
  if (hold.phase !== 'awaiting-approval' || carried.announced.includes(name)) return;
  carried.announced.push(name);
  const predicted = status.predictedDowntimeMs === null ? 'not known' : formatDuration(status.predictedDowntimeMs);
  await line.tell('decision-awaited', `${status.vm} waits for approveCutover; predicted downtime ${predicted}`);
}

function lapsesAt(migration: Migration): number {
  const { approval } = migration.status;
  if (!approval) return Number.MAX_SAFE_INTEGER;
  return migration.carried.announced.includes('lapsing') ? Date.parse(approval.expiresAt) : noticeAt(approval);
}

function noticeAt(approval: { at: string; expiresAt: string }): number {
  const end = Date.parse(approval.expiresAt);
  return Math.max(end - LAPSING_NOTICE_MS, (Date.parse(approval.at) + end) / 2);
}

/** An approval that was not used in time is none; before that, somebody is told. */
async function lapse(line: Line): Promise<void> {
  const { migration } = line;
  const { approval } = migration.status;
  const { announced } = migration.carried;
  if (!approval) return;
  if (Date.parse(approval.expiresAt) <= Date.now()) {
    withdraw(migration, `it was not used until ${approval.expiresAt}`);
    migration.carried.announced = announced.filter((each) => each !== 'lapsing' && !each.startsWith('awaited'));
    await line.tell('approval-lapsed', `the approval of ${migration.ref.vm} lapsed`);
  } else if (noticeAt(approval) <= Date.now() && !announced.includes('lapsing')) {
    announced.push('lapsing');
    await line.tell('approval-lapsing', `the approval of ${migration.ref.vm} lapses at ${approval.expiresAt}`);
  }
}
