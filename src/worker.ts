import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import {
  NativeConnection,
  type NativeConnectionOptions,
  Runtime,
  Worker,
  DefaultLogger,
  type ActivityInterceptorsFactory,
  type LogLevel,
  type LogMetadata,
} from '@temporalio/worker';
import proto from '@temporalio/proto';
import { createActivities } from '../activities/index.js';
import type { ActivityDeps, Site } from '../activities/deps.js';
import { activityInterceptor } from '../activities/interceptor.js';
import { reportsDirectory, siteOf, type VmferryConfig } from './config.js';
import { VmferryError } from './errors.js';
import { openSite } from './platforms/registry.js';
import type { Owner } from './platforms/platform.js';
import { migrationIdOf } from '../workflows/migration-id.js';
import { siteTaskQueue, TASK_QUEUE, temporalSettings } from './temporal.js';

export interface WorkerOptions {
  config: VmferryConfig & { path: string };
  /** Address of the Temporal server. Default: the standard environment configuration, else localhost:7233. */
  address?: string;
  /** Default: the standard environment configuration, else `default`. */
  namespace?: string;
  /** How the server is reached: TLS, API key. Default: the standard environment configuration. */
  connection?: NativeConnectionOptions;
  /** Sites whose activities this worker runs. Default: all of the configuration. */
  sites?: string[];
  /** Default `WARN`. */
  logLevel?: LogLevel;
}

export interface RunningWorker {
  readonly address: string;
  readonly namespace: string;
  /** Ends when the worker does; rejects when it failed. */
  readonly ended: Promise<void>;
  /** Lets running activities detach, then ends. Idempotent. */
  stop(): Promise<void>;
}

/** Activities get this long to detach from their copies when the worker is stopped. */
const GRACE = '10s';
const { WORKFLOW_EXECUTION_STATUS_RUNNING: RUNNING } = proto.temporal.api.enums.v1.WorkflowExecutionStatus;
/** gRPC's status code. */
const NOT_FOUND = 5;
const bundlePath = fileURLToPath(new URL('../workflow-bundle.js', import.meta.url));

/** A worker that only orchestrates, and one that only acts, are meant so. */
const MEANT = /^No (activities|workflows) registered/;

/**
 * A step or a migration that failed as it may has a status that says why: for a log a line is enough, without our own
 * stack. What nobody expected keeps its stack.
 */
export function briefly(message: string, meta: LogMetadata | undefined): [string, LogMetadata?] {
  const { error, activityType, workflowId, attempt } = meta ?? {};
  const why = whyExpected(error);
  if (why !== null && message === 'Activity failed')
    return [`${String(activityType)} of ${String(workflowId)}, try ${String(attempt)}: ${why}`];
  if (why !== null && message === 'Workflow failed') return [`${String(workflowId)} failed: ${why}`];
  return meta ? [message, meta] : [message];
}

/** The message of an error that was raised on purpose, else null. Errors of workflows come from another realm. */
function whyExpected(error: unknown): string | null {
  if (typeof error !== 'object' || error === null || !('message' in error)) return null;
  // A copy from a workflow's thread has lost its type, but not the first word of its stack.
  const copied = 'stack' in error && /^ApplicationFailure\b/.test(String(error.stack)) ? 'ApplicationFailure' : null;
  const type = error instanceof VmferryError ? error.code : 'type' in error ? error.type : copied;
  return typeof type === 'string' && type !== 'Internal' ? String(error.message).replaceAll('\n', '\n  ') : null;
}

let installed = false;

