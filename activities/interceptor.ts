import type { Context } from '@temporalio/activity';
import { CompleteAsyncError } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { asVmferryError } from '../src/errors.js';
import { beating } from './context.js';

/** The one place where our errors become Temporal's: the code as type, and whether it is tried again. */
export function toFailure(error: unknown, signal: AbortSignal): unknown {
  if (error instanceof CompleteAsyncError) return error;
  // Nobody asked for this step to be cancelled: the next worker goes on with it.
  if (signal.aborted && signal.reason instanceof Error && signal.reason.message === 'WORKER_SHUTDOWN')
    return ApplicationFailure.retryable('cannot go on with this step here: the worker was stopped', 'Unreachable');
  if (error instanceof ApplicationFailure || error instanceof CancelledFailure) return error;
  // Whatever a cancelled step tripped over, the cancellation is why.
  if (signal.aborted) return new CancelledFailure('cancelled');
  const ours = asVmferryError(error);
  const failure = ApplicationFailure.create({
    type: ours.code,
    message: ours.message,
    nonRetryable: ours.cure !== 'retry',
    details: [ours.remedy ?? null, ours.details],
  });
  // Where the unexpected came from is of use to who mends it; what else hangs on it may be a secret.
  if (ours.code === 'Internal' && ours.cause instanceof Error) failure.stack = ours.cause.stack ?? '';
  return failure;
}

/** Around every activity: heartbeats, so that a dead worker is noticed and a cancellation arrives, and errors as Temporal wants them. */
export const activityInterceptor: ActivityInterceptorsFactory = (context: Context) => ({
  inbound: {
    async execute(input, next) {
      try {
        return await beating(context, () => next(input));
      } catch (error) {
        throw toFailure(error, context.cancellationSignal);
      }
    },
  },
});
