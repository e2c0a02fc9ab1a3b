import { z } from 'zod';
import { duration, size } from './units.js';

const SERVICE = 'expected the name of a service such as "postgresql" or "nginx.service"';
/** What carries out the preparation cannot be stopped by it. */
const AGENT = /^qemu-(ga|guest-agent)(\.service)?$/;

export const serviceName = z
  .string(SERVICE)
  .regex(/^[A-Za-z0-9_@][A-Za-z0-9_@.:-]{0,99}$/, SERVICE)
  .refine((name) => !AGENT.test(name), "this is the guest's agent, which stops the others");

const guestCommand = z.strictObject({
  run: z
    .array(
      z
        .string()
        .max(4096)
        .regex(/^[^\u0000]*$/),
    )
    .min(1)
    .max(50)
    .describe('Program and arguments; no shell sees them.'),
  timeout: duration.default('10s').describe('It is ended after this.'),
});
export type GuestCommand = z.output<typeof guestCommand>;

const commands = z.array(guestCommand).max(10).default([]);

/** What is done inside the running source's guest, through its agent, and nothing else of it. */
export const prepareGuest = z
  .strictObject({
    stopServices: z
      .array(serviceName)
      .max(50)
      .default([])
      .describe(
        'Stopped in this order after the approval, right before the guest itself is; those that ran are started again when the migration goes back. Default: none.',
      ),
    serviceTimeout: duration
      .default('2m')
      .describe('How long each service may take to stop or to start. Too short: the cutover waits in needs-attention.'),
    freeSpace: z
      .array(z.enum(['package-caches', 'temporary-files']))
      .max(2)
      .default([])
      .describe(
        "Before the first pass: packages that the guest's package manager has fetched; temporary files that its own rules (systemd-tmpfiles) let go, without such rules those right in /tmp and /var/tmp that are unchanged for 30 days.",
      ),
    trim: z
      .boolean()
      .default(false)
      .describe(
        'Before the first pass, have the guest tell its disks which blocks are free, so that they are not copied. Of use only for disks with discard.',
      ),
    minFree: size
      .optional()
      .describe("Least room on the file system of the guest's / or C:\\, after freeing. Default: not looked at."),
    virtioInInitramfs: z
      .boolean()
      .default(false)
      .describe(
        'Before the first pass, build the virtio drivers into the initramfs of each kernel that lacks them (initramfs-tools, dracut), so that the guest starts on virtio disks without being converted while it is down.',
      ),
    beforePoint: commands.describe(
      'Run before the file systems are frozen for each point in time of the running guest. One that fails counts as a freeze that fails: see sync.quiesce.',
    ),
    afterPoint: commands.describe(
      'Run after the thaw, whatever came before; by the guest itself where nobody does it a minute after the time of all beforePoint. May run twice.',
    ),
  })
  .describe("Changes in the running source's guest, made through its agent (guest-exec).");
export type PrepareGuest = z.output<typeof prepareGuest>;
