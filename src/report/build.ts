import type { MigrationReport } from '../model/report.js';
import type { MigrationStatus, Phase } from '../model/status.js';

const FINAL: readonly Phase[] = ['completed', 'rolled-back', 'aborted', 'failed'];

/**
 * The report of a migration from its status: of a finished one, or of a running one as far as it is (`outcome` null).
 * @param endedAt when the workflow ended, if known better than its phases tell.
 */
export function buildReport(status: MigrationStatus, endedAt?: string): MigrationReport {
  return {
    version: 1,
    migrationId: status.migrationId,
    outcome: status.outcome,
    error: status.error,
    vm: status.vm,
    source: status.source,
    target: status.target,
    targetName: status.targetName,
    startedAt: status.startedAt,
    endedAt: status.outcome === null ? null : (endedAt ?? endOf(status)),
    downtimeMs: status.downtimeMs,
    predictedDowntimeMs: status.predictedDowntimeMs,
    prediction: status.prediction,
    ...(status.estimate ? { estimate: status.estimate } : {}),
    ...(status.package ? { package: status.package } : {}),
    phases: status.phases,
    passes: status.passes,
    passCount: status.passCount,
    disks: status.disks,
    findings: status.findings,
    preparation: status.preparation,
    ...(status.conversions ? { conversions: status.conversions } : {}),
    decisions: status.trail,
    events: status.events,
    evidence: status.evidence,
    probes: status.probes,
    ledger: status.ledger,
  };
}

/** When a finished migration came to its end: the start of its final phase, else the end of its last. */
function endOf(status: MigrationStatus): string | null {
  const final = status.phases.findLast((each) => FINAL.includes(each.name));
  return final?.startedAt ?? status.phases.at(-1)?.endedAt ?? null;
}