/** Quiet logs, set once a process: the SDK's runtime is global. */
function installRuntime(logLevel: LogLevel): void {
  if (installed) return;
  installed = true;
  const console = new DefaultLogger(logLevel);
  const logger = new DefaultLogger(logLevel, (entry) => {
    if (!MEANT.test(entry.message)) console.log(entry.level, ...briefly(entry.message, entry.meta));
  });
  Runtime.install({ logger, telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' } } } });
}

/**
 * One worker serves orchestration and the activities of every site named.
 * @throws VmferryError `Unreachable` when no Temporal server answers.
 */
export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  installRuntime(options.logLevel ?? 'WARN');
  const settings = temporalSettings();
  const address = options.address ?? settings.address;
  const namespace = options.namespace ?? settings.namespace;
  const connection = await connect({ ...(options.connection ?? settings.connection), address }, address);
  const sites = new Map<string, Site>();
  const deps: ActivityDeps = {
    config: options.config,
    cluster: (await connection.workflowService.getClusterInfo({})).clusterId ?? address,
    workflowRuns: (owner) => workflowRuns(connection, owner),
    reports: reportsDirectory(options.config),
    site(name) {
      const known = sites.get(name) ?? openSite(name, siteOf(options.config, name));
      sites.set(name, known);
      return known;
    },
  };
  const activities = createActivities(deps);
  const shared = {
    connection,
    namespace,
    activities,
    interceptors: { activity: [activityInterceptor] as ActivityInterceptorsFactory[] },
    shutdownGraceTime: GRACE,
    // A pause or an abort reaches a running copy within this and the heartbeat of a second.
    maxHeartbeatThrottleInterval: '1s',
    defaultHeartbeatThrottleInterval: '1s',
  } as const;
  const code = await readFile(bundlePath, 'utf8').catch((cause: unknown) => {
    throw new VmferryError('Internal', 'cannot read the workflow bundle', { remedy: 'Build it: npm run build', cause });
  });
  const workers = [
    await Worker.create({
      connection,
      namespace,
      taskQueue: TASK_QUEUE,
      workflowBundle: { code },
      // Local ones only: what is done at a site is done by a worker for it.
      activities: { checkSites: (ref: Parameters<typeof activities.checkSites>[0]) => activities.checkSites(ref) },
      interceptors: shared.interceptors,
      enableNonLocalActivities: false,
      maxCachedWorkflows: 200,
      reuseV8Context: true,
    }),
    ...(await Promise.all(
      (options.sites ?? Object.keys(options.config.sites)).map((site) =>
        Worker.create({ ...shared, taskQueue: siteTaskQueue(site), maxConcurrentActivityTaskExecutions: 50 }),
      ),
    )),
  ];
  const runs = workers.map((worker) => worker.run());
  const stopAll = () => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  const ended = Promise.all(runs)
    .catch((error: unknown) => {
      stopAll();
      throw error;
    })
    .finally(async () => {
      await Promise.allSettled(runs);
      await Promise.allSettled([...sites.values()].map((site) => site.close()));
      await connection.close();
    })
    .then(() => undefined);
  // Whoever waits sees the failure; without anybody waiting it must not end the process by itself.
  ended.catch(() => undefined);
  return {
    address,
    namespace,
    ended,
    async stop() {
      stopAll();
      await ended;
    },
  };
}

/** A workflow's id may have been used again since: only the run of that migration counts. */
async function workflowRuns(connection: NativeConnection, owner: Owner): Promise<boolean> {
  const { namespace, workflowId } = owner;
  try {
    const { workflowExecutionInfo: info } = await connection.workflowService.describeWorkflowExecution({
      namespace,
      execution: { workflowId },
    });
    if (info?.status !== RUNNING) return false;
    return migrationIdOf(namespace, workflowId, info.firstRunId || (info.execution?.runId ?? '')) === owner.migrationId;
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === NOT_FOUND) return false;
    throw new VmferryError('Unreachable', `cannot ask Temporal whether the workflow ${workflowId} runs`, { cause });
  }
}

async function connect(
  options: Parameters<typeof NativeConnection.connect>[0],
  address: string,
): Promise<NativeConnection> {
  try {
    return await NativeConnection.connect(options);
  } catch (cause) {
    throw new VmferryError('Unreachable', `cannot reach a Temporal server at ${address}`, {
      remedy: 'Start one with `vmferry up`, or name yours with TEMPORAL_ADDRESS.',
      cause,
    });
  }
}
