import { ASSUMED, type CopyRate } from '../model/estimate.js';
import { formatCount, formatRate } from '../model/format.js';
import { parseRateBytesPerSecond } from '../request/units.js';

/** What is known of how fast the copy will be. */
export interface RateSources {
  source: string;
  target: string;
  /** `assumeRate` of a request. */
  assume?: string | undefined;
  /** `sync.bandwidth` of a request. */
  bandwidth?: string | undefined;
  /** Limits of the two sites in `vmferry.yaml`, by their name. */
  limits?: Readonly<Record<string, string>>;
  /** As former migrations between the two sites copied. */
  past?: { bytesPerSecond: number; migrations: number } | null;
}

/** The rate to reckon with: the one that a person states, else the one of former migrations, else an assumed one; under every limit. */
export function rateFrom({ source, target, assume, bandwidth, limits = {}, past = null }: RateSources): CopyRate {
  const stated = rateOf(assume);
  const expected =
    stated !== null
      ? { bytesPerSecond: stated, words: `${formatRate(stated)}, as the request says to assume,` }
      : past !== null
        ? {
            bytesPerSecond: past.bytesPerSecond,
            words: `${formatRate(past.bytesPerSecond)}, as ${formatCount(past.migrations, 'former migration')} from ${source} to ${target} copied,`,
          }
        : null;
  const asked = rateOf(bandwidth);
  const caps = [
    ...(asked === null ? [] : [{ bytesPerSecond: asked, words: `the ${bandwidth} asked for` }]),
    ...Object.entries(limits).flatMap(([site, limit]) => {
      const bytesPerSecond = rateOf(limit);
      return bytesPerSecond === null ? [] : [{ bytesPerSecond, words: `the ${limit} that ${site} is limited to` }];
    }),
  ].sort((one, other) => one.bytesPerSecond - other.bytesPerSecond);
  const [lowest] = caps;
  if (lowest && (expected === null || lowest.bytesPerSecond < expected.bytesPerSecond)) return lowest;
  return (
    expected ?? {
      bytesPerSecond: ASSUMED.bytesPerSecond,
      words: `${formatRate(ASSUMED.bytesPerSecond)}, which is assumed,`,
    }
  );
}

function rateOf(text: string | undefined): number | null {
  return text === undefined ? null : parseRateBytesPerSecond(text);
}
