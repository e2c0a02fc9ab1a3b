import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import proto from '@temporalio/proto';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import type { MigrateVmInput } from '../../src/request/migrate-vm.js';
import { Run } from '../run.js';
import { findTemporal } from '../temporal.js';
import { activityInterceptor } from '../../activities/interceptor.js';
import type { FakeWorld } from './fake-world.js';
import './quiet.js';

const code = await readFile(new URL('../../workflow-bundle.js', import.meta.url), 'utf8');

/** Constants of workflows/activities.ts and go-on.ts, as a test can wait for them. */
export type Patience = Partial<
  Record<
    | 'ROOM_EVENTS'
    | 'TAKEN_UP_PATIENT_MS'
    | 'TAKEN_UP_QUICK_MS'
    | 'HEARTBEAT_TIMEOUT_MS'
    | 'MOST_BACKOFF_MS'
    | 'PATIENT_TRIES',
    number
  >
>;

/** The workflow bundle with other constants. */
export function bundleWith(patience: Patience): { code: string } {
  let changed = code;
  for (const [name, value] of Object.entries(patience)) {
    const before = changed;
    changed = changed.replace(new RegExp(`(const ${name} = )[\\d_]+`), `$1${value}`);
    if (changed === before) throw new Error(`the workflow bundle has no constant ${name}`);
  }
  return { code: changed };
}

export interface MigrateOptions {
  /** Sites that have no worker at first. */
  without?: readonly Side[];
  patience?: Patience;
}

export type Side = 'source' | 'target';

/** The workers of the sites, to be ended and started by a test. */
export interface SiteWorkers {
  start(side: Side): Promise<void>;
  stop(side: Side): Promise<void>;
}

/** Continue-as-new is suggested early, so that it happens within a test. */
const SUGGEST_AFTER_EVENTS = 90;

/** A real Temporal server with workers over a FakeWorld; ended with `stop`. */
export class Environment {
  private constructor(readonly test: TestWorkflowEnvironment) {}

  /** @param suggestAfterEvents null: as the server comes. */
  static async start(suggestAfterEvents: number | null = SUGGEST_AFTER_EVENTS): Promise<Environment> {
    const limit = `limit.historyCount.suggestContinueAsNew=${suggestAfterEvents}`;
    const attributes = ['VmferryPhase', 'VmferryVm', 'VmferrySource', 'VmferryTarget', 'VmferryWave'];
    const test = await TestWorkflowEnvironment.createLocal({
      server: {
        executable: { type: 'existing-path', path: await findTemporal() },
        searchAttributes: attributes.map((name) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD)),
        extraArgs: suggestAfterEvents === null ? [] : ['--dynamic-config-value', limit],
      },
    });
    return new Environment(test);
  }

  stop(): Promise<void> {
    return this.test.teardown();
  }

  /** Starts a migration over `world` with workers of its own, hands it to `script`, and ends everything. */
  async migrate(
    world: FakeWorld,
    request: Partial<MigrateVmInput>,
    script: (run: Run, workers: SiteWorkers) => Promise<void>,
    options: MigrateOptions = {},
  ): Promise<void> {
    const name = `vm-${randomUUID().slice(0, 8)}`;
    const connection = this.test.nativeConnection;
    const queue = `vmferry-${name}`;
    const names = { source: `old-${name}`, target: `new-${name}` };
    const activities = world.activities();
    const running = new Map<string, { worker: Worker; ended: Promise<void> }>();
    const begin = (key: string, worker: Worker) => void running.set(key, { worker, ended: worker.run() });
    const stop = async (key: string) => {
      const { worker, ended } = running.get(key)!;
      running.delete(key);
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await ended;
    };
    const start = async (side: Side) =>
      begin(
        side,
        await Worker.create({
          connection,
          taskQueue: `vmferry.site.${names[side]}`,
          activities,
          interceptors: { activity: world.beats ? [activityInterceptor] : [] },
          shutdownGraceTime: '2s',
          maxHeartbeatThrottleInterval: '200ms',
        }),
      );
    const workflowBundle = bundleWith(options.patience ?? {});
    begin(
      'workflows',
      await Worker.create({
        connection,
        taskQueue: queue,
        workflowBundle,
        activities: { checkSites: (ref: Parameters<typeof activities.checkSites>[0]) => activities.checkSites(ref) },
        enableNonLocalActivities: false,
      }),
    );
    const sides = (['source', 'target'] as const).filter((side) => !options.without?.includes(side));
    await Promise.all(sides.map(start));
    try {
      const handle = await this.test.client.workflow.start('migrateVm', {
        taskQueue: queue,
        workflowId: name,
        args: [{ vm: name, ...names, sync: { interval: '60s', minInterval: '1s' }, ...request }],
        workflowExecutionTimeout: '5m',
      });
      await script(new Run(handle), { start, stop });
      await record(this.test, name, handle.firstExecutionRunId, world.recordAs);
      await handle.terminate('the test is over').catch(() => undefined);
    } finally {
      await Promise.all([...running.keys()].map(stop));
    }
  }
}

/** With VMFERRY_RECORD=1, keeps the history of a run for replay.test.ts: see test/histories/README.md. */
export async function record(
  test: TestWorkflowEnvironment,
  workflowId: string,
  firstRunId: string,
  name: string | null,
): Promise<void> {
  if (!process.env['VMFERRY_RECORD'] || name === null) return;
  const { client } = test;
  const { runId } = await client.workflow.getHandle(workflowId).describe();
  for (const [id, file] of [[firstRunId, name], ...(runId === firstRunId ? [] : [[runId, `${name}-last`]])] as [
    string,
    string,
  ][]) {
    const history = await client.workflow.getHandle(workflowId, id).fetchHistory();
    // Of no use in a replay, and of the machine that recorded.
    const bytes = proto.temporal.api.history.v1.History.encode(without(history, ['stackTrace', 'identity'])).finish();
    await writeFile(
      fileURLToPath(new URL(`../../../test/histories/${file}.history.gz`, import.meta.url)),
      gzipSync(bytes, { level: 9 }),
    );
  }
}

/** `value` with every text of those names emptied, wherever it stands. */
function without<T>(value: T, names: readonly string[]): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  for (const [key, inner] of Object.entries(value)) {
    if (names.includes(key) && typeof inner === 'string') Object.assign(value, { [key]: '' });
    else without(inner, names);
  }
  return value;
}
