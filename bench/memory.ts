import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { defineVm, diskPath } from '../test/platforms/libvirt/lab-vm.js';
import { World } from '../test/e2e/world.js';
import type { Benchmark, Pair } from './benchmark.js';
import { randomFile, run } from './support/servers.js';

const VM = 'four';
const DISKS = ['vda', 'vdb', 'vdc', 'vdd'].map((id) => ({ id, format: 'qcow2' as const, sizeMib: 1024 }));
/** Of every MiB, so that extents are many. */
const DATA_BYTES = 512 * 1024;

/** Peak memory (VmHWM of proc(5)) of a worker that seeds four disks at once, between two hosts reached over ssh. */
export const memory: Benchmark = {
  name: 'memory',
  unit: 'MiB',
  better: 'lower',
  peer: null,
  async run({ dir, rounds, log }) {
    const raw = join(dir, 'disk.raw');
    await randomFile(raw, DISKS[0]!.sizeMib * 2 ** 20, DATA_BYTES);
    const world = await World.start();
    try {
      await defineVm(world.lab.old, VM, DISKS);
      for (const disk of DISKS) {
        await run('qemu-img', ['convert', '-W', '-f', 'raw', '-O', 'qcow2', raw, diskPath(world.lab.old, VM, disk)]);
      }
      const pairs: Pair[] = [];
      for (let i = 0; i < rounds; i++) {
        const peak = await peakOfSeed(world, i);
        log(`${peak.toFixed(0)} MiB`);
        pairs.push({ ours: peak, theirs: null });
      }
      return pairs;
    } finally {
      await world.stop();
    }
  },
};

async function peakOfSeed(world: World, round: number): Promise<number> {
  const worker = await world.startWorker();
  const migration = await world.migrate(VM, {}, `memory-${round}`);
  await migration.until('seeded', (status) => status.passes.length > 0);
  const status = await readFile(`/proc/${worker.pid}/status`, 'utf8');
  const peakKib = Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]);
  await migration.signal('abort', { by: 'bench' });
  await migration.result();
  await world.endWorker(worker, 'SIGTERM');
  return peakKib / 1024;
}
