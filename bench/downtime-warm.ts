import { startGuest, waitForGuest, type Guest } from '../lab/guest/guest.js';
import type { MigrationStatus } from '../src/model/status.js';
import { World } from '../test/e2e/world.js';
import type { Benchmark, Pair } from './benchmark.js';
import { bootTime, coldMove, removeCopy, stopTime } from './support/cold-move.js';
import { GIB } from './support/servers.js';

/** Both links, each way. */
const RATE = '1gbit';
const DISK_BYTES = 8 * GIB;
/** Of the disk: what a cold move has to carry. */
const FILL_BYTES = GIB;
/** What a migration may add to the guest's own stop and boot. */
const ALLOWANCE_S = 3;

/**
 * Downtime of the demo's guest with a disk of 8 GiB, 1 GiB of it in use, over links of 1 Gb/s, as the report of its
 * migration says; beside it the same guest moved stopped. In the notes its own stop and boot, measured without us.
 * A round takes one to two minutes.
 */
export const downtimeWarm: Benchmark = {
  name: 'downtime-warm',
  unit: 's',
  better: 'lower',
  peer: 'virsh shutdown; ssh cat | ssh cat; virsh define; virsh start',
  async run({ rounds, log }) {
    const world = await World.start();
    try {
      for (const host of [world.lab.old, world.lab.new]) await host.link.shape(RATE);
      await world.startWorker();
      const pairs: Pair[] = [];
      for (let i = 0; i < rounds; i++) {
        const pair = await round(world, i);
        const { own = 0, over = 0 } = pair.notes as Record<string, number>;
        log(
          `down for ${pair.ours.toFixed(1)} s, own stop and boot ${own.toFixed(1)} s: ${over.toFixed(1)} s of the ` +
            `${ALLOWANCE_S} s allowed over that; moved stopped ${pair.theirs?.toFixed(1)} s`,
        );
        pairs.push(pair);
      }
      return pairs;
    } finally {
      await world.stop();
    }
  },
};

async function round(world: World, index: number): Promise<Pair> {
  const { old, new: target } = world.lab;
  const guest = await world.guest({ name: 'web01', dataDisks: [{ sizeBytes: DISK_BYTES, fillBytes: FILL_BYTES }] });
  try {
    const own = { stop: await stopTime(old, guest), boot: await bootTime(old, guest) };
    const cold = await coldMove(old, target, guest);
    await removeCopy(target, guest);
    await startGuest(old, guest);
    await waitForGuest(old, guest);
    const status = await warmMove(world, guest, index);
    const downtime = (status.downtimeMs ?? NaN) / 1000;
    const ownSeconds = own.stop + own.boot;
    return {
      ours: downtime,
      theirs: cold.stop + cold.copy + cold.boot,
      notes: {
        own: ownSeconds,
        ownStop: own.stop,
        ownBoot: own.boot,
        over: downtime - ownSeconds,
        coldCopy: cold.copy,
        predicted: (status.predictedDowntimeMs ?? NaN) / 1000,
        phases: phasesOf(status),
      },
    };
  } finally {
    await world.forget(guest);
  }
}

async function warmMove(world: World, guest: Guest, index: number): Promise<MigrationStatus> {
  const migration = await world.migrate(guest.name, { rehearsal: { enabled: false } }, `downtime-${index}`);
  await migration.phase('awaiting-approval');
  await migration.signal('approveCutover', { by: 'bench' });
  await migration.phase('awaiting-acceptance');
  await migration.signal('acceptTarget', { by: 'bench' });
  const { outcome, status } = await migration.result();
  if (outcome !== 'completed') throw new Error(`the migration ended as ${outcome}: ${status.error?.message}`);
  return status;
}

/** `cutting-over 3.1, verifying 0.4, …`, in seconds. */
function phasesOf({ phases }: MigrationStatus): string {
  return phases
    .map(({ name, startedAt, endedAt }) => {
      const tookMs = Date.parse(endedAt ?? startedAt) - Date.parse(startedAt);
      return `${name} ${(tookMs / 1000).toFixed(1)}`;
    })
    .join(', ');
}
