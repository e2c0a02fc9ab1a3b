import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApplicationFailure, WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { z } from 'zod';
import { isErrorCode, VmferryError } from '../errors.js';
import { fleetStatus, fleetSummary, type FleetAssessment } from '../model/fleet.js';
import { unpackVms } from '../report/fleet-part.js';
import type { AssessFleetInput } from '../request/assess-fleet.js';
import { TASK_QUEUE, type ConnectedClient } from '../temporal.js';
import type { Context } from './context.js';

const REFRESH_MS = 500;
const ANSWER_TIMEOUT_MS = 20_000;

const answer = z.object({ summary: fleetSummary.nullable(), parts: z.array(z.string()) });

/**
 * Assesses many VMs and waits for it, with its progress on standard error; Ctrl-C cancels it.
 * @throws VmferryError with the code that the workflow failed with; `Cancelled`.
 */
export async function assessMany(
  context: Context,
  { client }: ConnectedClient,
  request: AssessFleetInput,
): Promise<FleetAssessment> {
  const { source, target } = request;
  // It changes nothing, so that any number may run at once.
  const workflowId = `fleet-${source}-to-${target}-${randomBytes(4).toString('hex')}`;
  const handle = await client.workflow.start('assessFleet', {
    taskQueue: TASK_QUEUE,
    workflowId,
    args: [request],
    staticSummary: `assess ${source} for ${target}`,
  });
  const cancel = () => void handle.cancel().catch(() => undefined);
  context.signal.addEventListener('abort', cancel, { once: true });
  try {
    await followed(context, handle);
  } finally {
    context.signal.removeEventListener('abort', cancel);
  }
  const told = await client.withDeadline(Date.now() + ANSWER_TIMEOUT_MS, () => handle.query('getAssessment'));
  const { summary, parts } = answer.parse(told);
  if (!summary) throw new VmferryError('Internal', `the assessment ${workflowId} has ended without a summary`);
  return { ...summary, vms: parts.flatMap(unpackVms) };
}

async function followed(context: Context, handle: WorkflowHandle): Promise<void> {
  const end = { reached: false };
  const ended = handle.result().finally(() => (end.reached = true));
  ended.catch(() => undefined);
  let said = '';
  while (!end.reached) {
    const status = await handle.query('getStatus').then(
      (told) => fleetStatus.parse(told),
      // No worker yet, or a busy one: the end is waited for all the same.
      () => null,
    );
    const line = status?.total != null ? `assessed ${status.counts.vms} of ${status.total}` : '';
    if (line !== '' && line !== said) context.err(`${line}\n`);
    said = line || said;
    await Promise.race([
      sleep(REFRESH_MS, undefined, { signal: context.signal }).catch(() => undefined),
      ended.catch(() => undefined),
    ]);
    context.signal.throwIfAborted();
  }
  try {
    await ended;
  } catch (error) {
    throw reasonOf(error);
  }
}

/** Why it failed, as the error that an activity or the workflow raised. */
function reasonOf(error: unknown): unknown {
  if (!(error instanceof WorkflowFailedError)) return error;
  const { cause } = error;
  if (!(cause instanceof ApplicationFailure))
    return new VmferryError('Cancelled', 'the assessment was ended from outside', { cause: error });
  const { type, message, details } = cause;
  const remedy = details?.[0];
  const known = typeof remedy === 'string' ? remedy : null;
  return new VmferryError(type && isErrorCode(type) ? type : 'Internal', without(message, known), {
    ...(known === null ? {} : { remedy: known }),
    cause: error,
  });
}

/** The workflow's message ends with its remedy, for those who see only that. */
function without(message: string, remedy: string | null): string {
  return remedy !== null && message.endsWith(`\n${remedy}`) ? message.slice(0, -remedy.length - 1) : message;
}
