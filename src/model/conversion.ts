import { z } from 'zod';
import { finding } from './finding.js';
import { vmDescription } from './vm.js';

/** How much of the guest is changed so that it runs at the target: the smallest that serves. */
export const conversionKind = z.enum(['none', 'light', 'full']);
export type ConversionKind = z.infer<typeof conversionKind>;

/** What was done to a guest on its overlay, and the VM that it then fits. */
export const conversion = z.strictObject({
  kind: conversionKind.describe(
    '`none`: the guest was looked at and left as it is; `light`: files in it were edited; `full`: virt-v2v-in-place.',
  ),
  guest: z.string().nullable().describe('The operating system that was found; null where none was.'),
  changes: z.array(z.string()).describe('In words.'),
  findings: z.array(finding),
  tookMs: z.number(),
  description: vmDescription.describe('The VM as it is defined on the converted disks.'),
});
export type Conversion = z.infer<typeof conversion>;

/** A conversion as the report has it. */
export const conversionRecord = conversion
  .omit({ description: true })
  .extend({ at: z.string(), stage: z.enum(['rehearsal', 'cutover']), devices: z.string().describe('In words.') });
export type ConversionRecord = z.infer<typeof conversionRecord>;

/** Which devices a VM is to get at the target, and how far its guest may be changed for them. */
export interface ConversionWish {
  devices: 'virtio' | 'as-source';
  /** `full` is also how far it must be changed. */
  most: 'auto' | 'none' | 'light' | 'full';
  /** It goes to platforms of other makers: it keeps their tools, and gets no serial console. Default false. */
  onlyDevices?: boolean;
}
