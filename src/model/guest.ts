import { z } from 'zod';
import { DRIVERS } from './drivers.js';
import { finding } from './finding.js';
import { PLATFORMS_WITH_TOOLS } from './platform-tools.js';

/** What was found inside a machine's disks, without running any of it. Null stands for what could not be told. */

export const driverState = z
  .enum(['built-in', 'initramfs', 'module', 'none'])
  .describe(
    '"initramfs": as a module there, so that it is had before the root file system; "module": on the root file system alone; where the initramfs could not be read, "module" stands for both.',
  );
export type DriverState = z.infer<typeof driverState>;

export const guestKernel = z.strictObject({
  version: z.string(),
  initramfs: z.string().nullable().describe('Its path; null where there is none.'),
  initramfsRead: z.boolean(),
  drivers: z.record(z.enum(DRIVERS), driverState),
});
export type GuestKernel = z.infer<typeof guestKernel>;

export const guestFilesystem = z.strictObject({
  device: z.string().describe("As the appliance names it: /dev/sda1 is the first disk's first partition."),
  type: z.string(),
  label: z.string().nullable(),
  uuid: z.string().nullable(),
  mountpoint: z.string().nullable(),
  sizeBytes: z.number().nullable(),
  freeBytes: z.number().nullable(),
  inodes: z.number().nullable().describe('Null also where the file system has no fixed number.'),
  freeInodes: z.number().nullable(),
});

export const inspectedOs = z.strictObject({
  kind: z.enum(['linux', 'windows', 'other']),
  distribution: z.string().nullable(),
  version: z.string().nullable(),
  productName: z.string().nullable(),
  architecture: z.string().nullable(),
  packageFormat: z.string().nullable(),
  hostname: z.string().nullable(),
});

export const inspectedGuest = z.strictObject({
  os: inspectedOs.nullable().describe('Null where no operating system was found.'),
  systems: z.number().int().describe('How many operating systems the disks hold; the first is looked at.'),
  disks: z.array(
    z.strictObject({ id: z.string(), device: z.string(), table: z.string().nullable().describe('"gpt", "msdos", …') }),
  ),
  filesystems: z.array(guestFilesystem),
  layouts: z.array(z.enum(['lvm', 'raid', 'btrfs', 'luks', 'bitlocker', 'dynamic-disks', 'zfs'])),
  boots: z
    .strictObject({
      bios: z.boolean().nullable(),
      uefi: z.boolean().nullable(),
      uefiFallback: z
        .boolean()
        .nullable()
        .describe('Whether a UEFI with new variables finds one, too: \\EFI\\BOOT\\BOOTX64.EFI.'),
    })
    .describe('Which firmware finds a boot loader.'),
  kernels: z.array(guestKernel),
  deviceNames: z
    .array(z.strictObject({ file: z.string(), device: z.string() }))
    .describe('Where the way to boot names a disk by its bus.'),
  tools: z.array(z.enum(PLATFORMS_WITH_TOOLS)).describe("Another platform's tools in the guest."),
  guestAgent: z.boolean().nullable(),
  services: z.array(z.string()).describe('Units that systemd starts; at most 1000.'),
  applications: z.array(z.strictObject({ name: z.string(), version: z.string() })).describe('At most 5000.'),
  pinnedNics: z
    .array(z.strictObject({ mac: z.string(), name: z.string() }))
    .describe('Cards that the configuration names by a name that is held by nothing but their place.'),
  windows: z
    .strictObject({
      hibernated: z.boolean().nullable(),
      fastStartup: z.boolean().nullable(),
      virtioDisk: z.boolean().nullable(),
      virtioNet: z.boolean().nullable(),
    })
    .nullable(),
  notes: z.array(finding).describe('What of the network configuration needs a look.'),
  notSeen: z.array(z.string()).describe('What could not be looked at, and why.'),
});
export type InspectedGuest = z.infer<typeof inspectedGuest>;
