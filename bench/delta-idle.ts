import type { Benchmark, Pair } from './benchmark.js';
import { IdlePasses, VM } from './support/idle-pass.js';
import { seconds } from './support/servers.js';
import { write } from '../test/platforms/libvirt/lab-vm.js';

const LEAF = 64 * 1024;
/** What is written before the delta that is counted: offset in KiB, length in KiB, and the leaves that it touches. */
const WRITES = [
  [64, 64, 1],
  [1000, 200, 4],
  [4 * 1024 * 1024 + 60, 8, 2],
] as const;

/** What a pass costs that finds nothing to copy: an 8 GiB qcow2 disk of a VM that runs, both sites reached locally. */
export const deltaIdle: Benchmark = {
  name: 'delta-idle',
  unit: 's',
  better: 'lower',
  peer: null,
  async run({ rounds, log }) {
    const passes = await IdlePasses.start(1, 8 * 1024);
    try {
      await passes.run();
      await dirtyPass(passes);
      const pairs: Pair[] = [];
      for (let i = 0; i < rounds; i++) {
        passes.commands.length = 0;
        const took = await seconds(() => passes.run());
        log(`${took.toFixed(2)} s, ${passes.commands.length} commands`);
        pairs.push({ ours: took, theirs: null, notes: { commands: passes.commands.length } });
      }
      return pairs;
    } finally {
      await passes.stop();
    }
  },
};

/** @throws Error when a delta reads other than the dirty extents rounded to leaves. */
async function dirtyPass(passes: IdlePasses): Promise<void> {
  for (const [offset, length] of WRITES) await write(passes.lab.old, VM, 0, `${offset}k`, `${length}k`, 7);
  const { record } = await passes.run();
  const expected = WRITES.reduce((sum, [, , leaves]) => sum + leaves * LEAF, 0);
  if (record.bytesRead !== expected)
    throw new Error(`a delta of ${expected} dirty bytes, rounded to 64 KiB, read ${record.bytesRead}`);
}
