import assert from 'node:assert/strict';
import { waitForGuest, type Guest, type GuestOptions } from '../../lab/guest/guest.js';
import type { MigrateVmInput } from '../../src/request/migrate-vm.js';
import type { MigrationStatus } from '../../src/model/status.js';
import type { Run } from '../run.js';
import { BothWatch } from './both.js';
import { contentDigest } from './content-digest.js';
import { World } from './world.js';

export const MIB = 1024 ** 2;

/** Goes to the end by itself, with no rehearsal. */
export const AUTOMATIC = {
  cutover: { approval: 'automatic' },
  rehearsal: { enabled: false },
} satisfies Partial<MigrateVmInput>;

/** As AUTOMATIC, with a seed that takes long enough for something to happen in it. */
export const SLOW = {
  ...AUTOMATIC,
  sync: { interval: '60s', minInterval: '1s', convergedBelow: '16MiB', bandwidth: '8MiB/s' },
} satisfies Partial<MigrateVmInput>;

/** One guest after the other in one world, each watched for running at both hosts. */
export class Scene {
  private moved: Guest | undefined;
  private watch: BothWatch | undefined;

  private constructor(readonly world: World) {}

  static async start(): Promise<Scene> {
    return new Scene(await World.start());
  }

  async stop(): Promise<void> {
    await this.world.stop();
  }

  /** `web01` at dc-old, with one small data disk unless other ones are asked for. */
  async begin(options: GuestOptions = {}): Promise<Guest> {
    if (this.world.workers.length === 0) await this.world.startWorker();
    const small = { name: 'web01', dataDisks: [{ sizeBytes: 128 * MIB }], churnKibPerSecond: 32 };
    this.moved = await this.world.guest({ ...small, ...options });
    this.watch = await BothWatch.start(this.world, 'web01');
    return this.moved;
  }

  /** After each test, whatever came of it. */
  async clear(): Promise<void> {
    await this.watch?.stop();
    this.watch = undefined;
    if (this.moved) await this.world.forget(this.moved);
    this.moved = undefined;
  }

  /** The target runs, and every disk's digest is that of what the stopped source holds. */
  async arrives(run: Run): Promise<MigrationStatus> {
    const { world, moved } = this;
    const running = await run.phase('awaiting-acceptance');
    assert.equal(await world.virsh('old', 'domstate', 'web01'), 'shut off');
    for (const disk of moved!.disks) {
      const record = running.disks.find((each) => each.name === disk.target);
      assert.equal(record?.rootDigest, await contentDigest(world.lab.old.host, disk.path, disk.format), disk.target);
    }
    await waitForGuest(world.lab.new, moved!, 300_000);
    return running;
  }

  async completes(run: Run): Promise<MigrationStatus> {
    await this.arrives(run);
    await run.update('acceptTarget');
    return this.ends(run, 'completed');
  }

  /** It ended as it should, the VM never ran twice, and nothing is left but what is meant to stay. */
  async ends(run: Run, outcome: 'completed' | 'rolled-back' | 'aborted'): Promise<MigrationStatus> {
    const result = await run.result();
    assert.equal(result.outcome, outcome, result.status.error?.message);
    assert.deepEqual(await this.watch!.stop(), []);
    const kept = outcome === 'completed' ? 'nothing' : `/.vmferry-${result.status.migrationId}`;
    const left = await this.world.leftovers(result.status.migrationId);
    assert.deepEqual(
      left.filter((line) => !line.endsWith(kept)),
      [],
    );
    return result.status;
  }
}
