import { ActivityFailure, ApplicationFailure, rootCause, TimeoutFailure } from '@temporalio/workflow';

/** What a step failed with, for people and for what is done about it. */
export interface Trouble {
  code: string;
  message: string;
  remedy: string | null;
}

/** A step that no worker took up in its time. The server does not try such a step again by itself. */
export class NobodyThere extends Error {
  constructor(
    readonly site: string,
    readonly summary: string,
  ) {
    super(`no worker took up "${summary}": none polls task queue vmferry.site.${site}, or all that do are busy`);
  }
}

/** `error` of an activity, as NobodyThere where that is what it is. */
export function named(error: unknown, site: string, summary: string): unknown {
  return timedOut(error, 'SCHEDULE_TO_START') ? new NobodyThere(site, summary) : error;
}

export function troubleOf(error: unknown): Trouble {
  if (error instanceof NobodyThere) {
    const remedy = `Start one on a machine that reaches that site: vmferry worker --site ${error.site}`;
    return { code: 'Unreachable', message: error.message, remedy };
  }
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure) {
    const remedy = cause.details?.[0];
    return {
      code: cause.type ?? 'Internal',
      message: cause.message,
      remedy: typeof remedy === 'string' ? remedy : null,
    };
  }
  if (cause instanceof TimeoutFailure)
    return {
      code: 'Timeout',
      message: `a step did not end in its time: ${cause.message}`,
      remedy: 'See whether a worker runs for that site.',
    };
  return { code: 'Internal', message: rootCause(error) ?? String(error), remedy: null };
}

/** All tries of the step ended with a worker that was not heard of any more. */
export function lostItsWorker(error: unknown): boolean {
  return timedOut(error, 'HEARTBEAT');
}

function timedOut(error: unknown, type: TimeoutFailure['timeoutType']): boolean {
  return error instanceof ActivityFailure && error.cause instanceof TimeoutFailure && error.cause.timeoutType === type;
}

/** Losing its worker in all tries within this time, so often in a row, is no accident: a human is asked. */
const FLAPPING_MS = 3_600_000;
const MOST_LOSSES = 3;

/** Counts how often a step lost its worker in quick succession. */
export class Losses {
  private count = 0;

  /** @param tookMs from the step's beginning to its loss. @returns whether that is too often; then it counts anew. */
  tooMany(tookMs: number): boolean {
    this.count = tookMs < FLAPPING_MS ? this.count + 1 : 1;
    if (this.count < MOST_LOSSES) return false;
    this.count = 0;
    return true;
  }
}
