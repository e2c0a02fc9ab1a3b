import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filesSite } from '../src/config.js';
import { openSite } from '../src/platforms/registry.js';
import type { Benchmark } from './benchmark.js';
import { importPairs, makeOva } from './support/ova.js';
import { GIB, run } from './support/servers.js';

const SIZE = GIB / 2;
const DELAY_MS = 10;

/**
 * From an OVA with a streamOptimized VMDK behind HTTP, each answer 10 ms late, into a qcow2 replica, digested and flushed;
 * beside it qemu-img from the VMDK in the archive as nbdkit's curl plugin reads it, with what was read kept.
 */
export const httpImport: Benchmark = {
  name: 'http-import',
  unit: 'GiB/s',
  better: 'higher',
  peer: 'nbdkit --filter=offset --filter=cache curl … cache-on-read=true --run qemu-img convert -W -m 16 -f vmdk -O qcow2',
  async run({ dir, rounds, log }) {
    const { ova, offsetBytes, vmdkBytes } = await makeOva(dir, SIZE);
    const server = fork(fileURLToPath(import.meta.resolve('./support/http-child.js')), [ova, String(DELAY_MS)]);
    const exited = once(server, 'exit');
    try {
      const [address] = (await once(server, 'message')) as [AddressInfo];
      const url = `http://127.0.0.1:${address.port}/web01.ova`;
      const site = openSite('exports', filesSite.parse({ platform: 'files', url }));
      const target = join(dir, 'target.qcow2');
      const theirs = async (): Promise<void> => {
        const convert = `qemu-img convert -W -m 16 -f vmdk -O qcow2 "nbd:unix:$unixsocket" ${target}`;
        await run('nbdkit', [
          ...['-U', '-', '-r', '--filter=offset', '--filter=cache', 'curl', `url=${url}`, 'cache-on-read=true'],
          ...[`offset=${offsetBytes}`, `range=${vmdkBytes}`, '--run', convert],
        ]);
        await run('sync', ['-d', target]);
      };
      const pairs = await importPairs({ site, dir, target, sizeBytes: SIZE, rounds, theirs, log });
      await site.close();
      return pairs;
    } finally {
      server.kill();
      await exited;
    }
  },
};
