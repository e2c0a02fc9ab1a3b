import { z } from 'zod';
import { formatDuration } from './format.js';

/** What a move will take, reckoned before anything was copied. Whatever was not measured says so. */

/** Assumed where nothing was measured. */
export const ASSUMED = {
  /** What a disk and a network of 1 Gbit/s usually give. */
  bytesPerSecond: 100 * 2 ** 20,
  stopMs: 30_000,
  bootMs: 60_000,
  /** One start of libguestfs' appliance without KVM, and some edits; a guest that lacks drivers takes minutes more. */
  conversionMs: 60_000,
  defineMs: 3_000,
  /** A final pass of what changed since the pass before. */
  deltaMs: 5_000,
  /** Starting the domain, plugging its network and the hops between the steps. */
  stepsMs: 1_000,
} as const;

/** A rate of copying, and where it is from. */
export const copyRate = z.strictObject({
  bytesPerSecond: z.number().positive(),
  words: z.string().describe('With where it is from: "100 MiB/s, which is assumed,".'),
});
export type CopyRate = z.infer<typeof copyRate>;

export const predictedPart = z.strictObject({ name: z.string(), ms: z.number(), how: z.string() });

export const estimate = z.strictObject({
  copyBytes: z.number().describe('What the first pass copies.'),
  copyMs: z.number().describe('How long that takes; the VM runs meanwhile.'),
  copyHow: z.string().describe('How it was estimated.'),
  rateBytesPerSecond: z.number(),
  downtimeMs: z
    .number()
    .nullable()
    .describe('0 for a VM that is off; null where the target starts nothing that would end it.'),
  downtimeHow: z.string().describe('How it was estimated.'),
  parts: z.array(predictedPart).describe('Of the downtime; stopping comes before it and is not counted.'),
});
export type Estimate = z.infer<typeof estimate>;

export function downtimeInWords({ downtimeMs }: Pick<Estimate, 'downtimeMs'>): string {
  if (downtimeMs === null) return 'from the cutover on';
  return downtimeMs === 0 ? 'none' : `about ${formatDuration(downtimeMs)}`;
}
