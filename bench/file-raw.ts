import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { copyDisk, FileStore, Manifest, manifestFileBytes } from '../src/blocks/index.js';
import { runPipeline } from '../src/blocks/pipeline.js';
import { median, type Benchmark, type Pair } from './benchmark.js';
import { GIB, randomFile, run, seconds, settle } from './support/servers.js';

const SIZE = 2 * GIB;
const PEER = 'qemu-img convert -W -m 16 -f raw -O raw';
/** As the copy has it. */
const PIECE = 512 * 1024;
const IN_FLIGHT = 16;

/**
 * A digested copy of 2 GiB from raw file to raw file on one host, flushed, beside qemu-img, flushed after it; and beside
 * both the same stores and pipeline with no digests, which the product never uses.
 */
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
    const plain = async (): Promise<void> => {
      const from = await FileStore.open(source, { readOnly: true });
      const to = await FileStore.open(target, { createBytes: SIZE });
      const free = Array.from({ length: IN_FLIGHT }, () => Buffer.allocUnsafeSlow(PIECE));
      const work = async (offset: number): Promise<void> => {
        const buffer = free.pop() ?? Buffer.allocUnsafeSlow(PIECE);
        await from.read(offset, buffer);
        await to.write(offset, buffer);
        free.push(buffer);
      };
      await runPipeline(offsets(), IN_FLIGHT, work, () => undefined);
      await to.flush();
      await Promise.all([from.close(), to.close()]);
    };
    const theirs = async (): Promise<void> => {
      const [program = '', ...args] = PEER.split(' ');
      await run(program, [...args, source, target]);
      await run('sync', ['-d', target]);
    };
    const pairs: Pair[] = [];
    const turns = [ours, theirs, plain];
    for (let i = 0; i < rounds; i++) {
      const rates: number[] = [];
      // Each comes first as often as the others.
      for (let turn = 0; turn < turns.length; turn++) {
        const which = (turn + i) % turns.length;
        await Promise.all([rm(target, { force: true }), rm(manifestFile, { force: true })]);
        await settle();
        rates[which] = 2 / (await seconds(turns[which]!));
      }
      const [our = NaN, their = NaN, withoutDigests = NaN] = rates;
      pairs.push({ ours: our, theirs: their, notes: { withoutDigests, ratioWithoutDigests: withoutDigests / their } });
      const shown = [our, their, withoutDigests].map((rate) => rate.toFixed(2));
      log(`ours ${shown[0]} GiB/s, qemu-img ${shown[1]} GiB/s, without digests ${shown[2]} GiB/s`);
    }
    const ratio = median(pairs.map(({ notes }) => Number(notes?.['ratioWithoutDigests'])));
    log(`without digests: ${ratio.toFixed(2)} of qemu-img`);
    return pairs;
  },
};

async function* offsets(): AsyncGenerator<number> {
  await Promise.resolve();
  for (let offset = 0; offset < SIZE; offset += PIECE) yield offset;
}
