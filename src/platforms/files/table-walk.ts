import type { HeaderReader } from './image-header.js';

/** Walking the tables of an image, which may have gigabytes of them, in a bounded amount of memory. */

/**
 * Looks through all tables of an image: whether whatever they point to lies in it, as far as the disk reaches. QEMU reads
 * what lies beyond the end of its file as zeroes without a word, and `qemu-img check` knows only what begins there.
 * @throws VmferryError `HostileInput` where it does not.
 */
export type TableCheck = (signal?: AbortSignal) => Promise<void>;

const PIECE_BYTES = 512 * 1024;
const ZEROES = Buffer.alloc(PIECE_BYTES);

/** A table in pieces, each with its place within the table; those of nothing but zeroes are left out. */
export async function* piecesOf(
  from: HeaderReader,
  offsetBytes: number,
  lengthBytes: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<{ bytes: Buffer; at: number }> {
  for (let at = 0; at < lengthBytes; at += PIECE_BYTES) {
    const bytes = await from.image.read(offsetBytes + at, Math.min(PIECE_BYTES, lengthBytes - at), signal);
    if (!bytes.equals(ZEROES.subarray(0, bytes.length))) yield { bytes, at };
  }
}

/** As many tables as the file has room for: without a bound, all entries of a directory could point to the same one. */
export class TableCount {
  #count = 0;

  constructor(
    private readonly from: HeaderReader,
    private readonly tableBytes: number,
  ) {}

  add(): void {
    this.#count += 1;
    const fits = this.#count * this.tableBytes <= this.from.image.sizeBytes;
    this.from.require(fits, 'it has more tables than there is room for');
  }
}
