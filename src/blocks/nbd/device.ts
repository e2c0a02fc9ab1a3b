import { VmferryError } from '../../errors.js';
import type { BlockStore, Extent } from '../block-device.js';
import { abortable } from '../deferred.js';
import { NbdConnection } from './connection.js';
import { mergeStatus, type StatusContext } from './extents.js';
import {
  Command,
  DEPTH_TOP,
  ExportFlag,
  MAX_STATUS_BYTES,
  MAX_ZERO_BYTES,
  STATE_DIRTY,
  STATE_ZERO,
  violation,
} from './protocol.js';
import { describeRequest, type PendingRequest, type RequestParts } from './requests.js';

export interface NbdOptions {
  /** Unix socket of the server. */
  socketPath: string;
  /** Default: the empty name, the server's default export. */
  exportName?: string;
  /** Dirty bitmap that says what changed (`qemu:dirty-bitmap:NAME`); where it is not granted, changes are not tracked. */
  dirtyBitmap?: string;
  /** Instead of a bitmap: `changed` is what the export's topmost layer holds itself (`qemu-nbd --allocation-depth`). */
  ownLayer?: boolean;
  /** Refuse to write, whatever the server allows. Default false. */
  readOnly?: boolean;
  /** How many connections, where the server says that several are one (CAN_MULTI_CONN). Default 1; at most 8. */
  connections?: number;
  /** A server that owes an answer and is silent for this long counts as gone. Default 60,000; a flush may take five times that. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

const ALLOCATION = 'base:allocation';
const ALLOCATION_DEPTH = 'qemu:allocation-depth';

/**
 * Opens an NBD export.
 * @throws VmferryError `Unreachable` (no server, connection lost), `NotFound` (no such export), `NotSupported`, `Denied`,
 * `Timeout`, `HostileInput` (the server breaks the protocol), `Cancelled`.
 */
export async function openNbd(options: NbdOptions): Promise<NbdDevice> {
  const exportName = options.exportName ?? '';
  const changes = options.ownLayer
    ? ALLOCATION_DEPTH
    : options.dirtyBitmap === undefined
      ? null
      : `qemu:dirty-bitmap:${options.dirtyBitmap}`;
  const shared = {
    socketPath: options.socketPath,
    exportName,
    peer: `NBD export "${exportName}" at ${options.socketPath}`,
    timeoutMs: options.timeoutMs ?? 60_000,
    signal: options.signal,
  };
  const first = await NbdConnection.open({ ...shared, contexts: changes ? [ALLOCATION, changes] : [ALLOCATION] });
  const connections = [first];
  try {
    const wanted = first.granted.flags & ExportFlag.CAN_MULTI_CONN ? Math.min(options.connections ?? 1, 8) : 1;
    while (connections.length < wanted) connections.push(await NbdConnection.open({ ...shared, contexts: [] }));
    if (connections.some(({ granted }) => granted.sizeBytes !== first.granted.sizeBytes)) {
      throw violation(shared.peer, 'its size differs between connections');
    }
  } catch (error) {
    await Promise.all(connections.map((connection) => connection.close()));
    throw error;
  }
  return new NbdDevice(shared.peer, connections, changes, options.readOnly ?? false);
}

/** An NBD export as a disk. Errors are VmferryErrors: see `openNbd`, and `NoSpace` for a full disk. */
export class NbdDevice implements BlockStore {
  readonly sizeBytes: number;
  readonly alignmentBytes: number;
  readonly tracksChanges: boolean;
  readonly readOnly: boolean;
  readonly #peer: string;
  readonly #connections: NbdConnection[];
  readonly #first: NbdConnection;
  readonly #zero: StatusContext | null;
  readonly #changed: StatusContext | null;

  /** Use `openNbd`. */
  constructor(peer: string, connections: NbdConnection[], changes: string | null, readOnly: boolean) {
    const [first] = connections;
    if (!first) throw new VmferryError('Internal', `cannot use ${peer}: no connection`);
    this.#peer = peer;
    this.#connections = connections;
    this.#first = first;
    const { granted } = first;
    this.sizeBytes = granted.sizeBytes;
    this.alignmentBytes = granted.minBlockBytes;
    this.readOnly = readOnly || this.#has(ExportFlag.READ_ONLY);
    const [allocation, change] = [ALLOCATION, changes ?? ''].map((name) => granted.contexts.get(name));
    this.#zero = allocation === undefined ? null : { id: allocation, holds: (flags) => (flags & STATE_ZERO) !== 0 };
    this.#changed =
      change === undefined
        ? null
        : {
            id: change,
            holds:
              changes === ALLOCATION_DEPTH ? (depth) => depth === DEPTH_TOP : (flags) => (flags & STATE_DIRTY) !== 0,
          };
    this.tracksChanges = this.#changed !== null;
  }

