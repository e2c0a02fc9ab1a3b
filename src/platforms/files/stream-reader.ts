import { inflateSync } from 'node:zlib';
import type { BlockReader, Extent } from '../../blocks/index.js';
import { VmferryError } from '../../errors.js';
import type { ImageChain } from './image-chain.js';
import { SECTOR_BYTES, type GrainDirectory } from './image-header.js';
import type { RandomAccess } from './random-access.js';

/**
 * streamOptimized VMDKs (VMware, "Virtual Disk Format 5.0", "Stream-Optimized Compressed Sparse Extents"), read without QEMU,
 * which would unpack one grain at a time in a process of its own and hand it over a socket. Each grain says its own place and
 * carries a checksum (RFC 1950), so that one which is damaged or stands for two places is refused.
 */

const GRAIN_BYTES = 64 * 1024;
const TABLE_ENTRIES = 512;
const TABLE_BYTES = TABLE_ENTRIES * 4;
const TABLE_COVERS_BYTES = TABLE_ENTRIES * GRAIN_BYTES;
/** Place and length before each grain's data. */
const MARKER_BYTES = 12;
/** What deflate can add to data that it cannot pack is far below. */
const MOST_PACKED_BYTES = GRAIN_BYTES + 4096;
/** Grains that lie together are read at once, with as much between them. */
const MOST_WINDOW_BYTES = 4 * 1024 * 1024;
/** 8 MiB of tables, for 128 GiB of the disk. */
const MOST_TABLES = 4096;

/**
 * A reader of a chain's disk, where it is one such image with the sizes that every tool writes; null for all others.
 * @param check looks first whether all grains lie in the file.
 * @throws VmferryError `HostileInput` where they do not.
 */
export async function openStream(
  { layers }: ImageChain,
  check: boolean,
  signal?: AbortSignal,
): Promise<BlockReader | null> {
  const [top] = layers;
  const grains = top?.header.grains ?? null;
  if (!top || layers.length > 1 || grains === null) return null;
  if (grains.grainBytes !== GRAIN_BYTES || grains.tableEntries !== TABLE_ENTRIES) return null;
  const tables = Math.ceil(top.header.sizeBytes / TABLE_COVERS_BYTES);
  const directory = await top.member.read(grains.offsetBytes, tables * 4, signal);
  if (check) await top.header.checkTables?.(signal);
  return new StreamReader(top.member, top.header.sizeBytes, directory, grains);
}

class StreamReader implements BlockReader {
  readonly tracksChanges = false;
  readonly #tables = new Map<number, Promise<Buffer>>();

  constructor(
    private readonly image: RandomAccess,
    readonly sizeBytes: number,
    private readonly directory: Buffer,
    private readonly grains: GrainDirectory,
  ) {}

