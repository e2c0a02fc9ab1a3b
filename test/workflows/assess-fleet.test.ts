import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { ApplicationFailure } from '@temporalio/common';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { fleetStatus, type FleetStatus } from '../../src/model/fleet.js';
import { unpackVms } from '../../src/report/fleet-part.js';
import { bundleWith, Environment, record } from './environment.js';
import { FakeFleet } from './fake-fleet.js';

/** The workflow over activities that read no site: `names` are there, those that begin with "bad" cannot be read. */

let environment: Environment;
before(async () => {
  environment = await Environment.start(null);
});
after(() => environment.stop());

async function assessing(
  fleet: FakeFleet,
  more: Record<string, unknown>,
  script: (handle: WorkflowHandle) => Promise<void>,
  recordAs: string | null = null,
): Promise<void> {
  const name = randomUUID().slice(0, 8);
  const [source, target] = [`old-${name}`, `new-${name}`];
  const connection = environment.test.nativeConnection;
  const activities = {
    ...(fleet as unknown as Record<string, () => Promise<void>>),
    checkSites: () => Promise.resolve(),
  };
  const workers = await Promise.all([
    Worker.create({
      connection,
      taskQueue: name,
      workflowBundle: bundleWith({}),
      activities,
      enableNonLocalActivities: false,
    }),
    ...[source, target].map((site) =>
      Worker.create({
        connection,
        taskQueue: `vmferry.site.${site}`,
        activities,
        maxHeartbeatThrottleInterval: '100ms',
      }),
    ),
  ]);
  const runs = workers.map((worker) => worker.run());
  try {
    const handle = await environment.test.client.workflow.start('assessFleet', {
      ...{ taskQueue: name, workflowId: `fleet-${name}`, args: [{ source, target, ...more }] },
      workflowExecutionTimeout: '1m',
    });
    await script(handle);
    await record(environment.test, `fleet-${name}`, handle.firstExecutionRunId, recordAs);
  } finally {
    for (const worker of workers) worker.shutdown();
    await Promise.all(runs);
  }
}

const failed = async (handle: WorkflowHandle): Promise<ApplicationFailure> => {
  const error: unknown = await handle.result().then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof WorkflowFailedError && error.cause instanceof ApplicationFailure, String(error));
  return error.cause;
};

test('120 VMs are assessed in three batches; one that cannot be read is a line, and a few events tell it all', async () => {
  const fleet = new FakeFleet(Array.from({ length: 120 }, (_, index) => (index === 70 ? 'bad70' : `vm${index}`)));
  await assessing(
    fleet,
    {},
    async (handle) => {
      const result = (await handle.result()) as { counts: unknown; reportPath: string };
      assert.deepEqual(
        fleet.batches.map(({ length }) => length),
        [50, 50, 20],
      );
      assert.deepEqual(result.counts, { vms: 120, ready: 119, readyWithWarnings: 0, blocked: 0, unreadable: 1 });
      const status = fleetStatus.parse(await handle.query<FleetStatus>('getStatus'));
      assert.deepEqual([status.phase, status.total, status.blocked], ['completed', 120, ['bad70']]);
      assert.equal(status.reportPath, result.reportPath);
      const { parts } = await handle.query<{ parts: string[] }>('getAssessment');
      assert.deepEqual(
        parts.flatMap(unpackVms).map(({ name }) => name),
        fleet.names,
      );
      const { events } = await handle.fetchHistory();
      assert.ok(events!.length < 60, `${events!.length} events`);
      const found = await handle.describe();
      assert.deepEqual(found.searchAttributes['VmferryPhase'], ['completed']);
    },
    'fleet',
  );
});

test('a source without VMs is assessed as well', async () => {
  const fleet = new FakeFleet([]);
  await assessing(fleet, {}, async (handle) => {
    assert.deepEqual(((await handle.result()) as { counts: { vms: number } }).counts.vms, 0);
    assert.deepEqual(fleet.batches, []);
  });
});

test('a wrong request fails at once, with a line for each wrong field', async () => {
  await assessing(new FakeFleet([]), { vms: [], storage: '', targetName: 'x' }, async (handle) => {
    const { type, message } = await failed(handle);
    assert.equal(type, 'InvalidRequest');
    const [, ...lines] = message.split('\n');
    assert.deepEqual(lines, [
      '  storage: given "", expected a text of at least 1 character',
      '  vms: given [], expected a list of at least 1 element',
      '  targetName: unknown field',
    ]);
  });
});

test('what the sites refuse is told with what to do about it, in the error and in the status', async () => {
  const fleet = new FakeFleet([]);
  fleet.failure = ApplicationFailure.create({
    ...{
      type: 'InvalidRequest',
      message: 'cannot find network "lan"',
      nonRetryable: true,
      details: ['Networks: prod.'],
    },
  });
  await assessing(fleet, {}, async (handle) => {
    const { type, message } = await failed(handle);
    assert.deepEqual([type, message], ['InvalidRequest', 'cannot find network "lan"\nNetworks: prod.']);
    const { phase, error } = fleetStatus.parse(await handle.query('getStatus'));
    assert.equal(phase, 'failed');
    assert.deepEqual(error, { code: type, message: 'cannot find network "lan"', remedy: 'Networks: prod.' });
  });
});

test('cancelling stops the activity that runs, and the assessment', async () => {
  const fleet = new FakeFleet(['web01']);
  fleet.holds = true;
  await assessing(fleet, {}, async (handle) => {
    while (fleet.batches.length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    await handle.cancel();
    await assert.rejects(handle.result(), WorkflowFailedError);
    assert.equal((await handle.describe()).status.name, 'CANCELLED');
    assert.ok(fleet.cancelled);
  });
});
