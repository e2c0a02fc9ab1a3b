import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
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

export interface SmallFolder {
  readonly path: string;
  fill(): Promise<void>;
  empty(): Promise<void>;
  /** With the VM that runs on it. */
  remove(): Promise<void>;
}

/** One guest after the other in one world, each watched for running at both hosts. */
export class Scene {
  private moved: Guest | undefined;
  private watch: BothWatch | undefined;
  private sinceMs = 0;

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
    this.sinceMs = Date.now();
    this.moved = await this.world.guest({ ...small, ...options });
    await this.world.virsh('old', 'autostart', 'web01');
    this.watch = await BothWatch.start(this.world, 'web01');
    return this.moved;
  }

  /** After each test, whatever came of it. */
  async clear(): Promise<void> {
    const { watch, moved } = this;
    this.watch = this.moved = undefined;
    try {
      assert.deepEqual((await watch?.stop()) ?? [], []);
    } finally {
      if (moved) await this.world.forget(moved);
    }
  }

  /** The target runs, and every disk's digest is that of what the stopped source holds. */
  async arrives(run: Run): Promise<MigrationStatus> {
    const { world, moved } = this;
    const running = await run.phase('awaiting-acceptance');
    await this.isOff('old');
    const last = await this.acknowledged();
    for (const disk of moved!.disks) {
      const record = running.disks.find((each) => each.name === disk.target);
      assert.equal(record?.rootDigest, await contentDigest(world.lab.old.host, disk.path, disk.format), disk.target);
    }
    await waitForGuest(world.lab.new, moved!, 300_000);
    const first = await this.firstAtTarget();
    assert.ok(first >= last, `the guest's first number at the target is ${first}, the last acknowledged one ${last}`);
    return running;
  }

  /** It is off there and cannot start by itself. */
  async isOff(site: 'old' | 'new'): Promise<void> {
    assert.equal(await this.world.virsh(site, 'domstate', 'web01'), 'shut off');
    assert.match(await this.world.virsh(site, 'dominfo', 'web01'), /Autostart:\s+disable/);
  }

  /** The source runs as it did before, and it was never stopped. */
  async neverStopped(): Promise<void> {
    assert.equal(this.watch!.stretches('old').length, 1);
    await this.isBack();
  }

  /** The source runs, with its autostart and what it had written, and nothing is defined at the target. */
  async isBack(): Promise<void> {
    const { world, moved } = this;
    const last = await this.acknowledged();
    assert.equal(await world.virsh('old', 'domstate', 'web01'), 'running');
    assert.match(await world.virsh('old', 'dominfo', 'web01'), /Autostart:\s+enable/);
    assert.doesNotMatch(await world.virsh('old', 'dumpxml', 'web01'), /<metadata>/);
    assert.equal(await world.virsh('new', 'list', '--all', '--name'), '');
    const signs = await waitForGuest(world.lab.old, moved!, 300_000);
    assert.ok(signs.counter >= last, `the counter is ${signs.counter} after ${last}`);
  }

  /** The guest at dc-old is not frozen: its file systems are thawed, and what it writes is acknowledged. */
  async countsOn(): Promise<void> {
    const { world } = this;
    const frozen = async () => {
      const ask = JSON.stringify({ execute: 'guest-fsfreeze-status' });
      const answer = await world.virsh('old', 'qemu-agent-command', 'web01', ask);
      return answer === '' ? null : (JSON.parse(answer) as { return: string }).return;
    };
    // A freeze that nobody ends is over within seconds, and not the guest's end.
    await world.until('thawed', async () => (await frozen()) === 'thawed', 30_000);
    const before = await this.acknowledged();
    await world.until('counting on', async () => (await this.acknowledged()) > before, 60_000);
  }

  /** A folder at dc-new with little room, that can be filled up. To be removed before the test ends. */
  async smallFolder(size: string): Promise<SmallFolder> {
    const { host } = this.world.lab.new;
    const path = '/var/lib/libvirt/small';
    const mount = 'mkdir -p "$1" && mount -t tmpfs -o "size=$2,mode=755" small "$1"';
    await host.run('sh', ['-c', mount, 'sh', path, size]);
    return {
      path,
      fill: async () => {
        await host.run('sh', ['-c', 'cat /dev/zero >"$1/filler" 2>/dev/null; true', 'sh', path]);
      },
      empty: async () => {
        await host.run('rm', ['--', `${path}/filler`]);
      },
      remove: async () => {
        await this.world.virsh('new', 'destroy', 'web01');
        await host.run('umount', ['-l', '--', path]);
      },
    };
  }

  /** The last number that this test's guest acknowledged at dc-old. */
  async acknowledged(): Promise<number> {
    const numbers = (await this.world.recorder.numbers()).filter(({ atMs }) => atMs >= this.sinceMs);
    return numbers.reduce((last, { counter }) => Math.max(last, counter), 0);
  }

  /** The number that this test's guest found at its first boot at dc-new. */
  private async firstAtTarget(): Promise<number> {
    for (let tries = 0; tries < 600; tries++) {
      const [boot] = (await this.world.targetRecorder.boots()).filter(({ atMs }) => atMs >= this.sinceMs);
      if (boot) return boot.first;
      await sleep(100);
    }
    throw new Error('the guest never called the recorder at dc-new');
  }

  /** When the guest ran where, so far. */
  get ran(): BothWatch {
    return this.watch!;
  }

  async completes(run: Run): Promise<MigrationStatus> {
    await this.arrives(run);
    await run.update('acceptTarget');
    return this.ends(run, 'completed');
  }

  /** It ended as it should, the VM never ran twice, and nothing is left or in the ledger but what is meant to stay. */
  async ends(run: Run, outcome: 'completed' | 'rolled-back' | 'aborted'): Promise<MigrationStatus> {
    const result = await run.result();
    assert.equal(result.outcome, outcome, result.status.error?.message);
    assert.deepEqual(await this.watch!.stop(), []);
    // What stays: the UEFI variables of the VM that is at the target now, or the folder of the replica that is kept.
    const { migrationId } = result.status;
    const kept = outcome === 'completed' ? `-${migrationId}.nvram` : `/.vmferry-${migrationId}`;
    const left = await this.world.leftovers(result.status.migrationId);
    assert.deepEqual(
      left.filter((line) => !line.endsWith(kept)),
      [],
    );
    const stays = outcome === 'completed' ? ['domain'] : ['replica'];
    const open = result.status.ledger.filter((entry) => entry.removedAt === null).map((entry) => entry.kind);
    assert.deepEqual(
      open.filter((kind) => !stays.includes(kind)),
      [],
    );
    return result.status;
  }
}

/** Runs a script in `web01` at dc-old, through its agent and past ssh. @returns what it printed. */
export async function inGuest(world: World, script: string): Promise<string> {
  const ask = async (execute: string, given: object) => {
    const question = JSON.stringify({ execute, arguments: given });
    let answer = '';
    // While it is frozen, its agent runs nothing.
    const answered = async () => (answer = await world.virsh('old', 'qemu-agent-command', 'web01', question)) !== '';
    await world.until('answered by the agent', answered, 60_000);
    return (JSON.parse(answer) as { return: Record<string, unknown> }).return;
  };
  const { pid } = await ask('guest-exec', { path: '/bin/sh', arg: ['-c', script], 'capture-output': true });
  for (;;) {
    const status = await ask('guest-exec-status', { pid });
    if (status['exited'] !== true) {
      await sleep(200);
      continue;
    }
    assert.equal(status['exitcode'], 0, script);
    const data = status['out-data'];
    return typeof data === 'string' ? Buffer.from(data, 'base64').toString() : '';
  }
}
