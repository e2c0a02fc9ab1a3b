import { z } from 'zod';
import { diskFormat, packageKind } from '../model/package.js';
import { diskId, idOfMigration, siteName, vmName } from './names.js';
import { prepareGuest } from './prepare-guest.js';
import { probe } from './probe.js';
import { checkTogether } from './together.js';
import { duration, instant, rate, size, timeOfDay, timeZone } from './units.js';

const window = z
  .strictObject({
    from: timeOfDay,
    to: timeOfDay,
    timeZone,
    days: z
      .array(z.enum(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']))
      .min(1)
      .optional()
      .describe('Default: every day.'),
  })
  .refine((value) => value.from !== value.to, 'from and to must differ')
  .describe('When a cutover may begin; `to` before `from` means over midnight.');
export type CutoverWindow = z.infer<typeof window>;

const notify = z
  .strictObject({
    webhook: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe(
        "Called with a JSON body by POST. The URL stands in the workflow's input and history, for all who may read those: one that is itself a secret belongs into a command under `hooks` in vmferry.yaml, named by `hook`.",
      ),
    hook: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]*$/, 'expected the name of a hook: small letters, digits and "-"')
      .optional()
      .describe('The name of a command under `hooks` in vmferry.yaml, given the JSON on standard input.'),
  })
  .describe(
    'Called when a decision is awaited, when an approval lapses and before, on trouble that needs attention, on failure, and at the end.',
  );

export const migrateVmFields = z.strictObject({
  vm: vmName.describe("The VM's name at the source."),
  source: siteName,
  target: siteName,
  targetName: vmName.optional().describe("The VM's name at the target. Default: as at the source."),
  networks: z
    .record(z.string().min(1).max(128), z.string().min(1).max(128))
    .default({})
    .describe('Source network -> target network. Default: the one of the same name.'),
  storage: z.string().min(1).max(1024).optional().describe("Pool or directory at the target. Default: the site's."),
  diskStorage: z
    .record(diskId, z.string().min(1).max(1024))
    .default({})
    .describe('Pool or directory for single disks.'),
  diskFormat: diskFormat
    .optional()
    .describe(
      'Format of the disks at the target; one that runs VMs takes "qcow2" and "raw". Default: "qcow2", and "vmdk" in an OVA or OVF.',
    ),
  package: packageKind
    .optional()
    .describe(
      'What is written at a target of the platform "files": an OVA, an OVF with its disks, libvirt XML with its disks, or images alone. Default: "ova".',
    ),
  excludeDisks: z.array(diskId).default([]).describe('Disks that are left behind.'),
  adoptReplica: idOfMigration
    .optional()
    .describe('Take over the whole replica that this migration kept; its first pass writes only what differs.'),
  cpus: z.number().int().min(1).max(1024).optional().describe('Virtual CPUs at the target. Default: as at the source.'),
  memory: size.optional().describe('Memory at the target. Default: as at the source.'),
  devices: z
    .enum(['auto', 'virtio', 'as-source'])
    .default('auto')
    .describe(
      'Disk buses and network cards at the target. `auto`: as at the source where both sites are of one platform and the target has such devices, else virtio where the guest has drivers for it or can be given them, else what it has drivers for.',
    ),
  conversion: z
    .enum(['auto', 'none', 'light', 'full'])
    .default('auto')
    .describe(
      'How far the guest may be changed, on an overlay, where its devices change. `auto`: as little as it needs. `none`: not at all. `light`: files in it (names of network cards and disks, serial console, tools of the old platform). `full`: always by virt-v2v-in-place, also where nothing would need it. In a package `auto` is `none`.',
    ),
  inspect: z
    .boolean()
    .default(false)
    .describe(
      'Look into the disks while assessing, where the VM is off: its system, boot loader, drivers, free space. Takes half a minute to a minute without KVM. One that runs is looked into in its rehearsal, where it is converted.',
    ),
  dryRun: z.boolean().default(false).describe('Assess and report; change nothing.'),
  waive: z
    .record(z.string().min(1), z.string().min(1).max(1000))
    .default({})
    .describe('Blocking findings to go on with: rule id -> reason.'),
  sync: z
    .strictObject({
      interval: duration.default('5m').describe('Pause between passes.'),
      minInterval: duration.default('5s').describe('Pause while converging on a small delta.'),
      convergedBelow: size.default('64MiB').describe('A pass that changed less than this has converged.'),
      maxPasses: z
        .number()
        .int()
        .min(1)
        .max(1000)
        .default(8)
        .describe('Passes after which it is said that the VM does not converge.'),
      bandwidth: rate.optional().describe('Limit for all disks together. Default: none.'),
      quiesce: z
        .enum(['auto', 'required', 'never'])
        .default('auto')
        .describe("Freeze the guest's file systems for each point in time."),
      readBack: z
        .enum(['whole', 'written'])
        .default('whole')
        .describe(
          'What is read back from the storage of the target after the approval, before the source is stopped: the whole replica once more, or only what the last pass wrote.',
        ),
      audit: z
        .enum(['none', 'before-approval'])
        .default('none')
        .describe(
          'Once before the cutover, read a whole point in time of the source and compare it with the replica, to see whether change tracking missed something.',
        ),
    })
    .prefault({}),
  prepareGuest: prepareGuest.optional(),
  rehearsal: z
    .strictObject({
      enabled: z.boolean().default(true),
      timeout: duration.default('10m').describe('How long the test boot may take to pass its probes.'),
      network: z
        .string()
        .min(1)
        .max(128)
        .optional()
        .describe('Rehearse on this network of the target instead of an isolated one.'),
    })
    .prefault({}),
  cutover: z
    .strictObject({
      approval: z.enum(['required', 'automatic']).default('required'),
      approvalExpiry: duration.default('14d').describe('An approval not used by then lapses.'),
      at: instant.optional().describe('Not before this time.'),
      window: window.optional(),
      maxDowntime: duration.optional().describe('A cutover predicted above this is refused.'),
      shutdown: z
        .enum(['graceful', 'force-after', 'ask'])
        .default('ask')
        .describe('What to do with a guest that does not stop by itself.'),
      shutdownTimeout: duration.default('3m'),
    })
    .prefault({}),
  probes: z.array(probe).max(50).optional().describe('Default: what answered at the source must answer at the target.'),
  acceptance: z
    .strictObject({
      mode: z.enum(['manual', 'automatic']).default('manual'),
      after: duration.default('10m').describe('With `automatic`: accepted after this time of passed probes.'),
    })
    .prefault({}),
  undoOnFailedProbes: z.boolean().default(true),
  notify: notify.optional(),
});

export const migrateVmRequest = migrateVmFields.superRefine(checkTogether);

/** As typed by a person. */
export type MigrateVmInput = z.input<typeof migrateVmRequest>;
/** With every default filled in. */
export type MigrateVmRequest = z.output<typeof migrateVmRequest>;
