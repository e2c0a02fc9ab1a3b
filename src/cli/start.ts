import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { VmferryError } from '../errors.js';
import type { MigrationStatus } from '../model/status.js';
import type { MigrateVmInput } from '../request/migrate-vm.js';
import { TASK_QUEUE, type ConnectedClient } from '../temporal.js';
import { migrationIdOf } from '../../workflows/migration-id.js';
import type { Context } from './context.js';
import { dryRunIdFor, findMigration, workflowIdFor, WORKFLOW_TYPE } from './find.js';
import { follow } from './follow.js';

/** A migration, or a dry run of one, that was started. */
export interface Started {
  workflowId: string;
  runId: string;
  migrationId: string;
  address: string;
  namespace: string;
}

/** @throws VmferryError `AlreadyClaimed` where one of this VM runs already. */
export async function start({ client, settings }: ConnectedClient, request: MigrateVmInput): Promise<Started> {
  const { address, namespace } = settings;
  const { vm, source } = request;
  // A dry run may go on beside a migration, and does not take its place.
  const workflowId = request.dryRun ? dryRunIdFor(source, vm) : workflowIdFor(source, vm);
  try {
    const handle = await client.workflow.start(WORKFLOW_TYPE, {
      taskQueue: TASK_QUEUE,
      workflowId,
      args: [request],
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      workflowIdConflictPolicy: 'FAIL',
      staticSummary: `${request.vm}: ${request.source} to ${request.target}`,
    });
    const runId = handle.firstExecutionRunId;
    return { workflowId, runId, migrationId: migrationIdOf(namespace, workflowId, runId), address, namespace };
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    const first = await findMigration({ client, settings, close: () => Promise.resolve() }, workflowId);
    throw new VmferryError(
      'AlreadyClaimed',
      `cannot ${request.dryRun ? 'assess' : 'migrate'} ${vm}: the ${request.dryRun ? 'dry run' : 'migration'} ${first.migrationId} of it runs already (workflow ${workflowId})`,
      {
        remedy: `Look at it with \`vmferry status ${workflowId}\`, or end it with \`vmferry abort ${workflowId}\`.`,
        cause: error,
      },
    );
  }
}

/** Follows it to its end, and returns its last status. */
export async function waitFor(
  context: Context,
  connected: ConnectedClient,
  started: Started,
  flags: { watch?: boolean; json?: boolean },
): Promise<MigrationStatus> {
  const found = await findMigration(connected, started.workflowId);
  const quiet = flags.json ? aside(context) : context;
  const manner = flags.watch && context.terminal ? 'page' : 'lines';
  return await follow(quiet, connected.client, found, manner);
}

/** Progress of what prints data goes to standard error. */
export function aside(context: Context): Context {
  return { ...context, out: context.err };
}
