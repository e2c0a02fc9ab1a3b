import { createHash } from 'node:crypto';
import type { BlockReader, Extent } from '../../blocks/index.js';
import { VmferryError } from '../../errors.js';
import type { OpenPoint, PointDisk, PointRequest } from '../platform.js';
import type { FilesConnection } from './connect.js';
import { exportChain } from './export.js';
import { referredFiles, type ImageChain } from './image-chain.js';
import { openDisk } from './look.js';
import { openMachine, openRoot } from './machines.js';
import { assertListed, checkPackage } from './package-check.js';
import { openStream } from './stream-reader.js';

/**
 * A point in time of files: as they lie there. Its name says what they looked like, so that a later pass knows whether
 * anything can have changed since, without a note of it anywhere.
 */
export async function openPoint(at: FilesConnection, request: PointRequest, signal?: AbortSignal): Promise<OpenPoint> {
  const closing: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const each of closing.splice(0).reverse()) await each();
  };
  try {
    const { root, only } = await openRoot(at);
    closing.push(() => root.close());
    const { from, foreign } = await openMachine(at, root, only, request.vm, signal);
    closing.push(() => from.close());
    const first = request.since === null;
    let listed = first ? await checkPackage(from, signal) : null;
    const chains = new Map<string, ImageChain | EmptyDisk>();
    for (const id of request.disks) {
      const index = foreign.disks.findIndex((each) => each.id === id);
      if (index === -1) throw missing(request.vm, id);
      const disk = foreign.disks[index]!;
      if (disk.reference === null) {
        chains.set(id, new EmptyDisk(foreign.vm.disks[index]!.sizeBytes));
        continue;
      }
      const chain = await openDisk(from, disk, at.scratch, signal);
      closing.push(() => chain.close());
      chains.set(id, chain);
    }
    const print = printOf([...chains].map(([id, chain]) => `${id} ${stampOf(chain)}`));
    const known = request.since !== null && request.since.endsWith(`.${print}`);
    // Whatever came since the last pass is looked at, too, before its first block is read.
    if (!known && !first) listed = await checkPackage(from, signal);
    for (const chain of chains.values()) {
      if (listed && !(chain instanceof EmptyDisk)) assertListed(from, listed, referredFiles(chain));
    }
    const readers = new Map<string, BlockReader>();
    for (const [id, chain] of chains) readers.set(id, await readerOf(chain, !known));
    const disks = request.disks.map((id): PointDisk => {
      const reader = readers.get(id)!;
      return known ? { id, reader: new Unchanged(reader), changes: 'bitmap' } : { id, reader, changes: 'unknown' };
    });
    const note = request.since !== null && !known ? 'the files changed: everything is read and compared' : null;
    return {
      checkpoint: `${request.checkpoint.split('.')[0]!}.${print}`,
      takenAt: new Date().toISOString(),
      quiesced: true,
      note,
      continued: false,
      disks,
      keepAlive: () => Promise.resolve(),
      wasReset: () => Promise.resolve(false),
      detach: close,
      end: close,
    };
  } catch (error) {
    await close();
    throw error;
  }

  async function readerOf(chain: ImageChain | EmptyDisk, check: boolean): Promise<BlockReader> {
    if (chain instanceof EmptyDisk) return chain;
    const stream = await openStream(chain, check, signal);
    if (stream) return stream;
    const exported = await exportChain(chain, check, at.scratch, signal);
    closing.push(() => exported.close());
    return exported.reader;
  }
}

/** Differs as soon as any file of the disk is another one, or was written to. */
export function stampOf(chain: ImageChain | EmptyDisk): string {
  if (chain instanceof EmptyDisk) return `empty ${chain.sizeBytes}`;
  return chain.layers
    .flatMap(({ member, extents }) => [member, ...extents])
    .map(({ stamp }) => stamp)
    .join('\n');
}

export function printOf(stamps: readonly string[]): string {
  return createHash('sha256').update(stamps.join('\0')).digest('hex').slice(0, 16);
}

/** A disk of which nothing changed since the last pass. */
class Unchanged implements BlockReader {
  readonly tracksChanges = true;

  constructor(private readonly reader: BlockReader) {}

  get sizeBytes(): number {
    return this.reader.sizeBytes;
  }

  async *extents(offsetBytes: number, lengthBytes: number, signal?: AbortSignal): AsyncIterable<Extent> {
    for await (const extent of this.reader.extents(offsetBytes, lengthBytes, signal))
      yield { ...extent, changed: false };
  }

  read(offsetBytes: number, buffer: Buffer, signal?: AbortSignal): Promise<void> {
    return this.reader.read(offsetBytes, buffer, signal);
  }

  close(): Promise<void> {
    return this.reader.close();
  }
}

/** A disk that has no file. */
class EmptyDisk implements BlockReader {
  readonly tracksChanges = false;

  constructor(readonly sizeBytes: number) {}

  // eslint-disable-next-line @typescript-eslint/require-await -- there is nothing to wait for
  async *extents(offsetBytes: number, lengthBytes: number): AsyncIterable<Extent> {
    if (lengthBytes > 0) yield { offsetBytes, lengthBytes, kind: 'zero' };
  }

  read(_offsetBytes: number, buffer: Buffer): Promise<void> {
    buffer.fill(0);
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function missing(vm: string, id: string): VmferryError {
  return new VmferryError('Drift', `cannot read disk ${id} of ${vm}: there is no such disk any more`, {
    platform: 'files',
    remedy: 'Abort, and start a new migration.',
  });
}
