import { ActivityCancellationType, proxyActivities, type ActivityOptions } from '@temporalio/workflow';
import type { MigrationActivities } from '../activities/io.js';

/** How long a step is tried: `patient` steps end in a human's hands, `quick` ones while the source is down in an undo. */
export type Manner = 'patient' | 'quick' | 'once';

const TRIES: Record<Manner, number> = { patient: 8, quick: 3, once: 1 };

const LONG: ReadonlySet<keyof MigrationActivities> = new Set([
  'runPass',
  'verifyPass',
  'rehearse',
  'stopSource',
  'probeTarget',
  'finalizeTarget',
]);

function optionsFor(name: keyof MigrationActivities, site: string, manner: Manner): ActivityOptions {
  return {
    taskQueue: `vmferry.site.${site}`,
    // A dead worker is noticed by its missing heartbeat; a copy may take days.
    heartbeatTimeout: '10s',
    // The way back begins when a cancelled step has ended, not beside it: a start under way must not outlive a removal.
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    startToCloseTimeout: LONG.has(name) ? '60d' : '5m',
    retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s', maximumAttempts: TRIES[manner] },
  };
}

/** Runs one activity at a site, with a summary that labels it in the UI's timeline. */
export async function activity<N extends keyof MigrationActivities>(
  name: N,
  site: string,
  manner: Manner,
  summary: string,
  input: Parameters<MigrationActivities[N]>[0],
): Promise<Awaited<ReturnType<MigrationActivities[N]>>> {
  const options = optionsFor(name, site, manner);
  const proxy = proxyActivities<Record<string, (input: unknown) => Promise<unknown>>>(options)[name]!;
  return (await proxy.executeWithOptions({ ...options, summary }, [input])) as Awaited<
    ReturnType<MigrationActivities[N]>
  >;
}
