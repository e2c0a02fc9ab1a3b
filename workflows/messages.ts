import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { MigrationStatus } from '../src/model/status.js';
import { decisionNames, type DecisionName } from '../src/request/decisions.js';

/** What an update answers: the decision as it stands in the audit trail. */
export interface DecisionReply {
  accepted: boolean;
  text: string;
}

export const getStatusQuery = defineQuery<MigrationStatus>('getStatus');

/** One signal and one update of the same name for each decision, taking one optional object. */
export const decisionMessages = decisionNames.map((name: DecisionName) => ({
  name,
  signal: defineSignal<[unknown]>(name),
  update: defineUpdate<DecisionReply, [unknown]>(name),
}));
