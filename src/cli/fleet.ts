import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApplicationFailure, WorkflowFailedError, type Client, type WorkflowHandle } from '@temporalio/client';
import { z } from 'zod';
import { isErrorCode, VmferryError } from '../errors.js';
import { blockers } from '../model/finding.js';
import { fleetStatus, fleetSummary, type FleetAssessment, type FleetStatus } from '../model/fleet.js';
import { unpackVms } from '../report/fleet-part.js';
import type { AssessFleetInput } from '../request/assess-fleet.js';
import { TASK_QUEUE, type ConnectedClient } from '../temporal.js';
import { noAnswer } from './ask.js';
import type { Context } from './context.js';
import { BLOCKED, DONE } from './exit.js';
import { FLEET_TYPE, type Found } from './find.js';
import { fleetText } from './fleet-text.js';
import { JsonLines } from './json-lines.js';
import { linesOf } from './wrap.js';

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
  const handle = await client.workflow.start(FLEET_TYPE, {
    taskQueue: TASK_QUEUE,
    workflowId,
    args: [request],
    staticSummary: `assess ${source} for ${target}`,
  });
  const cancel = () => void handle.cancel().catch(() => undefined);
  context.signal.addEventListener('abort', cancel, { once: true });
  try {
    await followed(context, handle, null);
  } finally {
    context.signal.removeEventListener('abort', cancel);
  }
  return await assessmentOf(client, handle);
}

/** Follows an assessment to its end, which leaving off does not stop. With `json`, its status as lines. */
export async function followFleet(
  context: Context,
  { client }: ConnectedClient,
  { workflowId, runId }: Found,
  json: boolean,
): Promise<FleetAssessment> {
  const handle = client.workflow.getHandle(workflowId, runId);
  const lines = json ? new JsonLines(context) : null;
  await followed(context, handle, lines);
  lines?.draw(fleetStatus.parse(await asked(client, handle, 'getStatus')));
  return await assessmentOf(client, handle);
}

/** How far an assessment is, and all of it where it is whole. @throws VmferryError `Unreachable` without a worker. */
export async function askFleet(
  { client }: ConnectedClient,
  { workflowId, runId }: Found,
): Promise<{ status: FleetStatus; assessment: FleetAssessment | null }> {
  const handle = client.workflow.getHandle(workflowId, runId);
  const status = fleetStatus.parse(await asked(client, handle, 'getStatus'));
  return { status, assessment: status.summary ? await assessmentOf(client, handle) : null };
}

/** An assessment that goes on, or did not come to its end, as lines. */
export function fleetLines({ source, target, phase, counts, total, error }: FleetStatus, workflowId: string): string {
  const { ready, readyWithWarnings, blocked, unreadable } = counts;
  const lines = [
    `${source} -> ${target}   ${phase}`,
    `  workflow   ${workflowId}`,
    `  assessed   ${counts.vms} of ${total ?? 'how many is not known yet'}: ${ready} ready, ${readyWithWarnings} with warnings, ${blocked} blocked, ${unreadable} unreadable`,
    ...(error ? [`  error      ${error.message}`, ...(error.remedy ? [`             ${error.remedy}`] : [])] : []),
  ];
  return linesOf(lines.flatMap((line) => line.split('\n')));
}

/** The assessment for people; the exit status tells whether something stands against it. */
export function printFleet(context: Context, fleet: FleetAssessment): number {
  context.out(fleetText(fleet, context.columns));
  return exitOfFleet(fleet);
}

export function exitOfFleet({ counts, findings }: FleetAssessment): number {
  return counts.blocked + counts.unreadable > 0 || blockers(findings).length > 0 ? BLOCKED : DONE;
}

async function assessmentOf(client: Client, handle: WorkflowHandle): Promise<FleetAssessment> {
  const { summary, parts } = answer.parse(await asked(client, handle, 'getAssessment'));
  if (!summary) throw new VmferryError('Internal', `the assessment ${handle.workflowId} has ended without a summary`);
  return { ...summary, vms: parts.flatMap(unpackVms) };
}

async function asked(client: Client, handle: WorkflowHandle, query: string): Promise<unknown> {
  try {
    return await client.withDeadline(Date.now() + ANSWER_TIMEOUT_MS, () => handle.query(query));
  } catch (error) {
    throw noAnswer(handle.workflowId, error);
  }
}

async function followed(context: Context, handle: WorkflowHandle, lines: JsonLines | null): Promise<void> {
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
    if (lines && status) lines.draw(status);
    else if (line !== '' && line !== said) context.err(`${line}\n`);
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
