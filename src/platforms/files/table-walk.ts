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

/** A directory of tables, which together stand for the disk. */
export interface TableDirectory {
  offsetBytes: number;
  entryBytes: number;
  /** Where the table lies that an entry points to; 0 where there is none. */
  tableAt: (directory: Buffer, entry: number) => number;
  tableBytes: number;
  tableEntryBytes: number;
  /** What an entry of a table stands for. */
  blockBytes: number;
  diskBytes: number;
}

/**
 * All tables in pieces, as far as the disk reaches, each with what of the disk is left from its first entry on.
 * @throws VmferryError `HostileInput` where a table lies beyond the end of the file.
 */
export async function* tablePieces(
  from: HeaderReader,
  directory: TableDirectory,
  signal: AbortSignal | undefined,
): AsyncGenerator<{ bytes: Buffer; restBytes: number }> {
  const { offsetBytes, entryBytes, tableBytes, tableEntryBytes, blockBytes, diskBytes } = directory;
  const coversBytes = (tableBytes / tableEntryBytes) * blockBytes;
  let count = 0;
  for await (const { bytes, at } of piecesOf(
    from,
    offsetBytes,
    Math.ceil(diskBytes / coversBytes) * entryBytes,
    signal,
  )) {
    for (let entry = 0; entry < bytes.length; entry += entryBytes) {
      const table = directory.tableAt(bytes, entry);
      if (table === 0) continue;
      // As many as the file has room for: without a bound, all entries could point to the same one.
      from.require((count += 1) * tableBytes <= from.image.sizeBytes, 'it has more tables than there is room for');
      const startBytes = ((at + entry) / entryBytes) * coversBytes;
      const entries = Math.ceil(Math.min(coversBytes, diskBytes - startBytes) / blockBytes);
      from.inside(table, entries * tableEntryBytes, 'table');
      for await (const piece of piecesOf(from, table, entries * tableEntryBytes, signal)) {
        yield {
          bytes: piece.bytes,
          restBytes: diskBytes - startBytes - (piece.at / tableEntryBytes) * blockBytes,
        };
      }
    }
  }
}
