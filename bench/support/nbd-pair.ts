import { copyDisk, Manifest, manifestFileBytes, openNbd } from '../../src/blocks/index.js';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchContext, Pair } from '../benchmark.js';
import { GIB, qemuNbd, run, seconds, settle } from './servers.js';

export const NBDCOPY = 'nbdcopy --flush --requests=64 --request-size=1048576';

/** One digested copy and one nbdcopy of the same raw file, from qemu-nbd to qemu-nbd over unix sockets, both flushed. */
export async function copyPair(
  { dir, log }: BenchContext,
  sourceFile: string,
  sizeBytes: number,
  ourTurnFirst: boolean,
): Promise<Pair> {
  const turns = ourTurnFirst ? [ours, theirs] : [theirs, ours];
  const took = new Map<typeof ours, number>();
  for (const turn of turns) took.set(turn, await fresh(dir, sourceFile, sizeBytes, turn));
  const rate = (turn: typeof ours): number => sizeBytes / GIB / (took.get(turn) ?? NaN);
  log(`ours ${rate(ours).toFixed(2)} GiB/s, nbdcopy ${rate(theirs).toFixed(2)} GiB/s`);
  return { ours: rate(ours), theirs: rate(theirs) };
}

interface Ends {
  source: { socketPath: string; uri: string };
  target: { socketPath: string; uri: string };
  manifest: { socketPath: string };
  sizeBytes: number;
}

/** Runs `turn` with servers and an empty target of its own; the files are removed afterwards. */
async function fresh(
  dir: string,
  sourceFile: string,
  sizeBytes: number,
  turn: (ends: Ends) => Promise<number>,
): Promise<number> {
  const [target, manifest] = [join(dir, 'target.raw'), join(dir, 'target.manifest')];
  await run('truncate', ['-s', String(sizeBytes), target]);
  await run('truncate', ['-s', String(manifestFileBytes(sizeBytes)), manifest]);
  const servers = [
    await qemuNbd(dir, sourceFile, '-f', 'raw', '-r'),
    await qemuNbd(dir, target, '-f', 'raw'),
    await qemuNbd(dir, manifest, '-f', 'raw'),
  ] as const;
  try {
    await settle();
    return await turn({ source: servers[0], target: servers[1], manifest: servers[2], sizeBytes });
  } finally {
    await Promise.all(servers.map((server) => server.end()));
    await Promise.all([target, manifest].map((file) => rm(file)));
  }
}

async function ours({ source, target, manifest, sizeBytes }: Ends): Promise<number> {
  return seconds(async () => {
    const [reader, replica, store] = await Promise.all(
      [source, target, manifest].map(({ socketPath }) => openNbd({ socketPath })),
    );
    if (!reader || !replica || !store) throw new Error('no connection');
    await copyDisk({ source: reader, replica, manifest: new Manifest(store, sizeBytes), mode: 'unknown' });
    await Promise.all([reader.close(), replica.close(), store.close()]);
  });
}

async function theirs({ source, target }: Ends): Promise<number> {
  const [program = '', ...args] = NBDCOPY.split(' ');
  return seconds(() => run(program, [...args, source.uri, target.uri]));
}
