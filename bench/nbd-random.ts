import { join } from 'node:path';
import type { Benchmark, Pair } from './benchmark.js';
import { copyPair, NBDCOPY } from './support/nbd-pair.js';
import { GIB, randomFile } from './support/servers.js';

/** A digested copy of 2 GiB of random data, NBD to NBD, flushed, beside nbdcopy, which checks nothing. */
export const nbdRandom: Benchmark = {
  name: 'nbd-random',
  unit: 'GiB/s',
  better: 'higher',
  peer: NBDCOPY,
  async run(context) {
    const source = join(context.dir, 'source.raw');
    await randomFile(source, 2 * GIB);
    const pairs: Pair[] = [];
    for (let i = 0; i < context.rounds; i++) pairs.push(await copyPair(context, source, 2 * GIB, i % 2 === 0));
    return pairs;
  },
};
