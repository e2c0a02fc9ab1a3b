import type { BlockReader, BlockStore, Extent } from '../block-device.js';

/** One call on a disk. */
export interface BlockCall {
  name: 'read' | 'write' | 'zero' | 'flush';
  offsetBytes: number;
  lengthBytes: number;
  signal: AbortSignal | undefined;
}

/** Runs a call, or does something else before, after or instead. */
export type Around = (call: BlockCall, run: () => Promise<void>) => Promise<void>;

/** A reader whose calls go through `around`. */
export function interceptReader(reader: BlockReader, around: Around): BlockReader {
  return {
    sizeBytes: reader.sizeBytes,
    tracksChanges: reader.tracksChanges,
    extents: (offsetBytes, lengthBytes, signal): AsyncIterable<Extent> =>
      reader.extents(offsetBytes, lengthBytes, signal),
    read: (offsetBytes, buffer, signal) =>
      around({ name: 'read', offsetBytes, lengthBytes: buffer.length, signal }, () =>
        reader.read(offsetBytes, buffer, signal),
      ),
    close: () => reader.close(),
  };
}

/** A store whose calls go through `around`. */
export function interceptStore(store: BlockStore, around: Around): BlockStore {
  return {
    ...interceptReader(store, around),
    alignmentBytes: store.alignmentBytes,
    write: (offsetBytes, buffer, signal) =>
      around({ name: 'write', offsetBytes, lengthBytes: buffer.length, signal }, () =>
        store.write(offsetBytes, buffer, signal),
      ),
    zero: (offsetBytes, lengthBytes, signal) =>
      around({ name: 'zero', offsetBytes, lengthBytes, signal }, () => store.zero(offsetBytes, lengthBytes, signal)),
    flush: (signal) => around({ name: 'flush', offsetBytes: 0, lengthBytes: 0, signal }, () => store.flush(signal)),
  };
}
