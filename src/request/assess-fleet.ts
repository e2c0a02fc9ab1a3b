import { z } from 'zod';
import { migrateVmFields } from './migrate-vm.js';
import { checkTogether } from './together.js';
import { rate } from './units.js';

const pattern = z
  .string('expected a VM\'s name or a pattern such as "web*"')
  .min(1)
  .max(128)
  .refine((text) => [...text].every((character) => character >= ' ' && character !== '\u007f'), {
    error: 'expected a name without control characters',
  });

/** Fields that mean the same for a whole site as for the migration of one VM. */
const shared = migrateVmFields.pick({
  source: true,
  target: true,
  networks: true,
  storage: true,
  diskFormat: true,
  package: true,
  waive: true,
  sync: true,
  rehearsal: true,
  cutover: true,
  probes: true,
});

export const assessFleetRequest = z
  .strictObject({
    ...shared.shape,
    vms: z
      .array(pattern)
      .min(1)
      .max(2000)
      .optional()
      .describe('Names of VMs, or patterns with `*`, `?` and `[…]`. Default: all of the source.'),
    exclude: z.array(pattern).max(2000).default([]).describe('Names or patterns of VMs that are left out.'),
    assumeRate: rate
      .optional()
      .describe(
        'The rate of copying to reckon with. Default: that of former migrations between the two sites, else 100MiB/s.',
      ),
  })
  .superRefine(checkTogether);

/** As typed by a person. */
export type AssessFleetInput = z.input<typeof assessFleetRequest>;
/** With every default filled in. */
export type AssessFleetRequest = z.output<typeof assessFleetRequest>;
