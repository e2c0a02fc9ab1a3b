import { RateLimiter, type Limiter } from '../src/blocks/index.js';
import type { VmferryConfig } from '../src/config.js';
import { parseRateBytesPerSecond } from '../src/request/units.js';

/** Bandwidth limits of sites, which all copies of this worker share. */
export class SiteLimits {
  readonly #sites: Map<string, RateLimiter>;

  constructor({ sites }: Pick<VmferryConfig, 'sites'>) {
    const limits = Object.entries(sites).map(([name, { bandwidth }]) => [name, limiterOf(bandwidth ?? null)] as const);
    this.#sites = new Map(limits);
  }

  /** The limit of one copy: its own (`"200MiB/s"`, null for none), and those of the sites that it goes through. */
  of(bandwidth: string | null, ...sites: string[]): Limiter {
    const all = [limiterOf(bandwidth), ...sites.flatMap((site) => this.#sites.get(site) ?? [])];
    return {
      async take(bytes, signal) {
        for (const each of all) await each.take(bytes, signal);
      },
    };
  }
}

function limiterOf(bandwidth: string | null): RateLimiter {
  return new RateLimiter(bandwidth === null ? null : parseRateBytesPerSecond(bandwidth));
}
