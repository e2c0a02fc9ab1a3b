import { join } from 'node:path';
import { copyDisk, FileStore, Manifest, manifestFileBytes, openNbd, verifyReplica } from '../src/blocks/index.js';
import type { Benchmark, Pair } from './benchmark.js';
import { GIB, qemuNbd, randomFile, run, seconds } from './support/servers.js';

const SIZE = 2 * GIB;

/** The rate of reading a replica of 2 GiB back past the page cache and comparing every digest. */
export const verify: Benchmark = {
  name: 'verify',
  unit: 'GiB/s',
  better: 'higher',
  peer: null,
  async run({ dir, rounds, log }) {
    const replica = join(dir, 'replica.raw');
    await randomFile(replica, SIZE);
    const manifestFile = await FileStore.open(join(dir, 'manifest'), { createBytes: manifestFileBytes(SIZE) });
    const manifest = new Manifest(manifestFile, SIZE);
    const source = await FileStore.open(replica, { readOnly: true });
    await run('truncate', ['-s', String(SIZE), join(dir, 'copy.raw')]);
    const copy = await FileStore.open(join(dir, 'copy.raw'));
    await copyDisk({ source, replica: copy, manifest, mode: 'unknown' });
    const server = await qemuNbd(dir, join(dir, 'copy.raw'), '-f', 'raw', '-r', '--cache=none', '--aio=native');
    const pairs: Pair[] = [];
    try {
      for (let i = 0; i < rounds; i++) {
        const device = await openNbd({ socketPath: server.socketPath });
        const took = await seconds(async () => {
          const { passed } = await verifyReplica({ replica: device, manifest });
          if (!passed) throw new Error('the replica did not verify');
        });
        await device.close();
        log(`${(2 / took).toFixed(2)} GiB/s`);
        pairs.push({ ours: 2 / took, theirs: null });
      }
    } finally {
      await server.end();
      await Promise.all([manifestFile, source, copy].map((store) => store.close()));
    }
    return pairs;
  },
};
