import { downtimeInWords } from '../model/estimate.js';
import { measuredInWords, predictedInWords } from '../model/downtime.js';
import { formatBytes, formatDuration, formatEta, formatInstant, formatRate } from '../model/format.js';
import { happenings } from '../model/happenings.js';
import type { DiskProgress, MigrationStatus } from '../model/status.js';
import type { DecisionName } from '../request/decisions.js';
import { decisionNames } from '../request/decisions.js';
import type { LiveActivity } from './ask.js';
import { printable } from './context.js';
import { verbOf } from './ways.js';

const BAR = 24;
const EVENTS = 6;
const NAME = 11;

export interface View {
  status: MigrationStatus;
  live: readonly LiveActivity[];
  workflowId: string;
  nowMs: number;
}

/** A page about one migration, as lines. */
export function page({ status, live, workflowId, nowMs }: View): string[] {
  const running = status.outcome === null;
  const work = running && status.work !== 'idle' ? `, ${status.work} running` : '';
  return [
    `${status.vm}  ${status.source} -> ${status.target}${status.targetName === status.vm ? '' : ` as ${status.targetName}`}   ${status.phase}${work}`,
    field('workflow', `${workflowId}  (migration ${status.migrationId})`),
    field('started', startedWords(status, nowMs)),
    ...(status.error ? [field('error', status.error.message), ...remedy(status.error.remedy)] : []),
    ...(status.waitingFor ? [field('waits for', status.waitingFor)] : []),
    ...diskLines(live),
    ...trouble(live),
    field('passes', passWords(status)),
    field('downtime', downtimeWords(status)),
    ...(status.bandwidth ? [field('limit', status.bandwidth)] : []),
    ...(status.approval ? [field('approved', approvalWords(status.approval))] : []),
    ...preparationLines(status),
    ...findingLines(status),
    ...(running && status.decisions.length > 0 ? [field('you can', verbs(status.decisions).join(', '))] : []),
    ...(status.reportPath ? [field('report', status.reportPath)] : []),
    ...happenings(status)
      .slice(-EVENTS)
      .map((each) => `    ${formatInstant(each.at).slice(11, 19)}  ${each.text}`),
  ].map((line) => line.split('\n').map(printable).join(' '));
}

/** One line of a disk's progress. */
export function diskLine(disk: DiskProgress): string {
  const share = disk.totalBytes > 0 ? Math.min(1, disk.doneBytes / disk.totalBytes) : 0;
  const full = Math.round(share * BAR);
  const eta = formatEta(disk.totalBytes - disk.doneBytes, disk.rateBytesPerSecond);
  const left = eta === 'done' ? eta : eta === 'unknown' ? 'ETA unknown' : `${eta} left`;
  return [
    `[${'#'.repeat(full)}${'.'.repeat(BAR - full)}]`,
    `${String(Math.floor(share * 100)).padStart(3)} %`,
    `${formatBytes(disk.doneBytes)} of ${formatBytes(disk.totalBytes)}`,
    formatRate(disk.rateBytesPerSecond),
    left,
  ].join('  ');
}

/** Verbs for the decisions that fit now; names that this version does not know stay as they are. */
export function verbs(decisions: readonly string[]): string[] {
  return decisions.map((name) => (isDecision(name) ? verbOf(name) : name));
}

function isDecision(name: string): name is DecisionName {
  return (decisionNames as readonly string[]).includes(name);
}

function field(name: string, value: string): string {
  return `  ${name.padEnd(NAME)}${value}`;
}

function remedy(text: string | null): string[] {
  return text ? [field('', text)] : [];
}

function startedWords(status: MigrationStatus, nowMs: number): string {
  const since = nowMs - Date.parse(status.startedAt);
  return `${formatInstant(status.startedAt)}${status.outcome === null ? `, ${formatDuration(since)} ago` : ''}`;
}

function diskLines(live: readonly LiveActivity[]): string[] {
  return live.flatMap((each) => each.disks.map((disk) => field(disk.name, diskLine(disk))));
}

function trouble(live: readonly LiveActivity[]): string[] {
  return live
    .filter((each) => each.attempt > 1 || each.lastFailure)
    .map((each) =>
      field('retrying', `${each.name}, try ${each.attempt}${each.lastFailure ? `: ${each.lastFailure}` : ''}`),
    );
}

function passWords(status: MigrationStatus): string {
  const last = status.passes.at(-1);
  if (!last) return 'none yet';
  const words = `${status.passCount}, last: ${last.kind}, ${formatBytes(last.bytesWritten)} in ${formatDuration(last.durationMs)}`;
  return status.converged ? `${words}; converged` : words;
}

function downtimeWords(status: MigrationStatus): string {
  if (status.package) return status.outcome === null ? predictedInWords(status, '') : measuredInWords(status, '');
  const predicted =
    status.predictedDowntimeMs === null
      ? status.estimate
        ? `${downtimeInWords(status.estimate)}, estimated by the assessment`
        : 'not predicted yet'
      : `predicted ${formatDuration(status.predictedDowntimeMs)}`;
  return status.downtimeMs === null ? predicted : `${formatDuration(status.downtimeMs)}, ${predicted}`;
}

function approvalWords(approval: NonNullable<MigrationStatus['approval']>): string {
  const when = approval.cutoverAt ? `, cutover at ${formatInstant(approval.cutoverAt)}` : '';
  return `by ${approval.by ?? 'somebody'} at ${formatInstant(approval.at)}${when}; lapses ${formatInstant(approval.expiresAt)}`;
}

/** Not what only looked. */
function preparationLines({ preparation }: MigrationStatus): string[] {
  return preparation
    .filter(({ action }) => action !== 'check-space')
    .map(({ action, subject, result, putBack }) => {
      const what = [action.replaceAll('-', ' '), subject].filter(Boolean).join(' ');
      return field('in guest', `${what}: ${putBack ?? result}`);
    });
}

function findingLines(status: MigrationStatus): string[] {
  return status.findings
    .filter((each) => each.severity !== 'info')
    .map(({ severity, id, message, remedy: cure, waivedBy }) =>
      waivedBy === undefined
        ? field(severity, `${id}: ${message} ${cure}`)
        : field('waived', `${id}: ${message} Waived: ${waivedBy}`),
    );
}
