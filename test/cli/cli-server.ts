import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from '@temporalio/worker';
import type { FleetActivities } from '../../activities/fleet-io.js';
import type { MigrationActivities } from '../../activities/io.js';
import { migrationStatus, type MigrationStatus } from '../../src/model/status.js';
import { connectClient, type ConnectedClient } from '../../src/temporal.js';
import { Environment } from '../workflows/environment.js';
import { FakeWorld } from '../workflows/fake-world.js';
import { vmferry as run, type Ran } from './capture.js';

const bundle = { code: await readFile(new URL('../../workflow-bundle.js', import.meta.url), 'utf8') };

/** Longer than anything takes on a loaded machine. */
export const WAIT_MS = 40_000;
/** What `migrate` needs besides a VM. */
export const MIGRATE = ['--from', 'dc-old', '--to', 'dc-new', '--set', 'sync.minInterval=1s'];

/**
 * The command line against a real Temporal server and the real workflow; sites are a FakeWorld. One queue of
 * orchestration and two sites serve all tests of a file, a VM of its own each.
 */
export class CliServer {
  private constructor(
    readonly environment: Environment,
    readonly world: FakeWorld,
    private readonly workers: readonly Worker[],
    private readonly runs: readonly Promise<void>[],
  ) {}

  /** @param change activities of a test's own, given those of the world. */
  static async start(
    change: (plain: MigrationActivities) => Partial<MigrationActivities & FleetActivities> = () => ({}),
  ): Promise<CliServer> {
    const environment = await Environment.start();
    const world = new FakeWorld();
    const connection = environment.test.nativeConnection;
    const plain = world.activities();
    const activities = { ...plain, ...change(plain) };
    const short = { shutdownGraceTime: '1s', maxHeartbeatThrottleInterval: '100ms' } as const;
    const workers = await Promise.all([
      Worker.create({
        connection,
        taskQueue: 'vmferry',
        workflowBundle: bundle,
        activities: { checkSites: (ref: Parameters<typeof activities.checkSites>[0]) => activities.checkSites(ref) },
        enableNonLocalActivities: false,
      }),
      Worker.create({ connection, taskQueue: 'vmferry.site.dc-old', activities, ...short }),
      Worker.create({ connection, taskQueue: 'vmferry.site.dc-new', activities, ...short }),
    ]);
    return new CliServer(
      environment,
      world,
      workers,
      workers.map((worker) => worker.run()),
    );
  }

  async stop(): Promise<void> {
    for (const worker of this.workers) if (worker.getState() === 'RUNNING') worker.shutdown();
    await Promise.all(this.runs);
    await this.environment.stop();
  }

  get address(): string {
    return this.environment.test.address;
  }

  readonly connect = (): Promise<ConnectedClient> => {
    const { address } = this;
    return connectClient({ address, namespace: 'default', connection: { address } });
  };

  readonly vmferry = (...argv: string[]): Promise<Ran> => run(argv, { connect: this.connect });

  /** A command that goes on, and what it has printed so far. */
  readonly started = (...argv: string[]): { ended: Promise<Ran>; printed: (wanted: RegExp) => Promise<string> } => {
    let out = '';
    const ended = run(argv, { connect: this.connect, out: (text) => void (out += text) });
    const printed = async (wanted: RegExp) => {
      const endsAt = Date.now() + WAIT_MS;
      while (!wanted.test(out)) {
        assert.ok(Date.now() < endsAt, `never printed ${String(wanted)}, but ${out}`);
        await sleep(50);
      }
      return out;
    };
    return { ended, printed };
  };

  readonly statusOf = async (name: string): Promise<MigrationStatus> => {
    const { exit, out, err } = await this.vmferry('status', name, '--json');
    assert.equal(exit, 0, err);
    return migrationStatus.parse(JSON.parse(out));
  };

  readonly until = async (name: string, phase: string): Promise<MigrationStatus> => {
    const endsAt = Date.now() + WAIT_MS;
    for (;;) {
      const status = await this.statusOf(name);
      if (status.phase === phase) return status;
      assert.ok(Date.now() < endsAt, `never ${phase}, but ${status.phase}`);
      await sleep(100);
    }
  };

  /** Sees a text in Temporal's lists, which are a moment late. */
  readonly listed = async (wanted: string | RegExp): Promise<void> => {
    const endsAt = Date.now() + WAIT_MS;
    for (;;) {
      const { out } = await this.vmferry('list', '--all');
      if (typeof wanted === 'string' ? out.includes(wanted) : wanted.test(out)) return;
      assert.ok(Date.now() < endsAt, `${String(wanted)} is never listed, but ${out}`);
      await sleep(100);
    }
  };
}
