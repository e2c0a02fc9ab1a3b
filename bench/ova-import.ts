import { join } from 'node:path';
import { filesSite } from '../src/config.js';
import { openSite } from '../src/platforms/registry.js';
import type { Benchmark } from './benchmark.js';
import { importPairs, makeOva } from './support/ova.js';
import { GIB, run } from './support/servers.js';

const SIZE = 2 * GIB;
const PEER = 'qemu-img convert -W -m 16 -f vmdk -O qcow2';

/**
 * From an OVA with a streamOptimized VMDK into a qcow2 replica, digested and flushed, read where it lies in the archive;
 * beside it qemu-img from the VMDK that was taken out of the archive before, flushed after it.
 */
export const ovaImport: Benchmark = {
  name: 'ova-import',
  unit: 'GiB/s',
  better: 'higher',
  peer: PEER,
  async run({ dir, rounds, log }) {
    const { ova, vmdk } = await makeOva(dir, SIZE);
    const target = join(dir, 'target.qcow2');
    const site = openSite('exports', filesSite.parse({ platform: 'files', path: ova }));
    const theirs = async (): Promise<void> => {
      const [program = '', ...args] = PEER.split(' ');
      await run(program, [...args, vmdk, target]);
      await run('sync', ['-d', target]);
    };
    const pairs = await importPairs({ site, dir, target, sizeBytes: SIZE, rounds, theirs, log });
    await site.close();
    return pairs;
  },
};
