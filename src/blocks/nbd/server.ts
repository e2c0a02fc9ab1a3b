import { once, setMaxListeners } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import {
  Command,
  ExportFlag,
  FIXED_NEWSTYLE,
  Info,
  NBD_MAGIC,
  NO_ZEROES,
  Option,
  OptionError,
  OptionReply,
  OPTION_MAGIC,
  OPTION_REPLY_MAGIC,
  REQUEST_MAGIC,
  SIMPLE_REPLY_MAGIC,
} from './protocol.js';

/** Bytes that only this process can read, such as those behind HTTP. */
export interface ServedBytes {
  readonly sizeBytes: number;
  read(offsetBytes: number, lengthBytes: number, signal?: AbortSignal): Promise<Buffer>;
}

/** In flight on one connection, and how large each: what it holds at most is their product, 32 MiB. */
const MOST_REQUESTS = 16;
const MOST_READ_BYTES = 2 * 1024 * 1024;
const MOST_OPTION_BYTES = 64 * 1024;
const MOST_OPTIONS = 64;
/** Error values of the protocol. */
const NOT_PERMITTED = 1;
const INPUT_OUTPUT = 5;
const INVALID = 22;
const HAS_FLAGS = 1;

/**
 * Serves bytes read-only over NBD on a unix socket, for tools that want a block device (fixed newstyle handshake, simple
 * replies; see protocol.ts for the specification). The socket has to lie where only its owner gets in.
 */
export class NbdServer {
  /** What the first read that failed failed with: to a client, it is only an input/output error. */
  failure: unknown = null;
  readonly #exports = new Map<string, ServedBytes>();
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor(readonly socketPath: string) {
    this.#server = createServer((socket) => void this.#talk(socket));
  }

  /** @param socketPath of 107 bytes at most (unix(7)). */
  static async listen(socketPath: string): Promise<NbdServer> {
    const server = new NbdServer(socketPath);
    server.#server.listen(socketPath);
    await once(server.#server, 'listening');
    return server;
  }

  /** @returns the name of the export. */
  add(bytes: ServedBytes): string {
    const name = String(this.#exports.size + 1);
    this.#exports.set(name, bytes);
    return name;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #talk(socket: Socket): Promise<void> {
    const gone = new AbortController();
    setMaxListeners(MOST_REQUESTS * 2, gone.signal);
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#sockets.delete(socket);
      gone.abort();
    });
    try {
      const incoming = new Incoming(socket);
      const bytes = await this.#shakeHands(socket, incoming);
      if (bytes) await this.#answer(socket, incoming, bytes, gone.signal);
    } catch {
      // A client that is gone, or does not keep to the protocol: nothing is owed to it.
    } finally {
      socket.destroy();
    }
  }

