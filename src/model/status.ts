import { z } from 'zod';
import { conversionRecord } from './conversion.js';
import { estimate, predictedPart } from './estimate.js';
import { finding } from './finding.js';
import { packagePlan } from './package.js';

export const phase = z.enum([
  'assessing',
  'preparing',
  'seeding',
  'syncing',
  'rehearsing',
  'awaiting-approval',
  'cutting-over',
  'verifying',
  'converting',
  'starting',
  'validating',
  'awaiting-acceptance',
  'finalizing',
  'paused',
  'needs-attention',
  'undoing',
  'completed',
  'rolled-back',
  'aborted',
  'failed',
]);
export type Phase = z.infer<typeof phase>;

export const outcome = z.enum(['completed', 'rolled-back', 'aborted', 'failed', 'dry-run']);
export type Outcome = z.infer<typeof outcome>;

export const passKind = z.enum(['seed', 'delta', 'final']);
export type PassKind = z.infer<typeof passKind>;

/** One pass, over all disks of the VM. */
export const passRecord = z.strictObject({
  number: z.number().int().describe('From 1.'),
  kind: passKind,
  bytesRead: z.number().describe('From the source.'),
  bytesWritten: z.number().describe('To the target.'),
  durationMs: z.number(),
  resumedFromBytes: z.number().describe('Already copied by an earlier try of the same pass.'),
  startedAt: z.string(),
  pointInTime: z.string().describe("When the source's point in time was taken."),
  quiesced: z.boolean(),
  tracking: z.enum(['bitmap', 'compare', 'full', 'mixed']).describe('How what changed was known.'),
  note: z.string().nullable().describe('Why tracking or quiescing was not as wished; null when it was.'),
});
export type PassRecord = z.infer<typeof passRecord>;

export const decisionRecord = z.strictObject({
  name: z.string(),
  by: z.string().nullable().describe('As claimed by the sender.'),
  at: z.string(),
  comment: z.string().nullable(),
  accepted: z.boolean(),
  reason: z.string().nullable().describe('Why it was ignored, or what it did.'),
});
export type DecisionRecord = z.infer<typeof decisionRecord>;

/** Something that happened, for people. */
export const auditEntry = z.strictObject({ at: z.string(), text: z.string() });
export type AuditEntry = z.infer<typeof auditEntry>;

export const probeResult = z.strictObject({
  probe: z.string().describe('In words: "tcp 192.0.2.7:22".'),
  passed: z.boolean(),
  required: z.boolean(),
  tookMs: z.number(),
  detail: z.string(),
});
export type ProbeResult = z.infer<typeof probeResult>;

export const evidence = z.strictObject({
  kind: z.enum(['screenshot', 'console', 'probes', 'facts']),
  phase,
  at: z.string(),
  title: z.string(),
  path: z.string().nullable().describe('File beside the report; null for text.'),
  text: z.string().nullable(),
});
export type Evidence = z.infer<typeof evidence>;

/** An outside resource, written down before it is created. */
export const ledgerEntry = z.strictObject({
  kind: z.string().describe('"claim", "checkpoint", "replica", "domain", "network", …'),
  site: z.string(),
  name: z.string(),
  createdAt: z.string(),
  removedAt: z.string().nullable(),
});
export type LedgerEntry = z.infer<typeof ledgerEntry>;

export const diskRecord = z.strictObject({
  name: z.string(),
  sizeBytes: z.number(),
  rootDigest: z.string().nullable(),
  verifiedAt: z.string().nullable(),
});
export type DiskRecord = z.infer<typeof diskRecord>;

/** One change in the source's guest that the request asked for. */
export const preparationRecord = z.strictObject({
  action: z.enum(['stop-service', 'free-space', 'trim', 'virtio-in-initramfs', 'check-space']),
  subject: z.string().describe('The service, the kind of space, the file system; empty where there is only one.'),
  at: z.string(),
  commands: z.array(z.string()).describe('What was run in the guest.'),
  result: z.string().describe('In words.'),
  freedBytes: z.number().nullable().describe('By freeing or trimming; null where nothing is freed or nobody counts.'),
  putBackAt: z.string().nullable().describe('When it was put back, as the migration went back.'),
  putBack: z.string().nullable().describe('How, or why it stays; null where nothing is to be put back.'),
});
export type PreparationRecord = z.infer<typeof preparationRecord>;

export const phaseRecord = z.strictObject({ name: phase, startedAt: z.string(), endedAt: z.string().nullable() });

/** Live figures of one disk, as the heartbeat details of the running activity carry them. */
export const diskProgress = z.strictObject({
  name: z.string(),
  doneBytes: z.number(),
  totalBytes: z.number(),
  rateBytesPerSecond: z.number(),
});
export type DiskProgress = z.infer<typeof diskProgress>;
export const heartbeatDetails = z.strictObject({ disks: z.array(diskProgress) });
export type HeartbeatDetails = z.infer<typeof heartbeatDetails>;

export const prediction = z.strictObject({
  downtimeMs: z.number(),
  parts: z.array(predictedPart),
  at: z.string(),
});
export type Prediction = z.infer<typeof prediction>;

/** What `getStatus` returns and `vmferry status --json` prints. */
export const migrationStatus = z.strictObject({
  version: z.literal(1),
  migrationId: z.string().describe('12 hex digits.'),
  vm: z.string(),
  source: z.string(),
  target: z.string(),
  targetName: z.string(),
  phase,
  work: z.enum(['idle', 'pass', 'rehearsal']),
  waitingFor: z.string().nullable().describe('In words; null when it is working.'),
  decisions: z.array(z.string()).describe('Which decisions fit now.'),
  outcome: outcome.nullable(),
  error: z.strictObject({ code: z.string(), message: z.string(), remedy: z.string().nullable() }).nullable(),
  startedAt: z.string(),
  phases: z.array(phaseRecord),
  passes: z.array(passRecord).describe('The first and the latest; see passCount.'),
  passCount: z.number().int(),
  converged: z.boolean(),
  approval: z
    .strictObject({
      by: z.string().nullable(),
      at: z.string(),
      cutoverAt: z.string().nullable(),
      expiresAt: z.string(),
    })
    .nullable(),
  predictedDowntimeMs: z.number().nullable(),
  prediction: prediction.nullable(),
  estimate: estimate.optional().describe('As the assessment reckoned, before anything was copied.'),
  downtimeMs: z.number().nullable(),
  package: packagePlan
    .nullish()
    .describe('What is written at a target that runs no VMs; then nothing is started there. Else null or not there.'),
  disks: z.array(diskRecord),
  findings: z.array(finding),
  preparation: z.array(preparationRecord).default([]).describe("What was changed in the source's guest, as asked for."),
  conversions: z.array(conversionRecord).optional().describe('The latest; none where the guest is left alone.'),
  probes: z.array(probeResult),
  evidence: z.array(evidence),
  trail: z.array(decisionRecord),
  events: z.array(auditEntry),
  ledger: z.array(ledgerEntry),
  bandwidth: z.string().nullable(),
  reportPath: z.string().nullable(),
});
export type MigrationStatus = z.infer<typeof migrationStatus>;
