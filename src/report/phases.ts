import type { MigrationReport } from '../model/report.js';
import type { Phase } from '../model/status.js';

/** How a phase is drawn: what kind of time it is, for colour, and its name for people. */
export type PhaseKind = 'prepare' | 'copy' | 'wait' | 'rehearse' | 'cutover' | 'trouble' | 'end';

const KINDS: Record<Phase, PhaseKind> = {
  assessing: 'prepare',
  preparing: 'prepare',
  seeding: 'copy',
  syncing: 'copy',
  rehearsing: 'rehearse',
  'awaiting-approval': 'wait',
  'cutting-over': 'cutover',
  verifying: 'cutover',
  converting: 'cutover',
  starting: 'cutover',
  validating: 'cutover',
  'awaiting-acceptance': 'wait',
  finalizing: 'prepare',
  paused: 'trouble',
  'needs-attention': 'trouble',
  undoing: 'trouble',
  completed: 'end',
  'rolled-back': 'end',
  aborted: 'end',
  failed: 'end',
};

/** A stretch of a phase with its times as milliseconds since the epoch. */
export interface Stretch {
  name: Phase;
  kind: PhaseKind;
  startMs: number;
  endMs: number;
}

/** All phases that took time, in order; one that has not ended ends with the report. Ends without a time are left out. */
export function stretches(report: MigrationReport): Stretch[] {
  const times = report.phases.flatMap((each) => [each.startedAt, ...(each.endedAt ? [each.endedAt] : [])]);
  const last = Math.max(...[...times, report.endedAt ?? report.startedAt].map((time) => Date.parse(time)));
  return report.phases
    .map((each) => ({
      name: each.name,
      kind: KINDS[each.name],
      startMs: Date.parse(each.startedAt),
      endMs: each.endedAt ? Date.parse(each.endedAt) : last,
    }))
    .filter((each) => each.kind !== 'end' && Number.isFinite(each.startMs) && each.endMs >= each.startMs);
}

/** `awaiting-approval` -> `awaiting approval`. */
export function words(name: string): string {
  return name.replaceAll('-', ' ');
}
