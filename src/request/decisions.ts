import { z } from 'zod';
import { instant, rate } from './units.js';

const base = {
  by: z.string().min(1).max(200).optional().describe('Who decides. A claim, not an identity.'),
  comment: z.string().max(2000).optional(),
};
const plain = z.strictObject(base);

/** The payload of each decision, one optional object. The same for the signal and the update of that name. */
export const decisionSchemas = {
  approveCutover: z.strictObject({ ...base, at: instant.optional().describe('Cut over at this time, not at once.') }),
  rejectCutover: plain,
  scheduleCutover: z.strictObject({ ...base, at: instant }),
  syncNow: plain,
  rehearse: plain,
  pause: plain,
  resume: plain,
  setBandwidth: z.strictObject({
    ...base,
    rate: rate.nullable().describe('For example "200MiB/s"; null for no limit.'),
  }),
  forceStop: plain,
  acceptTarget: plain,
  undoCutover: z.strictObject({
    ...base,
    discardTargetWrites: z.boolean().default(false).describe('What the target wrote since cutover is given up.'),
  }),
  confirmSiteDown: z.strictObject({ ...base, side: z.enum(['source', 'target']) }),
  abort: plain,
} as const;

export type DecisionName = keyof typeof decisionSchemas;
export type DecisionPayload<N extends DecisionName> = z.output<(typeof decisionSchemas)[N]>;
export const decisionNames = Object.keys(decisionSchemas) as DecisionName[];

/** What each decision does, for help texts, for the Temporal UI's list of signals and updates, and for the docs. */
export const decisionSummaries: Record<DecisionName, string> = {
  approveCutover: 'Approve the cutover, now or at a time; fits from seeding on',
  rejectCutover: 'Withdraw an approval, or say no to it; the migration goes on syncing',
  scheduleCutover: 'Set or change the time of the cutover',
  syncNow: 'Make a pass now instead of at the next interval',
  rehearse: 'Boot a test copy at the target, isolated, and throw it away',
  pause: 'Pause copying; what was copied stays',
  resume: 'Go on after a pause, or after a trouble was cured',
  setBandwidth: 'Limit the copying rate of a running migration, or lift the limit with null',
  forceStop: 'Pull the plug of a guest that does not stop by itself',
  acceptTarget: 'Keep the target for good; ends the way back',
  undoCutover: 'Go back to the source after the cutover',
  confirmSiteDown: 'Declare, as a human, that a side is lost or stopped',
  abort: 'Give the migration up; the source stays or comes back',
};

const MORE_FIELDS: Partial<Record<DecisionName, object>> = {
  scheduleCutover: { at: '2030-11-23T22:00:00+01:00' },
  setBandwidth: { rate: '200MiB/s' },
  undoCutover: { discardTargetWrites: true },
  confirmSiteDown: { side: 'source' },
};

/** A payload that fits the decision, to be copied. */
export function examplePayload(name: DecisionName, by = 'you'): string {
  return JSON.stringify({ by, ...MORE_FIELDS[name] });
}
