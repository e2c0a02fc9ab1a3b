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
