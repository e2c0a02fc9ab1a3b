import { z } from 'zod';

/** Units that people write: durations (`90s`, `10m`, `2h`, `7d`, `1h30m`), sizes (`20GiB`), rates (`200MiB/s`). */

const DURATION_UNITS: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
const SIZE_UNITS: Record<string, number> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** Milliseconds of a written duration, or null where it is none. */
export function parseDurationMs(text: string): number | null {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d|w))+$/.test(text)) return null;
  let total = 0;
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/g))
    total += Number(count) * DURATION_UNITS[unit!]!;
  return Number.isSafeInteger(Math.round(total)) ? Math.round(total) : null;
}

/** Bytes of a written size, or null where it is none. */
export function parseSizeBytes(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?) ?(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$/.exec(text);
  const bytes = match ? Math.round(Number(match[1]) * SIZE_UNITS[match[2]!]!) : NaN;
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** Bytes a second of a written rate (`200MiB/s`), or null. */
export function parseRateBytesPerSecond(text: string): number | null {
  return text.endsWith('/s') ? parseSizeBytes(text.slice(0, -2)) : null;
}

/** Longer is a slip of the pen, and what is reckoned from it may be no date any more. */
const LONGEST_DURATION_MS = 3650 * DURATION_UNITS['d']!;

const DURATION = 'expected a duration such as "90s", "10m" or "7d"';
const SIZE = 'expected a size such as "512MiB" or "20GiB"';
const RATE = 'expected a rate such as "200MiB/s"';
const TIME_OF_DAY = 'expected a time of day such as "22:30"';
const TIME_ZONE = 'expected a time zone such as "Europe/Berlin"';

/** A duration as written by a person, of ten years at most; kept as text so that a request reads as it was typed. */
export const duration = z
  .string(DURATION)
  .refine((text) => (parseDurationMs(text) ?? Infinity) <= LONGEST_DURATION_MS, DURATION);

export const size = z.string(SIZE).refine((text) => (parseSizeBytes(text) ?? 0) > 0, SIZE);

export const rate = z.string(RATE).refine((text) => (parseRateBytesPerSecond(text) ?? 0) > 0, RATE);

/** ISO 8601 with an offset, so that it means the same everywhere. */
export const instant = z.iso.datetime({
  offset: true,
  error: 'expected a time with an offset, such as "2030-11-23T22:00:00+01:00"',
});

/** `HH:MM`, 24 hours. */
export const timeOfDay = z.string(TIME_OF_DAY).regex(/^([01]\d|2[0-3]):[0-5]\d$/, TIME_OF_DAY);

export const timeZone = z.string(TIME_ZONE).refine((zone) => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}, TIME_ZONE);
