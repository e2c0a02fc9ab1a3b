import type { RandomAccess } from './random-access.js';

const CHUNK_BYTES = 2 * 1024 * 1024;

/** All the bytes in order, in pieces of 2 MiB; the next piece is read while one is worked on. */
export async function* memberStream(from: RandomAccess, signal?: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
  const readAt = (at: number): Promise<Buffer> | null => {
    if (at >= from.sizeBytes) return null;
    const read = from.read(at, Math.min(CHUNK_BYTES, from.sizeBytes - at), signal);
    // It may fail before it is waited for, or never be: that is not an error that nobody handles.
    read.catch(() => undefined);
    return read;
  };
  let next = readAt(0);
  try {
    for (let at = CHUNK_BYTES; next; at += CHUNK_BYTES) {
      signal?.throwIfAborted();
      const chunk = await next;
      next = readAt(at);
      yield chunk;
    }
  } finally {
    // Nothing reads from the file any more when this is over, so that it can be closed.
    await next?.catch(() => undefined);
  }
}
