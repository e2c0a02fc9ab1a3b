import type { Around, BlockCall } from './intercept.js';

export interface Fault {
  /** Which calls. Default: all. */
  on?: readonly BlockCall['name'][];
  /** From the n-th such call on, counted from 1. Default 1. */
  nth?: number;
  /** How many of them. Default 1. */
  times?: number;
  /** `Error`: fails with it, and does nothing. A number: waits that many milliseconds first. `drop`: says done, and did nothing. */
  what: Error | number | 'drop';
}

/** Makes calls go wrong on purpose, for tests. */
export function faulty({ on, nth = 1, times = 1, what }: Fault): Around {
  let seen = 0;
  return async ({ name }, run) => {
    if (on && !on.includes(name)) return run();
    seen += 1;
    if (seen < nth || seen >= nth + times) return run();
    if (what === 'drop') return;
    if (typeof what !== 'number') throw what;
    await new Promise((resolve) => setTimeout(resolve, what));
    return run();
  };
}
