import {
  ActivityCancellationType,
  proxyActivities,
  proxyLocalActivities,
  type ActivityOptions,
} from '@temporalio/workflow';
import type { FleetActivities } from '../activities/fleet-io.js';
import type { MigrationActivities } from '../activities/io.js';
import { named } from './trouble.js';

/**
 * How a step is tried: `patient` ones end in a human's hands, `quick` ones, while the source is down, in an undo; `brief`
 * ones hold nothing up; `waiting` ones wait for a worker as long as it takes.
 */
export type Manner = 'patient' | 'quick' | 'brief' | 'waiting';

/** A dead worker is noticed by its missing heartbeat. */
const HEARTBEAT_TIMEOUT_MS = 10_000;
const MOST_BACKOFF_MS = 30_000;
const PATIENT_TRIES = 8;
/** A step that nobody takes up in this time has no worker. Generous: a worker may be busy, or be exchanged for a newer one. */
const TAKEN_UP_PATIENT_MS = 120_000;
/** Longer, since it ends a cutover: a machine that starts again is back by then. */
const TAKEN_UP_QUICK_MS = 300_000;

const MANNERS: Record<Manner, { tries: number; scheduleToStartTimeout?: number }> = {
  patient: { tries: PATIENT_TRIES, scheduleToStartTimeout: TAKEN_UP_PATIENT_MS },
  quick: { tries: 3, scheduleToStartTimeout: TAKEN_UP_QUICK_MS },
  brief: { tries: 3, scheduleToStartTimeout: TAKEN_UP_PATIENT_MS },
  waiting: { tries: Infinity },
};

type Activities = MigrationActivities & FleetActivities;

/** A copy may take days. */
const LONG: ReadonlySet<keyof Activities> = new Set([
  'prepareGuest',
  'stopServices',
  'putBackGuest',
  'runPass',
  'verifyPass',
  'rehearse',
  'convertTarget',
  'stopSource',
  'watchSource',
  'cleanTarget',
  'probeTarget',
  'writePackage',
  'provePackage',
  'finalizeTarget',
  'surveyFleet',
  'assessBatch',
]);

/** By the worker that orchestrates, at once: nobody polls for a site that does not exist. @throws `NotFound`, naming those that do. */
export const { checkSites } = proxyLocalActivities<Pick<MigrationActivities, 'checkSites'>>({
  startToCloseTimeout: '10s',
  retry: { maximumAttempts: 3 },
});

function optionsFor(name: keyof Activities, site: string, manner: Manner): ActivityOptions {
  const { tries, ...takenUp } = MANNERS[manner];
  return {
    taskQueue: `vmferry.site.${site}`,
    heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
    // The way back begins when a cancelled step has ended, not beside it: a start under way must not outlive a removal.
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    startToCloseTimeout: LONG.has(name) ? '60d' : '5m',
    ...takenUp,
    retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: MOST_BACKOFF_MS, maximumAttempts: tries },
  };
}

/**
 * Runs one activity at a site, with a summary that labels it in the UI's timeline.
 * @throws NobodyThere when no worker took it up.
 */
export async function activity<N extends keyof Activities>(
  name: N,
  site: string,
  manner: Manner,
  summary: string,
  input: Parameters<Activities[N]>[0],
): Promise<Awaited<ReturnType<Activities[N]>>> {
  const options = optionsFor(name, site, manner);
  const proxy = proxyActivities<Record<string, (input: unknown) => Promise<unknown>>>(options)[name]!;
  try {
    return (await proxy.executeWithOptions({ ...options, summary }, [input])) as Awaited<ReturnType<Activities[N]>>;
  } catch (error) {
    throw named(error, site, summary);
  }
}