  async *extents(offsetBytes: number, lengthBytes: number, signal?: AbortSignal): AsyncGenerator<Extent> {
    this.#inside(offsetBytes, lengthBytes);
    const end = offsetBytes + lengthBytes;
    if (!this.#zero && !this.#changed) {
      if (lengthBytes > 0) yield { offsetBytes, lengthBytes, kind: 'data' };
      return;
    }
    let at = offsetBytes;
    while (at < end) {
      const { start, length } = this.#aligned(at, Math.min(end - at, MAX_STATUS_BYTES));
      const parts = { command: Command.BLOCK_STATUS, offsetBytes: start, lengthBytes: length };
      const { status } = await this.#request(parts, signal);
      let reached = at;
      for (const extent of mergeStatus(this.#peer, status, this.#zero, this.#changed, start, length)) {
        const from = Math.max(extent.offsetBytes, at);
        const to = Math.min(extent.offsetBytes + extent.lengthBytes, end);
        if (to <= from) continue;
        yield { ...extent, offsetBytes: from, lengthBytes: to - from };
        reached = to;
      }
      if (reached === at) throw violation(this.#peer, 'it told no extents');
      at = reached;
    }
  }

  async read(offsetBytes: number, buffer: Buffer, signal?: AbortSignal): Promise<void> {
    this.#inside(offsetBytes, buffer.length);
    const { start, length } = this.#aligned(offsetBytes, buffer.length);
    if (length !== buffer.length) {
      const wide = Buffer.allocUnsafe(length);
      await this.read(start, wide, signal);
      wide.copy(buffer, 0, offsetBytes - start, offsetBytes - start + buffer.length);
      return;
    }
    const command = Command.READ;
    await this.#pieces(offsetBytes, length, this.#first.granted.maxPayloadBytes, signal, (at, bytes) => {
      const into = buffer.subarray(at - offsetBytes, at - offsetBytes + bytes);
      return { command, offsetBytes: at, lengthBytes: bytes, into };
    });
  }

  async write(offsetBytes: number, buffer: Buffer, signal?: AbortSignal): Promise<void> {
    this.#writable(offsetBytes, buffer.length);
    const command = Command.WRITE;
    await this.#pieces(offsetBytes, buffer.length, this.#first.granted.maxPayloadBytes, signal, (at, bytes) => {
      const payload = buffer.subarray(at - offsetBytes, at - offsetBytes + bytes);
      return { command, offsetBytes: at, lengthBytes: bytes, payload };
    });
  }

  /** The range reads as zeroes afterwards; its space may be freed. */
  async zero(offsetBytes: number, lengthBytes: number, signal?: AbortSignal): Promise<void> {
    this.#writable(offsetBytes, lengthBytes);
    if (!this.#has(ExportFlag.SEND_WRITE_ZEROES)) {
      const zeroes = Buffer.alloc(Math.min(lengthBytes, 1024 * 1024));
      for (let done = 0; done < lengthBytes; done += zeroes.length) {
        await this.write(offsetBytes + done, zeroes.subarray(0, Math.min(zeroes.length, lengthBytes - done)), signal);
      }
      return;
    }
    const command = Command.WRITE_ZEROES;
    await this.#pieces(offsetBytes, lengthBytes, MAX_ZERO_BYTES, signal, (at, bytes) => ({
      command,
      offsetBytes: at,
      lengthBytes: bytes,
    }));
  }

  /** Gives the space of a range back, where the server can; what it reads as afterwards is not defined. */
  async trim(offsetBytes: number, lengthBytes: number, signal?: AbortSignal): Promise<void> {
    this.#writable(offsetBytes, lengthBytes);
    if (!this.#has(ExportFlag.SEND_TRIM)) return;
    const command = Command.TRIM;
    await this.#pieces(offsetBytes, lengthBytes, MAX_ZERO_BYTES, signal, (at, bytes) => ({
      command,
      offsetBytes: at,
      lengthBytes: bytes,
    }));
  }

  /** One flush covers all connections: that is what CAN_MULTI_CONN says. */
  async flush(signal?: AbortSignal): Promise<void> {
    if (!this.#has(ExportFlag.SEND_FLUSH)) return;
    await this.#request({ command: Command.FLUSH, offsetBytes: 0, lengthBytes: 0 }, signal);
  }

  async close(): Promise<void> {
    await Promise.all(this.#connections.map((connection) => connection.close()));
  }

  #has(flag: number): boolean {
    return (this.#first.granted.flags & flag) !== 0;
  }

  /** The request goes to the connection with the least in flight; only the first knows the meta contexts. */
  async #request(parts: RequestParts, signal?: AbortSignal): Promise<PendingRequest> {
    // NBD keeps no order between requests in flight: nothing new before what was cancelled has landed.
    for (const { abandonedWrites } of this.#connections) {
      if (!abandonedWrites) continue;
      const why = `${describeRequest(this.#peer, parts)}: cancelled`;
      await abortable(abandonedWrites, signal, () => new VmferryError('Cancelled', why));
    }
    const contexts = parts.command === Command.BLOCK_STATUS;
    const idle = this.#connections.reduce((best, one) => (one.inFlight < best.inFlight ? one : best));
    return (contexts ? this.#first : idle).request(parts, signal);
  }

  async #pieces(
    offsetBytes: number,
    lengthBytes: number,
    pieceBytes: number,
    signal: AbortSignal | undefined,
    make: (at: number, bytes: number) => RequestParts,
  ): Promise<void> {
    for (let done = 0; done < lengthBytes; done += pieceBytes) {
      await this.#request(make(offsetBytes + done, Math.min(pieceBytes, lengthBytes - done)), signal);
    }
  }

  #aligned(offsetBytes: number, lengthBytes: number): { start: number; length: number } {
    const align = this.alignmentBytes;
    const start = offsetBytes - (offsetBytes % align);
    const end = Math.min(this.sizeBytes, Math.ceil((offsetBytes + lengthBytes) / align) * align);
    return { start, length: end - start };
  }

  #inside(offsetBytes: number, lengthBytes: number): void {
    if (offsetBytes >= 0 && lengthBytes >= 0 && offsetBytes + lengthBytes <= this.sizeBytes) return;
    const range = `${lengthBytes} bytes at ${offsetBytes}`;
    throw new VmferryError('Internal', `cannot reach ${range} of ${this.#peer}: it has ${this.sizeBytes}`);
  }

  #writable(offsetBytes: number, lengthBytes: number): void {
    if (this.readOnly) throw new VmferryError('Denied', `cannot write to ${this.#peer}: it is read-only`);
    this.#inside(offsetBytes, lengthBytes);
  }
}
