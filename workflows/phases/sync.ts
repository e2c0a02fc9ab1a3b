import { patched } from '@temporalio/workflow';
import { parseDurationMs } from '../../src/request/units.js';
import { predictedInWords } from '../../src/model/downtime.js';
import { formatInstant } from '../../src/model/format.js';
import { whyTooLong } from '../decisions.js';
import { GoOn, isLong } from '../go-on.js';
import type { Line } from '../line.js';
import type { Migration } from '../migration.js';
import { nextStart } from '../schedule.js';
import { tell } from '../tell.js';
import { auditDue, settled, withdraw } from './audit.js';
import { pass } from './pass.js';
import { rehearse } from './rehearse.js';

/** An approval about to lapse is announced this long before, or at half of its time. */
const LAPSING_NOTICE_MS = 24 * 3_600_000;

export async function seed(line: Line): Promise<void> {
  line.migration.enter('seeding');
  await pass(line, 'seed');
}

/** Passes, the rehearsal and the wait for approval, until a cutover is due. @throws GoOn when the history has grown. */
export async function syncUntilDue(line: Line): Promise<void> {
  const { migration } = line;
  const { wishes, request } = migration;
  for (;;) {
    line.checkAbort();
    await line.whilePaused();
    await lapse(line);
    if (isLong()) throw new GoOn();
    const passAt = nextPassAt(migration);
    if (auditDue(migration)) {
      await pass(line, 'delta');
    } else if (wishes.rehearse || rehearsalDue(migration)) {
      await rehearse(line);
      wishes.rehearse = false;
    } else if (wishes.syncNow || passAt <= Date.now()) {
      wishes.syncNow = false;
      await pass(line, 'delta');
    } else {
      const hold = whatHoldsCutover(migration);
      if (hold === null) return;
      migration.enter(hold.phase, hold.text);
      // What was decided while people were told is not waited for. `patched` can go as in cut-over.ts.
      if ((await announce(line, hold)) && patched('look-again-after-telling')) continue;
      await line.wait(
        Math.min(passAt, hold.untilMs, lapsesAt(migration)) - Date.now(),
        `next pass, every ${request.sync.interval}`,
      );
    }
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
    !migration.assessment.package &&
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
export function whatHoldsCutover(migration: Migration): Hold | null {
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

/** Tells once that a decision is awaited. @returns whether that took time. */
async function announce(line: Line, hold: Hold): Promise<boolean> {
  const { carried, status } = line.migration;
  const name = `awaited:${hold.phase}`;
  if (hold.phase !== 'awaiting-approval' || carried.announced.includes(name)) return false;
  carried.announced.push(name);
  const predicted = predictedInWords(status, 'not known');
  await tell(line, 'decision-awaited', `${status.vm} waits for approveCutover; predicted downtime ${predicted}`);
  return line.migration.request.notify !== undefined;
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
    await tell(line, 'approval-lapsed', `the approval of ${migration.ref.vm} lapsed`);
  } else if (noticeAt(approval) <= Date.now() && !announced.includes('lapsing')) {
    announced.push('lapsing');
    await tell(line, 'approval-lapsing', `the approval of ${migration.ref.vm} lapses at ${approval.expiresAt}`);
  }
}
