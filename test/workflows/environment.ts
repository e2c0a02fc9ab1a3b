import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import type { MigrationStatus } from '../../src/model/status.js';
import type { DecisionName } from '../../src/request/decisions.js';
import type { MigrateVmInput } from '../../src/request/migrate-vm.js';
import { findTemporal } from '../temporal.js';
import { activityInterceptor } from '../../activities/interceptor.js';
import type { FakeWorld } from './fake-world.js';

Runtime.install({
  logger: new DefaultLogger('ERROR'),
  telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' } } },
});

const bundle = { code: await readFile(new URL('../../workflow-bundle.js', import.meta.url), 'utf8') };

/** Continue-as-new is suggested early, so that it happens within a test. */
const SUGGEST_AFTER_EVENTS = 90;

/** A real Temporal server with workers over a FakeWorld; ended with `stop`. */
export class Environment {
  private constructor(readonly test: TestWorkflowEnvironment) {}

  static async start(): Promise<Environment> {
    const attributes = ['VmferryPhase', 'VmferryVm', 'VmferrySource', 'VmferryTarget', 'VmferryWave'];
    const test = await TestWorkflowEnvironment.createLocal({
      server: {
        executable: { type: 'existing-path', path: await findTemporal() },
        searchAttributes: attributes.map((name) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD)),
        extraArgs: ['--dynamic-config-value', `limit.historyCount.suggestContinueAsNew=${SUGGEST_AFTER_EVENTS}`],
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
    script: (run: Run) => Promise<void>,
  ): Promise<void> {
    const name = `vm-${randomUUID().slice(0, 8)}`;
    const connection = this.test.nativeConnection;
    const queue = `vmferry-${name}`;
    const [source, target] = [`old-${name}`, `new-${name}`];
    const activities = world.activities();
    const short = { shutdownGraceTime: '2s', maxHeartbeatThrottleInterval: '200ms' } as const;
    const workers = await Promise.all([
      Worker.create({ connection, taskQueue: queue, workflowBundle: bundle }),
      Worker.create({
        connection,
        taskQueue: `vmferry.site.${source}`,
        activities,
        interceptors: { activity: [activityInterceptor] },
        ...short,
      }),
      Worker.create({
        connection,
        taskQueue: `vmferry.site.${target}`,
        activities,
        interceptors: { activity: [activityInterceptor] },
        ...short,
      }),
    ]);
    const runs = workers.map((worker) => worker.run());
    try {
      const handle = await this.test.client.workflow.start('migrateVm', {
        taskQueue: queue,
        workflowId: name,
        args: [{ vm: name, source, target, sync: { interval: '60s', minInterval: '1s' }, ...request }],
        workflowExecutionTimeout: '5m',
      });
      await script(new Run(handle, world));
      await handle.terminate('the test is over').catch(() => undefined);
    } finally {
      for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
      await Promise.all(runs);
    }
  }
}

/** One migration, as its users see it. */
export class Run {
  constructor(
    readonly handle: WorkflowHandle,
    readonly world: FakeWorld,
  ) {}

  status(): Promise<MigrationStatus> {
    return this.handle.query<MigrationStatus>('getStatus');
  }

  update(name: DecisionName, payload?: unknown): Promise<{ accepted: boolean; text: string }> {
    return this.handle.executeUpdate(
      name,
      payload === undefined ? { args: [] as never } : { args: [payload] as never },
    );
  }

  async signal(name: DecisionName, payload?: unknown): Promise<void> {
    await this.handle.signal(name, ...((payload === undefined ? [] : [payload]) as never));
  }

  /** Waits until the status is as asked; fails after 20 s with the status that it has. */
  async until(what: string, reached: (status: MigrationStatus) => boolean): Promise<MigrationStatus> {
    const endsAt = Date.now() + 20_000;
    for (;;) {
      const status = await this.status();
      if (reached(status)) return status;
      if (Date.now() > endsAt)
        throw new Error(`never ${what}: ${JSON.stringify({ ...status, ledger: undefined }, null, 1)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  phase(phase: MigrationStatus['phase']): Promise<MigrationStatus> {
    return this.until(`in ${phase}`, (status) => status.phase === phase);
  }

  async result(): Promise<{ outcome: string; status: MigrationStatus }> {
    return (await this.handle.result()) as { outcome: string; status: MigrationStatus };
  }
}
