import type { AuditEntry, DecisionRecord, MigrationStatus } from './status.js';

/** A decision as one line: `approveCutover by mira: cutover approved ("window agreed")`, or why it was ignored. */
export function decisionWords({ name, by, comment, accepted, reason }: DecisionRecord): string {
  const sender = by === null ? '' : ` by ${by}`;
  const given = comment === null ? '' : ` ("${comment}")`;
  const outcome = reason ?? (accepted ? 'done' : 'ignored');
  return `${name}${sender}: ${accepted || outcome.startsWith('ignored') ? outcome : `ignored: ${outcome}`}${given}`;
}

/** What happened and what was decided, the ignored decisions too, the oldest first. */
export function happenings({ events, trail }: Pick<MigrationStatus, 'events' | 'trail'>): AuditEntry[] {
  const decided = trail.map((each) => ({ at: each.at, text: decisionWords(each) }));
  return [...events, ...decided].sort((one, other) => Date.parse(one.at) - Date.parse(other.at));
}
