import { z } from 'zod';
import { conversionRecord } from './conversion.js';
import { estimate } from './estimate.js';
import { finding } from './finding.js';
import { packagePlan } from './package.js';
import {
  auditEntry,
  decisionRecord,
  diskRecord,
  evidence,
  ledgerEntry,
  outcome,
  passRecord,
  phaseRecord,
  prediction,
  preparationRecord,
  probeResult,
} from './status.js';

/** `report.json`. Stable: fields are added, never renamed. */
export const migrationReport = z.strictObject({
  version: z.literal(1),
  migrationId: z.string(),
  outcome: outcome.nullable().describe('null in a report of a migration that still runs.'),
  error: z.strictObject({ code: z.string(), message: z.string(), remedy: z.string().nullable() }).nullable(),
  vm: z.string(),
  source: z.string(),
  target: z.string(),
  targetName: z.string(),
  startedAt: z.string(),
  endedAt: z.string().nullable(),
  downtimeMs: z.number().nullable(),
  predictedDowntimeMs: z.number().nullable(),
  prediction: prediction.nullable(),
  estimate: estimate.optional().describe('As the assessment reckoned, before anything was copied.'),
  package: packagePlan.nullish().describe('What was written at a target that runs no VMs.'),
  phases: z.array(phaseRecord),
  passes: z.array(passRecord),
  passCount: z.number().int(),
  disks: z.array(diskRecord),
  findings: z.array(finding),
  preparation: z.array(preparationRecord).default([]).describe("What was changed in the source's guest, as asked for."),
  conversions: z.array(conversionRecord).optional().describe('The latest; none where the guest is left alone.'),
  decisions: z.array(decisionRecord),
  events: z.array(auditEntry),
  evidence: z.array(evidence),
  probes: z.array(probeResult),
  ledger: z.array(ledgerEntry),
});
export type MigrationReport = z.infer<typeof migrationReport>;
