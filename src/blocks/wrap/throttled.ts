import type { RateLimiter } from '../limiter.js';
import type { Around } from './intercept.js';

/** Holds reads and writes to the limiter's rate; zeroing and flushing cost nothing. */
export function throttled(limiter: RateLimiter): Around {
  return async ({ name, lengthBytes, signal }, run) => {
    if (name === 'read' || name === 'write') await limiter.take(lengthBytes, signal);
    await run();
  };
}
