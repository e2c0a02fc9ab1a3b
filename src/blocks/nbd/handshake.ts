import { VmferryError } from '../../errors.js';
import { deferred } from '../deferred.js';
import {
  DEFAULT_MAX_PAYLOAD,
  FIXED_NEWSTYLE,
  Info,
  NBD_MAGIC,
  NO_ZEROES,
  Option,
  OptionError,
  OptionReply,
  OPTION_MAGIC,
  OPTION_REPLY_MAGIC,
  violation,
} from './protocol.js';
import type { Wire } from './wire.js';

/** What a server granted. */
export interface Granted {
  sizeBytes: number;
  flags: number;
  structuredReplies: boolean;
  /** Meta context name -> id, of those asked for. */
  contexts: Map<string, number>;
  minBlockBytes: number;
  maxPayloadBytes: number;
}

const MAX_REPLY_BYTES = 64 * 1024;
const MAX_REPLIES = 64;

interface Reply {
  type: number;
  data: Buffer;
}

/**
 * Fixed newstyle handshake up to NBD_OPT_GO (specification, "Handshake phase").
 * @throws VmferryError `NotFound` (no such export), `NotSupported`, `Denied`, `HostileInput`, `Unreachable`.
 */
export async function shakeHands(
  wire: Wire,
  peer: string,
  exportName: string,
  wantedContexts: readonly string[],
): Promise<Granted> {
  const options = new Options(wire, peer);
  const hello = await options.receive(18);
  if (hello.readBigUInt64BE(0) !== NBD_MAGIC) throw violation(peer, 'its greeting is not that of an NBD server');
  const flags = hello.readUInt16BE(16);
  if (hello.readBigUInt64BE(8) !== OPTION_MAGIC || (flags & FIXED_NEWSTYLE) === 0) {
    throw new VmferryError('NotSupported', `cannot use ${peer}: the server speaks only the oldstyle NBD handshake`);
  }
  const clientFlags = Buffer.alloc(4);
  clientFlags.writeUInt32BE(FIXED_NEWSTYLE | (flags & NO_ZEROES));
  wire.send(clientFlags);

  const structured = await options.negotiate(Option.STRUCTURED_REPLY, Buffer.alloc(0));
  const structuredReplies = structured.at(-1)?.type === OptionReply.ACK;
  const contexts = new Map<string, number>();
  if (structuredReplies && wantedContexts.length > 0) {
    for (const { type, data } of await options.negotiate(
      Option.SET_META_CONTEXT,
      metaContextRequest(exportName, wantedContexts),
    )) {
      if (type !== OptionReply.META_CONTEXT) continue;
      if (data.length < 5) throw violation(peer, 'a meta context without a name');
      const name = data.toString('utf8', 4);
      if (wantedContexts.includes(name)) contexts.set(name, data.readUInt32BE(0));
    }
  }
  const answers = await options.negotiate(Option.GO, goRequest(exportName));
  const last = answers.at(-1);
  if (last?.type !== OptionReply.ACK) throw refusal(peer, last);
  return { ...exportFacts(peer, answers), structuredReplies, contexts };
}

function exportFacts(
  peer: string,
  answers: Reply[],
): Pick<Granted, 'sizeBytes' | 'flags' | 'minBlockBytes' | 'maxPayloadBytes'> {
  let size: bigint | null = null;
  let flags = 0;
  let minBlockBytes = 1;
  let maxPayloadBytes = DEFAULT_MAX_PAYLOAD;
  for (const { type, data } of answers) {
    if (type !== OptionReply.INFO || data.length < 2) continue;
    const kind = data.readUInt16BE(0);
    if (kind === Info.EXPORT && data.length === 12) {
      size = data.readBigUInt64BE(2);
      flags = data.readUInt16BE(10);
    } else if (kind === Info.BLOCK_SIZE && data.length === 14) {
      minBlockBytes = data.readUInt32BE(2);
      maxPayloadBytes = data.readUInt32BE(10);
    }
  }
  if (size === null) throw violation(peer, 'it did not say how large the export is');
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw violation(peer, `it claims a size of ${size} bytes`);
  const powerOfTwo = minBlockBytes > 0 && (minBlockBytes & (minBlockBytes - 1)) === 0;
  if (!powerOfTwo || minBlockBytes > 65_536 || maxPayloadBytes < minBlockBytes) {
    throw violation(peer, `it claims block sizes of ${minBlockBytes} to ${maxPayloadBytes} bytes`);
  }
  const whole = Math.min(maxPayloadBytes, DEFAULT_MAX_PAYLOAD);
  return { sizeBytes: Number(size), flags, minBlockBytes, maxPayloadBytes: whole - (whole % minBlockBytes) };
}