  async *extents(offsetBytes: number, lengthBytes: number, signal?: AbortSignal): AsyncIterable<Extent> {
    const end = offsetBytes + lengthBytes;
    let run: Extent = { offsetBytes, lengthBytes: 0, kind: 'zero' };
    for (let at = offsetBytes; at < end;) {
      const table = Math.floor(at / TABLE_COVERS_BYTES);
      const empty = this.directory.readUInt32LE(table * 4) === 0;
      const stop = Math.min(end, empty ? (table + 1) * TABLE_COVERS_BYTES : nextGrain(at));
      const kind = empty || (await this.#place(at, signal)) === null ? 'zero' : 'data';
      if (run.kind === kind && run.lengthBytes < TABLE_COVERS_BYTES) run.lengthBytes += stop - at;
      else {
        if (run.lengthBytes > 0) yield run;
        run = { offsetBytes: at, lengthBytes: stop - at, kind };
      }
      at = stop;
    }
    if (run.lengthBytes > 0) yield run;
  }

  async read(offsetBytes: number, buffer: Buffer, signal?: AbortSignal): Promise<void> {
    const end = offsetBytes + buffer.length;
    const wanted: { place: number; at: number; stop: number }[] = [];
    for (let at = offsetBytes; at < end; at = nextGrain(at)) {
      const stop = Math.min(end, nextGrain(at));
      const place = await this.#place(at, signal);
      if (place === null) buffer.fill(0, at - offsetBytes, stop - offsetBytes);
      else wanted.push({ place, at, stop });
    }
    if (wanted.length === 0) return;
    const places = wanted.map(({ place }) => place);
    const [first, last] = [Math.min(...places), Math.max(...places)];
    const lengthBytes = Math.min(last + MARKER_BYTES + MOST_PACKED_BYTES, this.image.sizeBytes) - first;
    const together = lengthBytes <= MOST_WINDOW_BYTES ? await this.image.read(first, lengthBytes, signal) : null;
    await Promise.all(
      wanted.map(async ({ place, at, stop }) => {
        const grain = await this.#grain(at, place, together?.subarray(place - first) ?? null, signal);
        const within = at % GRAIN_BYTES;
        if (grain.length < within + stop - at) throw this.#damaged(place, 'unpacks to less than it stands for');
        grain.copy(buffer, at - offsetBytes, within, within + stop - at);
      }),
    );
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Where the grain lies in the file that holds this byte of the disk; null where it is nothing but zeroes. */
  async #place(at: number, signal: AbortSignal | undefined): Promise<number | null> {
    const table = Math.floor(at / TABLE_COVERS_BYTES);
    const sector = this.directory.readUInt32LE(table * 4);
    if (sector === 0) return null;
    const entries = await this.#table(table, sector, signal);
    const grain = entries.readUInt32LE(Math.floor((at % TABLE_COVERS_BYTES) / GRAIN_BYTES) * 4);
    return grain === 0 || (grain === 1 && this.grains.zeroed) ? null : grain * SECTOR_BYTES;
  }

  #table(table: number, sector: number, signal: AbortSignal | undefined): Promise<Buffer> {
    const known = this.#tables.get(table);
    if (known) return known;
    const read = this.image.read(sector * SECTOR_BYTES, TABLE_BYTES, signal);
    this.#tables.set(table, read);
    read.catch(() => this.#tables.delete(table));
    const [oldest] = this.#tables.keys();
    if (this.#tables.size > MOST_TABLES && oldest !== undefined) this.#tables.delete(oldest);
    return read;
  }

  /**
   * Unpacked on this thread: a grain takes some 0.1 ms, and handing it to zlib's own threads cost more than it gained.
   * @param seen what of it was read already.
   */
  async #grain(at: number, place: number, seen: Buffer | null, signal: AbortSignal | undefined): Promise<Buffer> {
    const marker = seen && seen.length >= MARKER_BYTES ? seen : await this.image.read(place, MARKER_BYTES, signal);
    const packedBytes = marker.readUInt32LE(8);
    const ours = marker.readBigUInt64LE(0) === BigInt((at - (at % GRAIN_BYTES)) / SECTOR_BYTES);
    if (!ours) throw this.#damaged(place, 'stands for another place of the disk than its table says');
    if (packedBytes > MOST_PACKED_BYTES) throw this.#damaged(place, `has the absurd length of ${packedBytes} bytes`);
    const end = MARKER_BYTES + packedBytes;
    const packed =
      seen && seen.length >= end
        ? seen.subarray(MARKER_BYTES, end)
        : await this.image.read(place + MARKER_BYTES, packedBytes, signal);
    try {
      return inflateSync(packed, { chunkSize: GRAIN_BYTES, maxOutputLength: GRAIN_BYTES });
    } catch (cause) {
      throw this.#damaged(place, cause instanceof Error ? cause.message : String(cause));
    }
  }

  #damaged(place: number, why: string): VmferryError {
    return new VmferryError('HostileInput', `cannot read ${this.image.name}: the grain at byte ${place}: ${why}`, {
      platform: 'files',
      remedy: 'It is damaged or cut off: compare its size with where it comes from, and copy or export it again.',
    });
  }
}

function nextGrain(at: number): number {
  return (Math.floor(at / GRAIN_BYTES) + 1) * GRAIN_BYTES;
}
