/** The two interfaces between the block engine and everything that holds blocks. */

/** What a stretch of a disk is. `changed` only where a reader knows what changed since a checkpoint. */
export interface Extent {
  offsetBytes: number;
  lengthBytes: number;
  /** `zero`: reads as zeroes, need not be read. */
  kind: 'data' | 'zero';
  /** Changed since the checkpoint that was asked for; undefined where the reader does not track changes. */
  changed?: boolean;
}

export interface BlockReader {
  readonly sizeBytes: number;
  /** Whether `extents` tells what changed. */
  readonly tracksChanges: boolean;
  /** The extents from `offsetBytes` for `lengthBytes`, in order and without gaps, in bounded pieces. */
  extents(offsetBytes: number, lengthBytes: number, signal?: AbortSignal): AsyncIterable<Extent>;
  /** Fills `buffer` from `offsetBytes`. Many calls may be in flight. Never reads past the end. */
  read(offsetBytes: number, buffer: Buffer, signal?: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface BlockWriter {
  readonly sizeBytes: number;
  /** Offsets and lengths of writes must be multiples of this, but for the last. A power of two. */
  readonly alignmentBytes: number;
  /** `buffer` is not touched by the caller until the promise settles. */
  write(offsetBytes: number, buffer: Buffer, signal?: AbortSignal): Promise<void>;
  zero(offsetBytes: number, lengthBytes: number, signal?: AbortSignal): Promise<void>;
  /** When it returns, all writes that had returned before are durable. */
  flush(signal?: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** Readable and writable: a replica (partly changed leaves are completed from it) and the file of a manifest. */
export interface BlockStore extends BlockReader, BlockWriter {}
