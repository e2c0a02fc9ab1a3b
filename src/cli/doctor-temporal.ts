import proto from '@temporalio/proto';
import { missingSearchAttributes } from '../search-attributes.js';
import { siteTaskQueue, TASK_QUEUE, type ConnectedClient } from '../temporal.js';
import type { Context } from './context.js';
import { checked, good, type Check } from './doctor.js';

const WHERE = 'temporal';
const { TASK_QUEUE_TYPE_ACTIVITY, TASK_QUEUE_TYPE_WORKFLOW } = proto.temporal.api.enums.v1.TaskQueueType;

/** Server, search attributes, and whether somebody works on every task queue. */
export async function temporalChecks(context: Context, sites: readonly string[]): Promise<Check[]> {
  const checks: Check[] = [];
  const connected = await checked(checks, WHERE, 'server', () => context.connect());
  if (!connected) return checks;
  try {
    const there = await checked(checks, WHERE, 'server', () => server(checks, connected));
    // Without the namespace nothing else can be asked.
    if (!there) return checks;
    await checked(checks, WHERE, 'search attributes', () => attributes(checks, connected));
    await checked(checks, WHERE, 'workers', () => workers(checks, connected, sites));
  } finally {
    await connected.close();
  }
  return checks;
}

async function server(checks: Check[], { client, settings }: ConnectedClient): Promise<true> {
  const info = await client.connection.workflowService.getSystemInfo({});
  await client.connection.workflowService.describeNamespace({ namespace: settings.namespace });
  checks.push(good(WHERE, 'server', `${info.serverVersion} at ${settings.address}, namespace ${settings.namespace}`));
  return true;
}

async function attributes(checks: Check[], { client, settings }: ConnectedClient): Promise<void> {
  const missing = await missingSearchAttributes(client.connection.operatorService, settings.namespace);
  if (missing.length === 0) checks.push(good(WHERE, 'search attributes', 'registered'));
  else {
    const remedy = '`vmferry worker` registers them when it starts, where it may.';
    checks.push({
      where: WHERE,
      what: 'search attributes',
      result: 'note',
      found: `missing: ${missing.join(', ')}`,
      remedy,
    });
  }
}

async function workers(checks: Check[], connected: ConnectedClient, sites: readonly string[]): Promise<void> {
  const queues = [
    [TASK_QUEUE, TASK_QUEUE_TYPE_WORKFLOW],
    ...sites.map((site) => [siteTaskQueue(site), TASK_QUEUE_TYPE_ACTIVITY] as const),
  ] as const;
  const { client, settings } = connected;
  const unserved: string[] = [];
  for (const [name, taskQueueType] of queues) {
    const { pollers } = await client.connection.workflowService.describeTaskQueue({
      namespace: settings.namespace,
      taskQueue: { name },
      taskQueueType,
    });
    if ((pollers ?? []).length === 0) unserved.push(name);
  }
  if (unserved.length === 0) checks.push(good(WHERE, 'workers', queues.map(([name]) => name).join(', ')));
  else {
    const found = `nobody works on ${unserved.join(', ')}`;
    checks.push({
      where: WHERE,
      what: 'workers',
      result: 'note',
      found,
      remedy: 'Start one: vmferry worker (or vmferry up).',
    });
  }
}
