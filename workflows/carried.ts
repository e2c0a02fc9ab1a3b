import { workflowInfo } from '@temporalio/workflow';
import type { Assessment, RehearsalResult } from '../activities/io.js';
import type { MigrationStatus, Outcome, Phase } from '../src/model/status.js';
import type { MigrateVmRequest } from '../src/request/migrate-vm.js';
import { migrationIdOf } from './migration-id.js';

/** What outlives a continue-as-new, and how it is at the beginning. */

export type Side = 'source' | 'target';

/** What is true of the outside world, so that every way back knows what to undo. Set before the step is taken. */
export interface Marks {
  claimed: boolean;
  replica: boolean;
  rehearsal: boolean;
  autostartHeld: boolean;
  /** The source was asked to stop; from here on it has to be brought back. */
  sourceStopping: boolean;
  sourceOff: boolean;
  targetDefined: boolean;
  targetConfirmedDown: boolean;
  sourceConfirmedDown: boolean;
  probesPassed: boolean;
  /** Something was changed in the guest that goes again on the way back. Default false, as the next one. */
  guestPrepared?: boolean;
  servicesStopped?: boolean;
}

/** Everything of a migration that outlives a continue-as-new. Plain JSON. */
export interface Carried {
  status: MigrationStatus;
  assessment: Assessment | null;
  rehearsal: RehearsalResult | null;
  /** The last pass was read back and is right. */
  verified: boolean;
  marks: Marks;
  /** The audit that was asked for is done. */
  audited: boolean;
  /** An audit found that change tracking missed something: every pass reads the source whole from then on. */
  distrusted: boolean;
  lastInstance: string | null;
  approvalRequired: boolean;
  notBefore: string | null;
  announced: string[];
  /** How the migration will end, and why, from where its way back begins. */
  ending: { outcome: Outcome; error: MigrationStatus['error'] } | null;
  /** Phase before `paused` or `needs-attention`. */
  resumeTo: Phase | null;
  wishes: Wishes;
  /** Counts tries of passes, so that at the site a newer one is told from an older. */
  generation: number;
  /** When the source was seen off, by the server's clock. */
  offAt: string | null;
  lastPassAt: string | null;
  /** When a cutover was called off after the guest had been asked to stop. */
  calledOffAt: string | null;
  /** When the target had passed (or was let through) its probes. */
  validatedAt: string | null;
}

/** Decisions that wait to be acted upon by the main line. */
export interface Wishes {
  pause: boolean;
  abort: boolean;
  syncNow: boolean;
  rehearse: boolean;
  forceStop: boolean;
  accept: boolean;
  undo: boolean;
  resumed: boolean;
}

/** Of a migration that has just been asked for. */
export function atBegin(request: MigrateVmRequest): Carried {
  return {
    status: statusAtBegin(request),
    assessment: null,
    rehearsal: null,
    verified: false,
    marks: {
      claimed: false,
      replica: false,
      rehearsal: false,
      autostartHeld: false,
      sourceStopping: false,
      sourceOff: false,
      targetDefined: false,
      targetConfirmedDown: false,
      sourceConfirmedDown: false,
      probesPassed: false,
    },
    audited: false,
    distrusted: false,
    lastInstance: null,
    approvalRequired: request.cutover.approval === 'required',
    notBefore: request.cutover.at ?? null,
    announced: [],
    ending: null,
    resumeTo: null,
    wishes: {
      pause: false,
      abort: false,
      syncNow: false,
      rehearse: false,
      forceStop: false,
      accept: false,
      undo: false,
      resumed: false,
    },
    generation: 0,
    offAt: null,
    lastPassAt: null,
    calledOffAt: null,
    validatedAt: null,
  };
}

function statusAtBegin(request: MigrateVmRequest): MigrationStatus {
  const info = workflowInfo();
  const now = new Date().toISOString();
  return {
    version: 1,
    migrationId: migrationIdOf(info.namespace, info.workflowId, info.firstExecutionRunId),
    vm: request.vm,
    source: request.source,
    target: request.target,
    targetName: request.targetName ?? request.vm,
    phase: 'assessing',
    work: 'idle',
    waitingFor: null,
    decisions: [],
    outcome: null,
    error: null,
    startedAt: now,
    phases: [{ name: 'assessing', startedAt: now, endedAt: null }],
    passes: [],
    passCount: 0,
    converged: false,
    approval: null,
    predictedDowntimeMs: null,
    prediction: null,
    downtimeMs: null,
    disks: [],
    findings: [],
    preparation: [],
    probes: [],
    evidence: [],
    trail: [],
    events: [],
    ledger: [],
    bandwidth: request.sync.bandwidth ?? null,
    reportPath: null,
  };
}
