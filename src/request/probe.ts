import { z } from 'zod';
import { duration } from './units.js';

const within = {
  within: duration.default('3m').describe('How long the probe may take to pass, from the start of the target.'),
};
const port = z.number().int().min(1).max(65535);
const address = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[A-Za-z0-9][A-Za-z0-9.:-]*$/, 'expected a host name or an IP address');

/** What has to answer at the target before a cutover counts as good. Each is tried again until it passes or its time is over. */
export const probe = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('tcp'),
    address: address.optional().describe("Default: the guest's own addresses."),
    port,
    ...within,
  }),
  z.strictObject({
    kind: z.literal('http'),
    url: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('Default: http://ADDRESS:80/ of the guest.'),
    status: z.number().int().min(100).max(599).default(200),
    contains: z.string().max(1000).optional().describe('Text that the body must hold.'),
    ...within,
  }),
  z.strictObject({ kind: z.literal('agent'), ...within }),
  z.strictObject({ kind: z.literal('console'), contains: z.string().min(1).max(1000), ...within }),
]);
export type Probe = z.infer<typeof probe>;
