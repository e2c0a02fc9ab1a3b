import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { copyDisk, FileStore, Manifest, manifestFileBytes } from '../src/blocks/index.js';
import type { Benchmark, Pair } from './benchmark.js';
import { GIB, randomFile, run, seconds, settle } from './support/servers.js';

const SIZE = 2 * GIB;
const PEER = 'qemu-img convert -W -m 16 -f raw -O raw';

/** A digested copy of 2 GiB from raw file to raw file on one host, flushed, beside qemu-img, flushed after it. */
export const fileRaw: Benchmark = {
  name: 'file-raw',
  unit: 'GiB/s',
  better: 'higher',
  peer: PEER,
  async run({ dir, rounds, log }) {
    const [source, target, manifestFile] = ['source.raw', 'target.raw', 'manifest'].map((name) => join(dir, name));
    if (!source || !target || !manifestFile) throw new Error('no files');
    await randomFile(source, SIZE);
    const ours = async (): Promise<void> => {
      const stores = [
        await FileStore.open(source, { readOnly: true }),
        await FileStore.open(target, { createBytes: SIZE }),
        await FileStore.open(manifestFile, { createBytes: manifestFileBytes(SIZE) }),
      ] as const;
      await copyDisk({
        source: stores[0],
        replica: stores[1],
        manifest: new Manifest(stores[2], SIZE),
        mode: 'unknown',
      });
      await Promise.all(stores.map((store) => store.close()));
    };
    const theirs = async (): Promise<void> => {
      const [program = '', ...args] = PEER.split(' ');
      await run(program, [...args, source, target]);
      await run('sync', ['-d', target]);
    };
    const pairs: Pair[] = [];
    for (let i = 0; i < rounds; i++) {
      const took: number[] = [];
      for (const turn of i % 2 === 0 ? [ours, theirs] : [theirs, ours]) {
        await Promise.all([rm(target, { force: true }), rm(manifestFile, { force: true })]);
        await settle();
        took.push(await seconds(turn));
      }
      const [first = NaN, second = NaN] = took;
      const [our, their] = i % 2 === 0 ? [first, second] : [second, first];
      pairs.push({ ours: 2 / our, theirs: 2 / their });
      log(`ours ${(2 / our).toFixed(2)} GiB/s, qemu-img ${(2 / their).toFixed(2)} GiB/s`);
    }
    return pairs;
  },
};