  /** Null where the client left. */
  async #shakeHands(socket: Socket, incoming: Incoming): Promise<ServedBytes | null> {
    const hello = Buffer.alloc(18);
    hello.writeBigUInt64BE(NBD_MAGIC, 0);
    hello.writeBigUInt64BE(OPTION_MAGIC, 8);
    hello.writeUInt16BE(FIXED_NEWSTYLE | NO_ZEROES, 16);
    socket.write(hello);
    await incoming.take(4);
    for (let count = 0; count < MOST_OPTIONS; count++) {
      const header = await incoming.take(16);
      const [option, length] = [header.readUInt32BE(8), header.readUInt32BE(12)];
      if (header.readBigUInt64BE(0) !== OPTION_MAGIC || length > MOST_OPTION_BYTES) return null;
      const data = await incoming.take(length);
      const reply = (type: number, content: Buffer = Buffer.alloc(0)) =>
        socket.write(optionReply(option, type, content));
      if (option === Option.ABORT) {
        reply(OptionReply.ACK);
        return null;
      }
      if (option !== Option.GO && option !== Option.INFO) {
        reply(OptionReply.ERROR + OptionError.UNSUPPORTED);
        continue;
      }
      const name = data.length < 4 ? '' : data.toString('utf8', 4, 4 + data.readUInt32BE(0));
      const bytes = this.#exports.get(name);
      if (!bytes) {
        reply(OptionReply.ERROR + OptionError.UNKNOWN);
        continue;
      }
      reply(OptionReply.INFO, exportInfo(bytes.sizeBytes));
      reply(OptionReply.INFO, blockSizeInfo());
      reply(OptionReply.ACK);
      if (option === Option.GO) return bytes;
    }
    return null;
  }

  async #answer(socket: Socket, incoming: Incoming, bytes: ServedBytes, gone: AbortSignal): Promise<void> {
    const running = new Set<Promise<void>>();
    for (;;) {
      const header = await incoming.take(28);
      const [type, length] = [header.readUInt16BE(6), header.readUInt32BE(24)];
      if (header.readUInt32BE(0) !== REQUEST_MAGIC || type === Command.DISCONNECT) return;
      // What is to be written would follow, and is not even looked at.
      if (type === Command.WRITE) return;
      const [cookie, offset] = [Buffer.from(header.subarray(8, 16)), header.readBigUInt64BE(16)];
      const done = this.#reply(socket, bytes, cookie, type, offset, length, gone).finally(() => running.delete(done));
      running.add(done);
      if (running.size >= MOST_REQUESTS) await Promise.race(running);
    }
  }

  /** Settles when the answer is sent. */
  async #reply(
    socket: Socket,
    bytes: ServedBytes,
    cookie: Buffer,
    type: number,
    offset: bigint,
    length: number,
    gone: AbortSignal,
  ): Promise<void> {
    const send = (errno: number, data: Buffer = Buffer.alloc(0)) => {
      const header = Buffer.alloc(16);
      header.writeUInt32BE(SIMPLE_REPLY_MAGIC, 0);
      header.writeUInt32BE(errno, 4);
      cookie.copy(header, 8);
      socket.write(header);
      return new Promise<void>((resolve) => socket.write(data, () => resolve()));
    };
    if (type === Command.FLUSH) return await send(0);
    if (type !== Command.READ) return await send(NOT_PERMITTED);
    const inside = offset + BigInt(length) <= BigInt(bytes.sizeBytes);
    if (!inside || length > MOST_READ_BYTES) return await send(INVALID);
    try {
      await send(0, await bytes.read(Number(offset), length, gone));
    } catch (error) {
      if (!gone.aborted) this.failure ??= error;
      await send(INPUT_OUTPUT);
    }
  }
}

/** Requests are short, so that what has come in is simply kept. */
class Incoming {
  readonly #chunks: AsyncIterator<Buffer>;
  #held = Buffer.alloc(0);

  constructor(socket: Socket) {
    const chunks: AsyncIterable<Buffer> = socket;
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** @throws Error where the connection ends before. */
  async take(bytes: number): Promise<Buffer> {
    while (this.#held.length < bytes) {
      const next = await this.#chunks.next();
      if (next.done) throw new Error('the connection ended');
      this.#held = Buffer.concat([this.#held, next.value]);
    }
    const taken = this.#held.subarray(0, bytes);
    this.#held = this.#held.subarray(bytes);
    return taken;
  }
}

function optionReply(option: number, type: number, data: Buffer): Buffer {
  const header = Buffer.alloc(20);
  header.writeBigUInt64BE(OPTION_REPLY_MAGIC, 0);
  header.writeUInt32BE(option, 8);
  header.writeUInt32BE(type, 12);
  header.writeUInt32BE(data.length, 16);
  return Buffer.concat([header, data]);
}

function exportInfo(sizeBytes: number): Buffer {
  const info = Buffer.alloc(12);
  info.writeUInt16BE(Info.EXPORT, 0);
  info.writeBigUInt64BE(BigInt(sizeBytes), 2);
  info.writeUInt16BE(HAS_FLAGS | ExportFlag.READ_ONLY | ExportFlag.CAN_MULTI_CONN, 10);
  return info;
}

function blockSizeInfo(): Buffer {
  const info = Buffer.alloc(14);
  info.writeUInt16BE(Info.BLOCK_SIZE, 0);
  info.writeUInt32BE(1, 2);
  info.writeUInt32BE(4096, 6);
  info.writeUInt32BE(MOST_READ_BYTES, 10);
  return info;
}
