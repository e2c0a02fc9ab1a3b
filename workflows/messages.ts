import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { FleetStatus, FleetSummary } from '../src/model/fleet.js';
import type { MigrationStatus } from '../src/model/status.js';
import { decisionNames, type DecisionName } from '../src/request/decisions.js';

/** What an update answers: the decision as it stands in the audit trail. */
export interface DecisionReply {
  accepted: boolean;
  text: string;
}

export const getStatusQuery = defineQuery<MigrationStatus>('getStatus');

/** `getStatus` of assessFleet. */
export const getFleetStatusQuery = defineQuery<FleetStatus>('getStatus');

/** Everything that assessFleet knows: the summary, once it is there, and the VMs in parts (src/report/fleet-part.ts). */
export const getFleetQuery = defineQuery<{ summary: FleetSummary | null; parts: string[] }>('getAssessment');

/** One signal and one update of the same name for each decision, taking one optional object. */
export const decisionMessages = decisionNames.map((name: DecisionName) => ({
  name,
  signal: defineSignal<[unknown]>(name),
  update: defineUpdate<DecisionReply, [unknown]>(name),
}));
