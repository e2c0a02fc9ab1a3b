import { copyDisk, Manifest, manifestFileBytes, openNbd } from '../../src/blocks/index.js';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchContext, Pair } from '../benchmark.js';
import { GIB, qemuNbd, run, seconds, settle } from './servers.js';

/** The fastest of the request sizes and depths that were tried (docs/performance.md). */
export const NBDCOPY = 'nbdcopy --flush --requests=8 --request-size=524288';

/** One digested copy and one nbdcopy of the same raw file, from qemu-nbd to qemu-nbd over unix sockets, both flushed. */
export async function copyPair(
  { dir, log }: BenchContext,
  sourceFile: string,
  sizeBytes: number,
  ourTurnFirst: boolean,
): Promise<Pair> {
  const turns = ourTurnFirst ? [ours, theirs] : [theirs, ours];
  const took = new Map<typeof ours, Took>();
  for (const turn of turns) took.set(turn, await fresh(dir, sourceFile, sizeBytes, turn));
  const rate = (turn: typeof ours): number => sizeBytes / GIB / (took.get(turn)?.seconds ?? NaN);
  const cpu = (turn: typeof ours): number => took.get(turn)?.cpuSeconds ?? NaN;
  const shown = (turn: typeof ours): string =>
    `${rate(turn).toFixed(2)} GiB/s (${cpu(turn).toFixed(1)} s of processor)`;
  log(`ours ${shown(ours)}, nbdcopy ${shown(theirs)}`);
  return {
    ours: rate(ours),
    theirs: rate(theirs),
    notes: { ourCpuSeconds: cpu(ours), theirCpuSeconds: cpu(theirs) },
  };
}

interface Took {
  seconds: number;
  /** Of the copying process and, in the end, of both servers: what a busy machine leaves comparable. */
  cpuSeconds: number;
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
  turn: (ends: Ends) => Promise<Took>,
): Promise<Took> {
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
    const took = await turn({ source: servers[0], target: servers[1], manifest: servers[2], sizeBytes });
    const served = await Promise.all(servers.map((server) => server.cpuSeconds()));
    return { ...took, cpuSeconds: served.reduce((sum, each) => sum + each, took.cpuSeconds) };
  } finally {
    await Promise.all(servers.map((server) => server.end()));
    await Promise.all([target, manifest].map((file) => rm(file)));
  }
}

async function ours({ source, target, manifest, sizeBytes }: Ends): Promise<Took> {
  const before = process.cpuUsage();
  const took = await seconds(async () => {
    const [reader, replica, store] = await Promise.all(
      [source, target, manifest].map(({ socketPath }) => openNbd({ socketPath })),
    );
    if (!reader || !replica || !store) throw new Error('no connection');
    await copyDisk({ source: reader, replica, manifest: new Manifest(store, sizeBytes), mode: 'unknown' });
    await Promise.all([reader.close(), replica.close(), store.close()]);
  });
  const { user, system } = process.cpuUsage(before);
  return { seconds: took, cpuSeconds: (user + system) / 1e6 };
}

async function theirs({ source, target }: Ends): Promise<Took> {
  let times = '';
  const took = await seconds(async () => {
    const timed = ['-c', 'TIMEFORMAT="%U %S"; time "$@"', 'bash', ...NBDCOPY.split(' '), source.uri, target.uri];
    times = (await run('bash', timed)).stderr;
  });
  const [user = NaN, system = NaN] = times.trim().split(/\s+/).slice(-2).map(Number);
  return { seconds: took, cpuSeconds: user + system };
}
