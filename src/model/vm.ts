import { z } from 'zod';
import { finding } from './finding.js';
import { inspectedGuest } from './guest.js';

/** The normalised VM: what every platform's description becomes, and what `vmferry describe --json` prints. */

export const diskBus = z.enum(['ide', 'sata', 'scsi', 'virtio', 'nvme']);
export type DiskBus = z.infer<typeof diskBus>;

export const vmDisk = z.strictObject({
  id: z.string().describe('As the source names it, such as "vda".'),
  bus: diskBus,
  order: z.number().int().describe('Place in the boot order among disks, from 0.'),
  sizeBytes: z.number().int().nonnegative(),
  format: z.string().describe('Image format at the source, such as "qcow2" or "raw".'),
  path: z.string().nullable().describe('File or device at the source; null where it has none.'),
  serial: z.string().nullable().default(null),
  bootOrder: z.number().int().nullable().default(null),
  allocatedBytes: z
    .number()
    .int()
    .nullable()
    .default(null)
    .describe('What the image takes at the source, where known.'),
  changeTracking: z.boolean().default(false).describe('Whether the source can say what changed since a checkpoint.'),
  discard: z.boolean().default(false),
  controllerModel: z.string().nullable().default(null).describe('For scsi: "virtio-scsi", "lsilogic", …'),
  sectorBytes: z
    .number()
    .int()
    .positive()
    .optional()
    .describe('Logical sector size that the guest sees. Default: 512.'),
});
export type VmDisk = z.infer<typeof vmDisk>;

export const vmNic = z.strictObject({
  mac: z.string(),
  network: z.string().describe('Name of the network or bridge at the source.'),
  networkKind: z.enum(['network', 'bridge', 'other']).default('network'),
  model: z.string(),
  slot: z
    .number()
    .int()
    .nonnegative()
    .optional()
    .describe(
      'Number of its PCI slot at the source, which the name "ens192" in a Linux guest holds. Default: not known.',
    ),
  addressMade: z
    .boolean()
    .optional()
    .describe('Whether the source says no address, so that `mac` was made up. Default: false.'),
});
export type VmNic = z.infer<typeof vmNic>;

export const vmDescription = z.strictObject({
  name: z.string(),
  uuid: z.string(),
  firmware: z.enum(['bios', 'uefi']),
  secureBoot: z.boolean(),
  tpm: z.strictObject({ model: z.string(), version: z.string(), statePath: z.string().nullable() }).nullable(),
  memoryBytes: z.number().int(),
  cpu: z.strictObject({
    count: z.number().int(),
    sockets: z.number().int(),
    coresPerSocket: z.number().int(),
    threadsPerCore: z.number().int(),
    model: z.string().nullable(),
  }),
  disks: z.array(vmDisk),
  removable: z.array(z.strictObject({ kind: z.enum(['cdrom', 'floppy']), bus: z.string() })),
  nics: z.array(vmNic),
  display: z.string().nullable(),
  sound: z.string().nullable(),
  guestOs: z.string().nullable(),
  machine: z.string().nullable().default(null).describe('Chipset family: "pc" (i440fx) or "q35".'),
  serialPorts: z.number().int().default(0),
  guestAgentChannel: z.boolean().default(false),
  clock: z.enum(['utc', 'localtime']).default('utc'),
  rng: z.boolean().default(false),
  nvramPath: z.string().nullable().default(null).describe('UEFI variables at the source.'),
  findings: z.array(finding),
  guest: inspectedGuest.optional().describe('What was found inside its disks, where that was asked for.'),
});
export type VmDescription = z.infer<typeof vmDescription>;

export const powerState = z.enum(['running', 'paused', 'off', 'crashed', 'other']);
export type PowerState = z.infer<typeof powerState>;

/** One line of `vmferry inventory`. */
export const vmSummary = z.strictObject({
  name: z.string(),
  uuid: z.string(),
  state: powerState,
  memoryBytes: z.number(),
  cpus: z.number(),
  disks: z.number(),
});
export type VmSummary = z.infer<typeof vmSummary>;

/** What was seen of a running guest from outside and through its agent. */
export const guestFacts = z.strictObject({
  agent: z.boolean(),
  hostname: z.string().nullable(),
  addresses: z.array(z.string()),
  openPorts: z.array(z.number().int()).describe('TCP ports that answered at the first address that answered.'),
  nics: z
    .array(z.strictObject({ name: z.string(), mac: z.string() }))
    .optional()
    .describe('What the guest calls its network cards. Default: nobody said.'),
  filesystems: z
    .array(z.strictObject({ path: z.string(), type: z.string(), freeBytes: z.number() }))
    .optional()
    .describe('What is mounted from its disks, as far as its agent says how much is free. Default: it does not.'),
});
export type GuestFacts = z.infer<typeof guestFacts>;

/** Whether sockets, cores and threads make as many CPUs as there are; else the topology is carried over nowhere. */
export function topologyFits({ count, sockets, coresPerSocket, threadsPerCore }: VmDescription['cpu']): boolean {
  return sockets * coresPerSocket * threadsPerCore === count;
}

/** Of a declared guest system what libosinfo's metadata can say: an id of its own, which is an address. */
export function libosinfoId(declared: string | null): string | null {
  return declared !== null && /^https?:\/\//.test(declared) ? declared : null;
}
