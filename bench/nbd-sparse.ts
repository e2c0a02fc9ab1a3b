import { join } from 'node:path';
import type { Benchmark, Pair } from './benchmark.js';
import { copyPair, NBDCOPY } from './support/nbd-pair.js';
import { GIB, MIB, randomFile } from './support/servers.js';

/** The same of a disk of 4 GiB of which a quarter is allocated: 4 MiB of data in every 16 MiB. */
export const nbdSparse: Benchmark = {
  name: 'nbd-sparse',
  unit: 'GiB/s',
  better: 'higher',
  peer: NBDCOPY,
  async run(context) {
    const source = join(context.dir, 'source.raw');
    await randomFile(source, 4 * GIB, 4 * MIB, 16 * MIB);
    const pairs: Pair[] = [];
    for (let i = 0; i < context.rounds; i++) pairs.push(await copyPair(context, source, 4 * GIB, i % 2 === 0));
    return pairs;
  },
};
