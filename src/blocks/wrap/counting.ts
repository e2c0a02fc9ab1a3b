import type { Around, BlockCall } from './intercept.js';

/** What went through: calls and bytes, by kind. */
export type Counts = Record<BlockCall['name'], { calls: number; bytes: number }>;

/** Counts calls that succeeded. */
export function counting(): { counts: Counts; around: Around } {
  const none = (): Counts['read'] => ({ calls: 0, bytes: 0 });
  const counts: Counts = { read: none(), write: none(), zero: none(), flush: none() };
  return {
    counts,
    around: async ({ name, lengthBytes }, run) => {
      await run();
      counts[name].calls += 1;
      counts[name].bytes += lengthBytes;
    },
  };
}
