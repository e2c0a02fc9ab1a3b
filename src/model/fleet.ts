import { z } from 'zod';
import { estimate } from './estimate.js';
import { finding, severity } from './finding.js';

/** The assessment of many VMs of a site for one target, as data. Stable: fields are added, never renamed. */

export const readiness = z
  .enum(['ready', 'ready-with-warnings', 'blocked', 'unreadable'])
  .describe('`unreadable`: nothing could be said of it; its error tells why.');
export type Readiness = z.infer<typeof readiness>;

const trouble = z.strictObject({ code: z.string(), message: z.string(), remedy: z.string().nullable() });

export const fleetVm = z.strictObject({
  name: z.string(),
  uuid: z.string().nullable(),
  readiness,
  running: z.boolean().nullable(),
  guestOs: z.string().nullable(),
  firmware: z.enum(['bios', 'uefi']).nullable(),
  cpus: z.number(),
  memoryBytes: z.number(),
  disks: z.number().int(),
  sizeBytes: z.number().describe('Of its disks as the guest sees them.'),
  allocatedBytes: z.number().describe('What they take at the source; the size where that is not known.'),
  macs: z.array(z.string()),
  estimate: estimate.nullable(),
  findings: z.array(finding),
  findingsLeftOut: z
    .number()
    .int()
    .describe('Findings beyond what one VM may take up here; `vmferry assess VM` shows them.'),
  error: trouble.nullable(),
});
export type FleetVm = z.infer<typeof fleetVm>;

export const fleetCounts = z.strictObject({
  vms: z.number().int(),
  ready: z.number().int(),
  readyWithWarnings: z.number().int(),
  blocked: z.number().int(),
  unreadable: z.number().int(),
});
export type FleetCounts = z.infer<typeof fleetCounts>;

/** Something that is true of several VMs together. */
export const fleetFinding = finding.extend({
  vms: z.array(z.string()).describe('Those that it is about; the first of many.'),
});
export type FleetFinding = z.infer<typeof fleetFinding>;

export const fleetSizing = z.strictObject({
  running: z.number().int().describe('VMs that run.'),
  cpus: z.number(),
  memoryBytes: z.number(),
  runningMemoryBytes: z.number(),
  disks: z.number().int(),
  sizeBytes: z.number(),
  allocatedBytes: z.number(),
  target: z.strictObject({
    cpus: z.number().describe('Of its host; 0 where it keeps files and runs none.'),
    memoryBytes: z.number(),
    freeMemoryBytes: z.number(),
    storage: z.string(),
    storageFreeBytes: z.number().nullable().describe('null where it cannot be used.'),
    vms: z.number().int().describe('VMs that are there.'),
  }),
  fits: z.boolean().describe('Whether all of it fits there together, as it is now.'),
});
export type FleetSizing = z.infer<typeof fleetSizing>;

/** All but the single VMs. */
export const fleetSummary = z.strictObject({
  version: z.literal(1),
  source: z.string(),
  target: z.string(),
  startedAt: z.string(),
  endedAt: z.string(),
  counts: fleetCounts,
  sizing: fleetSizing,
  estimate: z.strictObject({
    copyMs: z.number().describe('All first passes, one after the other.'),
    rateBytesPerSecond: z.number(),
    longestDowntimeMs: z.number(),
    how: z.string(),
  }),
  findings: z.array(fleetFinding).describe('Of all together.'),
  common: z
    .array(z.strictObject({ id: z.string(), severity, vms: z.number().int() }))
    .describe('Which findings how many VMs have; the gravest and most frequent first.'),
});
export type FleetSummary = z.infer<typeof fleetSummary>;

/** What `vmferry assess --all --json` prints. */
export const fleetAssessment = fleetSummary.extend({ vms: z.array(fleetVm) });
export type FleetAssessment = z.infer<typeof fleetAssessment>;

/** What `getStatus` of `assessFleet` returns. */
export const fleetStatus = z.strictObject({
  version: z.literal(1),
  assessmentId: z.string().describe('12 hex digits; names the folder of its report.'),
  source: z.string(),
  target: z.string(),
  phase: z.enum(['surveying', 'assessing', 'reporting', 'completed', 'cancelled', 'failed']),
  startedAt: z.string(),
  total: z.number().int().nullable().describe('VMs to assess; null until the source was asked.'),
  counts: fleetCounts.describe('Of those that were assessed.'),
  blocked: z.array(z.string()).describe('The first VMs that are blocked or unreadable.'),
  summary: fleetSummary.nullable(),
  reportPath: z.string().nullable(),
  error: trouble.nullable(),
});
export type FleetStatus = z.infer<typeof fleetStatus>;

export const NOTHING_COUNTED: FleetCounts = { vms: 0, ready: 0, readyWithWarnings: 0, blocked: 0, unreadable: 0 };

const FIELDS = {
  ready: 'ready',
  'ready-with-warnings': 'readyWithWarnings',
  blocked: 'blocked',
  unreadable: 'unreadable',
} as const satisfies Record<Readiness, keyof FleetCounts>;

export function countOf(vms: readonly Pick<FleetVm, 'readiness'>[]): FleetCounts {
  const counts = { ...NOTHING_COUNTED, vms: vms.length };
  for (const vm of vms) counts[FIELDS[vm.readiness]] += 1;
  return counts;
}

export function addCounts(one: FleetCounts, other: FleetCounts): FleetCounts {
  return {
    vms: one.vms + other.vms,
    ready: one.ready + other.ready,
    readyWithWarnings: one.readyWithWarnings + other.readyWithWarnings,
    blocked: one.blocked + other.blocked,
    unreadable: one.unreadable + other.unreadable,
  };
}