function refusal(peer: string, reply: Reply | undefined): VmferryError {
  const error = reply ? reply.type - OptionReply.ERROR : 0;
  const said = reply && reply.data.length > 0 ? `: ${reply.data.toString('utf8')}` : '';
  if (error === OptionError.UNKNOWN) return new VmferryError('NotFound', `cannot open ${peer}: no such export${said}`);
  if (error === OptionError.POLICY) return new VmferryError('Denied', `cannot open ${peer}: refused by policy${said}`);
  if (error === OptionError.TLS_REQUIRED) return new VmferryError('Denied', `cannot open ${peer}: it wants TLS${said}`);
  if (error === OptionError.SHUTDOWN)
    return new VmferryError('Unreachable', `cannot open ${peer}: it is shutting down`);
  if (error === OptionError.UNSUPPORTED) {
    return new VmferryError('NotSupported', `cannot open ${peer}: the server does not know NBD_OPT_GO`);
  }
  return new VmferryError('ToolFailed', `cannot open ${peer}: refused with reply ${reply?.type}${said}`);
}

function goRequest(exportName: string): Buffer {
  const name = Buffer.from(exportName);
  const request = Buffer.alloc(4 + name.length + 4);
  request.writeUInt32BE(name.length, 0);
  name.copy(request, 4);
  request.writeUInt16BE(1, 4 + name.length);
  request.writeUInt16BE(Info.BLOCK_SIZE, 6 + name.length);
  return request;
}

function metaContextRequest(exportName: string, contexts: readonly string[]): Buffer {
  const parts: Buffer[] = [];
  const number = (value: number): void => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    parts.push(bytes);
  };
  const text = (value: string): void => {
    const bytes = Buffer.from(value);
    number(bytes.length);
    parts.push(bytes);
  };
  text(exportName);
  number(contexts.length);
  contexts.forEach(text);
  return Buffer.concat(parts);
}

/** Option haggling: a request, its replies. */
class Options {
  readonly #wire: Wire;
  readonly #peer: string;

  constructor(wire: Wire, peer: string) {
    this.#wire = wire;
    this.#peer = peer;
  }

  receive(bytes: number): Promise<Buffer> {
    const { promise, resolve, reject } = deferred<Buffer>();
    if (this.#wire.failure) reject(this.#wire.failure);
    this.#wire.onFailure = reject;
    const into = Buffer.alloc(bytes);
    this.#wire.intake.fill(into, () => resolve(into));
    return promise;
  }

  /** All replies to one option; the last is an acknowledgement or an error. */
  async negotiate(option: number, data: Buffer): Promise<Reply[]> {
    const request = Buffer.alloc(16);
    request.writeBigUInt64BE(OPTION_MAGIC, 0);
    request.writeUInt32BE(option, 8);
    request.writeUInt32BE(data.length, 12);
    this.#wire.send(Buffer.concat([request, data]));
    const replies: Reply[] = [];
    while (replies.length < MAX_REPLIES) {
      const header = await this.receive(20);
      const [type, length] = [header.readUInt32BE(12), header.readUInt32BE(16)];
      if (header.readBigUInt64BE(0) !== OPTION_REPLY_MAGIC)
        throw violation(this.#peer, 'an option reply with a wrong magic number');
      if (header.readUInt32BE(8) !== option) throw violation(this.#peer, 'a reply to an option that was not sent');
      if (length > MAX_REPLY_BYTES) throw violation(this.#peer, `an option reply of ${length} bytes`);
      replies.push({ type, data: length > 0 ? await this.receive(length) : Buffer.alloc(0) });
      if (type === OptionReply.ACK || type >= OptionReply.ERROR) return replies;
    }
    throw violation(this.#peer, `more than ${MAX_REPLIES} replies to one option`);
  }
}
