import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import type { MigrateVmInput } from '../../src/request/migrate-vm.js';
import { Run } from '../run.js';
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
      await script(new Run(handle));
      await handle.terminate('the test is over').catch(() => undefined);
    } finally {
      for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
      await Promise.all(runs);
    }
  }
}
