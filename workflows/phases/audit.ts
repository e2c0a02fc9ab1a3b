import type { PassResult } from '../../activities/io.js';
import type { Migration } from '../migration.js';

/** The pass that reads the source whole before a cutover, and what its result means. */

export function auditDue(migration: Migration): boolean {
  const { carried, request } = migration;
  return request.sync.audit === 'before-approval' && !carried.audited && carried.verified && settled(migration);
}

/** What an audit found is evidence for whoever approves; a source that forgets to report changes is not asked again. */
export function noteAudit(migration: Migration, { record, missedBytes }: PassResult): void {
  const { carried, status } = migration;
  // Recorded before there were audits: undefined.
  if (missedBytes == null) return;
  carried.audited = true;
  const text =
    missedBytes === 0
      ? `pass ${record.number}: the audit read the source whole, and nothing differed that tracking had not reported`
      : `pass ${record.number}: the audit found ${missedBytes} bytes that changed without being reported; they were copied`;
  migration.event(text);
  const at = new Date().toISOString();
  migration.addEvidence(status.probes, [{ kind: 'facts', phase: status.phase, at, title: 'audit', path: null, text }]);
  if (missedBytes === 0 || carried.distrusted) return;
  carried.distrusted = true;
  const remedy =
    'Every pass reads the source whole from now on, the final one too. Look at what writes past the hypervisor.';
  status.findings = [...status.findings, { id: 'tracking.missed', severity: 'warning', message: text, remedy }];
  withdraw(migration, 'the audit found changes that tracking had missed');
}

/** Takes an approval back, with the reason; another is needed from here on. */
export function withdraw(migration: Migration, why: string): void {
  migration.event(migration.status.approval ? `the approval lapsed: ${why}` : why);
  migration.withdrawApproval();
}

export function settled(migration: Migration): boolean {
  return migration.status.converged || migration.status.passCount >= migration.request.sync.maxPasses;
}
