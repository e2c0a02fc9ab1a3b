import { fork } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { copyDisk, Manifest, manifestFileBytes, openNbd, type NbdDevice } from '../src/blocks/index.js';
import type { Benchmark, Pair } from './benchmark.js';
import { GIB, MIB, qemuNbd, randomFile, run } from './support/servers.js';

const SIZE = GIB;

export interface ResumeSockets {
  source: string;
  replica: string;
  manifest: string;
}

/** How much is copied a second time after the copying process was killed half-way. */
export const resume: Benchmark = {
  name: 'resume',
  unit: 'MiB',
  better: 'lower',
  peer: null,
  async run({ dir, rounds, log }) {
    const source = join(dir, 'source.raw');
    await randomFile(source, SIZE);
    const pairs: Pair[] = [];
    for (let i = 0; i < rounds; i++) {
      const again = await killedHalfWay(dir, source);
      log(`${(again / MIB).toFixed(1)} MiB copied again`);
      pairs.push({ ours: again / MIB, theirs: null });
    }
    return pairs;
  },
};

async function killedHalfWay(dir: string, sourceFile: string): Promise<number> {
  const [target, manifestFile] = [join(dir, 'target.raw'), join(dir, 'target.manifest')];
  await run('truncate', ['-s', String(SIZE), target]);
  await run('truncate', ['-s', String(manifestFileBytes(SIZE)), manifestFile]);
  const servers = [
    await qemuNbd(dir, sourceFile, '-f', 'raw', '-r'),
    await qemuNbd(dir, target, '-f', 'raw'),
    await qemuNbd(dir, manifestFile, '-f', 'raw'),
  ] as const;
  const [source, replica, store] = servers.map(({ socketPath }) => socketPath) as [string, string, string];
  const devices: NbdDevice[] = [];
  try {
    const child = fork(fileURLToPath(import.meta.resolve('./support/copy-child.js')), [
      source,
      replica,
      store,
      String(SIZE),
    ]);
    let written = 0;
    child.on('message', (bytes) => {
      written = Number(bytes);
      if (written >= SIZE / 2) child.kill('SIGKILL');
    });
    await once(child, 'exit');
    for (const socketPath of [source, replica, store]) devices.push(await openNbd({ socketPath }));
    const [reader, writer, manifest] = devices as [NbdDevice, NbdDevice, NbdDevice];
    const stats = await copyDisk({
      source: reader,
      replica: writer,
      manifest: new Manifest(manifest, SIZE),
      mode: 'unknown',
    });
    return Math.max(0, stats.bytesRead - (SIZE - written));
  } finally {
    await Promise.all(devices.map((device) => device.close()));
    await Promise.all(servers.map((server) => server.end()));
    await Promise.all([target, manifestFile].map((file) => rm(file)));
  }
}
