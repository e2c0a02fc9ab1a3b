import { Environment } from '../test/workflows/environment.js';
import { FakeWorld } from '../test/workflows/fake-world.js';
import type { Benchmark, Pair } from './benchmark.js';

/** What the issue counts: seed, delta and final pass. */
const PASSES = 3;
const FURTHER = 5;

/** Events in the history of a migration of three passes, on a real server; in the notes, what each further pass adds. */
export const history: Benchmark = {
  name: 'history',
  unit: 'events',
  better: 'lower',
  peer: null,
  async run({ log }) {
    // As the server comes: the history is not cut short.
    const environment = await Environment.start(null);
    try {
      const short = await migrated(environment, PASSES - 1, '60s');
      const long = await migrated(environment, PASSES - 1 + FURTHER, '1s');
      const perPass = (long.events - short.events) / (long.passes - short.passes);
      const events = short.events - (short.passes - PASSES) * perPass;
      log(`${events} events for ${PASSES} passes, ${perPass.toFixed(1)} for each further one`);
      const pair: Pair = { ours: events, theirs: null, notes: { perFurtherPass: perPass, passes: short.passes } };
      // The same events every time: one run tells it.
      return [pair];
    } finally {
      await environment.stop();
    }
  },
};

/** A migration that is approved after so many passes, to its end. */
async function migrated(
  environment: Environment,
  passesBefore: number,
  interval: string,
): Promise<{ events: number; passes: number }> {
  let counted = { events: 0, passes: 0 };
  const sync = { interval, minInterval: '1s' };
  const acceptance = { mode: 'automatic' as const, after: '1s' };
  await environment.migrate(new FakeWorld(), { sync, acceptance }, async (run) => {
    await run.phase('awaiting-approval');
    await run.until(`at pass ${passesBefore}`, (status) => status.passCount >= passesBefore);
    await run.signal('approveCutover', { by: 'bench' });
    const { outcome, status } = await run.result();
    if (outcome !== 'completed') throw new Error(`the migration ended as ${outcome}`);
    const { historyLength } = await run.handle.describe();
    counted = { events: historyLength, passes: status.passCount };
  });
  return counted;
}
