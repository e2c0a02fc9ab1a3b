import { VmferryError, type ErrorCode } from '../errors.js';
import { blockers, type Finding } from '../model/finding.js';
import type { MigrationStatus, Outcome } from '../model/status.js';

/** Exit statuses: 0 done as asked, 1 not, 2 wrong use, 3 a blocking finding. */
export const DONE = 0;
export const NOT_DONE = 1;
export const WRONG_USE = 2;
export const BLOCKED = 3;

const WRONG: readonly ErrorCode[] = ['InvalidRequest', 'InvalidConfig', 'NotSupported'];

/** The exit status for an error. */
export function exitOfError(error: unknown): number {
  return error instanceof VmferryError && WRONG.includes(error.code) ? WRONG_USE : NOT_DONE;
}

/** The exit status for what was requested and has ended: a request that the sites show to be wrong is wrong use as well. */
export function exitOfRequest({ outcome, findings, error }: MigrationStatus): number {
  if (outcome === 'failed' && error && (WRONG as readonly string[]).includes(error.code)) return WRONG_USE;
  return exitOfOutcome(outcome, findings);
}

/** The exit status for a migration that has ended. */
export function exitOfOutcome(outcome: Outcome | null, findings: readonly Finding[]): number {
  if (blockers(findings).length > 0) return BLOCKED;
  return outcome === 'completed' || outcome === 'dry-run' ? DONE : NOT_DONE;
}
