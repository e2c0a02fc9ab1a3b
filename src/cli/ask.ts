import { defaultPayloadConverter, ServiceError, WorkflowFailedError, type Client } from '@temporalio/client';
import { VmferryError } from '../errors.js';
import { heartbeatDetails, migrationStatus, type DiskProgress, type MigrationStatus } from '../model/status.js';
import { TASK_QUEUE } from '../temporal.js';
import type { Found } from './find.js';

/** How long a worker may take to answer before it counts as missing. */
const ANSWER_TIMEOUT_MS = 20_000;

/** What a migration's running activity does, from its heartbeats and retries. */
export interface LiveActivity {
  /** The activity's type, such as `runPass`. */
  name: string;
  attempt: number;
  /** Why the last try failed; null at the first. */
  lastFailure: string | null;
  disks: DiskProgress[];
}

/**
 * The status of a migration, of a finished one too.
 * @throws VmferryError `Unreachable` when no worker answers, `ToolFailed` when the answer is none.
 */
export async function askStatus(client: Client, found: Found): Promise<MigrationStatus> {
  // What has ended needs no worker to tell of itself, unless it failed.
  const ended = found.running ? null : await awaitEnd(client, found);
  if (ended) return ended;
  const handle = client.workflow.getHandle(found.workflowId, found.runId);
  let answer: unknown;
  try {
    answer = await client.withDeadline(Date.now() + ANSWER_TIMEOUT_MS, () => handle.query('getStatus'));
  } catch (error) {
    throw noAnswer(found.workflowId, error);
  }
  return readStatus(answer, found.workflowId);
}

/** A status as a worker, perhaps a newer one, tells it: fields that are not known here are kept. */
export function readStatus(answer: unknown, workflowId: string): MigrationStatus {
  const parsed = migrationStatus.safeParse(answer);
  if (parsed.success) return parsed.data;
  if (parsed.error.issues.every((issue) => issue.code === 'unrecognized_keys')) return answer as MigrationStatus;
  throw new VmferryError(
    'ToolFailed',
    `cannot read the status of ${workflowId}: the worker tells it in another shape`,
    {
      remedy: 'Use the same version of vmferry for the worker and the command line.',
      cause: parsed.error,
    },
  );
}

/** What runs for a migration right now. Empty where nothing does. */
export async function askLive(client: Client, found: Found): Promise<LiveActivity[]> {
  const { raw } = await client.workflow.getHandle(found.workflowId, found.runId).describe();
  return (raw.pendingActivities ?? []).map((each) => {
    const payload = each.heartbeatDetails?.payloads?.[0];
    const details = payload ? heartbeatDetails.safeParse(defaultPayloadConverter.fromPayload(payload)) : null;
    return {
      name: each.activityType?.name ?? 'activity',
      attempt: each.attempt ?? 1,
      lastFailure: each.lastFailure?.message ?? null,
      disks: details?.success ? details.data.disks : [],
    };
  });
}

/**
 * Waits for a migration's end. A failed workflow is no error here: its status tells.
 * @returns the status that the workflow returned, or null when it failed or was ended from outside.
 */
export async function awaitEnd(client: Client, found: Found): Promise<MigrationStatus | null> {
  try {
    const result = await resultOf(client, found);
    return result?.status === undefined ? null : readStatus(result.status, found.workflowId);
  } catch (error) {
    if (error instanceof WorkflowFailedError) return null;
    throw error;
  }
}

/** The end of the chain of runs for one that runs; an ended run has its own. */
async function resultOf(client: Client, { workflowId, runId, running }: Found): Promise<{ status?: unknown }> {
  return await client.workflow
    .getHandle<() => Promise<{ status?: unknown }>>(workflowId, running ? undefined : runId)
    .result();
}

/**
 * Why nobody can tell a status of a migration that has ended: what Temporal keeps of its end. A request that was refused
 * has no status, and its reason stands there.
 */
export async function untold(client: Client, found: Found): Promise<VmferryError> {
  const failed = await resultOf(client, found).then(
    () => null,
    (error: unknown) => error,
  );
  const cause = failed instanceof WorkflowFailedError ? (failed.cause ?? failed) : failed;
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new VmferryError('Internal', `cannot tell how ${found.workflowId} stood when it failed or was ended${why}`, {
    remedy:
      '`vmferry list --all` shows how it stands with Temporal; `vmferry recover` shows what it left at the sites.',
    cause,
  });
}

/** Why a question or a decision got no answer from a worker. */
export function noAnswer(workflowId: string, error: unknown): VmferryError {
  const reason = error instanceof ServiceError && error.cause instanceof Error ? error.cause.message : String(error);
  if (/Workflow Task in failed state/.test(reason)) {
    return new VmferryError('Unreachable', `cannot ask ${workflowId}: a worker is there, but fails at its workflow`, {
      remedy:
        "The last WorkflowTaskFailed in the workflow's history tells why; a worker of another version is the usual reason (docs/operating.md, upgrading). Nothing is lost meanwhile.",
      cause: error,
    });
  }
  return new VmferryError(
    'Unreachable',
    `cannot ask ${workflowId}: no worker answers on task queue ${TASK_QUEUE} (${reason})`,
    {
      remedy: 'Start one with `vmferry worker` (or `vmferry up`); nothing is lost meanwhile.',
      cause: error,
    },
  );
}
