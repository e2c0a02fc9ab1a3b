import type { Intake } from './intake.js';
import {
  Chunk,
  CHUNK_DONE,
  Command,
  serverError,
  SIMPLE_REPLY_MAGIC,
  STRUCTURED_REPLY_MAGIC,
  violation,
} from './protocol.js';
import { describeRequest, type PendingRequest } from './requests.js';

/** QEMU sends at most 1 MiB of descriptors a context, nbdkit 8 MiB. */
const MAX_STATUS_PAYLOAD = 8 * 1024 * 1024 + 4;
const MAX_ERROR_PAYLOAD = 8 * 1024;

export interface ReplyReaderParts {
  intake: Intake;
  peer: string;
  /** Structured replies were negotiated. */
  structured: boolean;
  /** Ids of the meta contexts that were granted. */
  contexts: ReadonlySet<number>;
  find(cookie: number): PendingRequest | undefined;
  /** The whole answer has arrived. */
  answered(cookie: number, request: PendingRequest): void;
}

interface ChunkHead {
  cookie: number;
  request: PendingRequest;
  type: number;
  done: boolean;
  length: number;
}

/**
 * Reads simple and structured replies (specification, "Transmission phase") and lands their payloads. Nothing that the
 * server says is believed: lengths, offsets and cookies are checked against what was asked.
 */
export class ReplyReader {
  readonly #parts: ReplyReaderParts;

  constructor(parts: ReplyReaderParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#next();
  }

  /** Both kinds of reply are 16 bytes long at least, with the cookie in the second half. */
  #next(): void {
    this.#parts.intake.header(16, (head) => {
      const magic = head.readUInt32BE(0);
      if (magic !== SIMPLE_REPLY_MAGIC && !(magic === STRUCTURED_REPLY_MAGIC && this.#parts.structured)) {
        throw this.#violation(`a reply with the magic number 0x${magic.toString(16)}`);
      }
      const cookie = Number(head.readBigUInt64BE(8));
      const request = this.#parts.find(cookie);
      if (!request) throw this.#violation('it answered a request that was not sent');
      if (magic === SIMPLE_REPLY_MAGIC) return this.#simple(cookie, request, head.readUInt32BE(4));
      const [flags, type] = [head.readUInt16BE(4), head.readUInt16BE(6)];
      this.#parts.intake.header(4, (rest) => {
        this.#structured({ cookie, request, type, done: (flags & CHUNK_DONE) !== 0, length: rest.readUInt32BE(0) });
      });
    });
  }

  #simple(cookie: number, request: PendingRequest, errno: number): void {
    const { parts } = request;
    const finish = (): void => {
      this.#parts.answered(cookie, request);
      this.#next();
    };
    if (errno !== 0) {
      request.error = serverError(describeRequest(this.#parts.peer, parts), errno);
      return finish();
    }
    if (parts.command === Command.BLOCK_STATUS || (parts.command === Command.READ && this.#parts.structured)) {
      throw this.#violation('a simple reply where a structured one is due');
    }
    if (!parts.into) return finish();
    if (request.abandoned) return this.#parts.intake.drop(parts.lengthBytes, finish);
    this.#parts.intake.fill(parts.into, finish);
  }

  #structured(chunk: ChunkHead): void {
    const { request, type, length } = chunk;
    switch (type) {
      case Chunk.NONE:
        if (length !== 0 || !chunk.done) throw this.#violation('an empty chunk that is not the last or not empty');
        return this.#chunkDone(chunk);
      case Chunk.OFFSET_DATA:
        return this.#data(chunk);
      case Chunk.OFFSET_HOLE:
        return this.#hole(chunk);
      case Chunk.BLOCK_STATUS:
        return this.#status(chunk);
      default:
        if (type < 0x8000) throw this.#violation(`a chunk of the unknown type ${type}`);
        if (length < 6 || length > MAX_ERROR_PAYLOAD) throw this.#violation(`an error chunk of ${length} bytes`);
        return this.#payload(length, (payload) => {
          const message = payload.subarray(6, 6 + payload.readUInt16BE(4)).toString('utf8');
          const errno = payload.readUInt32BE(0);
          request.error ??= serverError(describeRequest(this.#parts.peer, request.parts), errno, message);
          this.#chunkDone(chunk);
        });
    }
  }

  #data(chunk: ChunkHead): void {
    const { request, length } = chunk;
    const { into, offsetBytes } = request.parts;
    if (!into || length < 9) throw this.#violation(`a data chunk of ${length} bytes, which was not asked for`);
    this.#parts.intake.header(8, (head) => {
      const at = Number(head.readBigUInt64BE(0));
      request.cover(this.#parts.peer, at, length - 8);
      const finish = (): void => this.#chunkDone(chunk);
      if (request.abandoned) return this.#parts.intake.drop(length - 8, finish);
      this.#parts.intake.fill(into.subarray(at - offsetBytes, at - offsetBytes + length - 8), finish);
    });
  }

  #hole(chunk: ChunkHead): void {
    const { request, length } = chunk;
    const { into, offsetBytes } = request.parts;
    if (!into || length !== 12) throw this.#violation(`a hole chunk of ${length} bytes`);
    this.#parts.intake.header(12, (head) => {
      const [at, bytes] = [Number(head.readBigUInt64BE(0)), head.readUInt32BE(8)];
      request.cover(this.#parts.peer, at, bytes);
      if (!request.abandoned) into.fill(0, at - offsetBytes, at - offsetBytes + bytes);
      this.#chunkDone(chunk);
    });
  }

  #status(chunk: ChunkHead): void {
    const { request, length } = chunk;
    if (request.parts.command !== Command.BLOCK_STATUS) throw this.#violation('extents that were not asked for');
    if (length < 12 || length > MAX_STATUS_PAYLOAD || (length - 4) % 8 !== 0) {
      throw this.#violation(`extents in a chunk of ${length} bytes`);
    }
    this.#payload(length, (payload) => {
      const id = payload.readUInt32BE(0);
      if (!this.#parts.contexts.has(id)) throw this.#violation('extents of a meta context that was not granted');
      if (request.status.has(id)) throw this.#violation('the extents of one meta context twice');
      request.status.set(id, payload.subarray(4));
      this.#chunkDone(chunk);
    });
  }

  #chunkDone(chunk: ChunkHead): void {
    const { request, cookie } = chunk;
    if (chunk.done) {
      const { command } = request.parts;
      if (!request.error && command === Command.READ && !request.wholeCovered) {
        throw this.#violation('it answered a read in part only');
      }
      this.#parts.answered(cookie, request);
    }
    this.#next();
  }

  #payload(length: number, then: (payload: Buffer) => void): void {
    const payload = Buffer.allocUnsafe(length);
    this.#parts.intake.fill(payload, () => then(payload));
  }

  #violation(why: string): Error {
    return violation(this.#parts.peer, why);
  }
}
