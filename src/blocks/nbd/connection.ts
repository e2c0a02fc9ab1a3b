import { VmferryError } from '../../errors.js';
import { deferred, type Deferred } from '../deferred.js';
import { shakeHands, type Granted } from './handshake.js';
import { Command } from './protocol.js';
import { ReplyReader } from './replies.js';
import { describeRequest, encodeRequest, PendingRequest, type RequestParts } from './requests.js';
import { Wire } from './wire.js';

export interface ConnectionOptions {
  socketPath: string;
  exportName: string;
  /** For messages. */
  peer: string;
  /** Meta contexts to ask for. */
  contexts: readonly string[];
  /** A server that owes an answer and is silent for this long is given up. */
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

/** A flush may write out much at once: it is waited for this many times longer. */
const FLUSH_PATIENCE = 5;

/** One connection in its transmission phase, with many requests in flight. */
export class NbdConnection {
  readonly granted: Granted;
  readonly #wire: Wire;
  readonly #options: ConnectionOptions;
  readonly #pending = new Map<number, PendingRequest>();
  readonly #watchdog: NodeJS.Timeout;
  #nextCookie = 1;
  #abandonedWrites: Deferred<void> | null = null;

  private constructor(wire: Wire, options: ConnectionOptions, granted: Granted) {
    this.#wire = wire;
    this.#options = options;
    this.granted = granted;
    wire.onFailure = (failure) => this.#failAll(failure);
    this.#watchdog = setInterval(() => this.#watch(), Math.min(1_000, options.timeoutMs / 4)).unref();
    new ReplyReader({
      intake: wire.intake,
      peer: options.peer,
      structured: granted.structuredReplies,
      contexts: new Set(granted.contexts.values()),
      find: (cookie) => this.#pending.get(cookie),
      answered: (cookie, request) => this.#answered(cookie, request),
    }).start();
  }

  /** @throws VmferryError as of `shakeHands`; `Timeout`, `Cancelled`. */
  static async open(options: ConnectionOptions): Promise<NbdConnection> {
    const wire = await Wire.connect(options);
    const onAbort = (): void => wire.fail(new VmferryError('Cancelled', `cannot open ${options.peer}: cancelled`));
    const timer = setTimeout(() => wire.fail(silence(`cannot open ${options.peer}`, options)), options.timeoutMs);
    options.signal?.addEventListener('abort', onAbort, { once: true });
    try {
      const granted = await shakeHands(wire, options.peer, options.exportName, options.contexts);
      return new NbdConnection(wire, options, granted);
    } catch (error) {
      await wire.end();
      throw error;
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
    }
  }

  get inFlight(): number {
    return this.#pending.size;
  }

  /** Settles when all writes that were cancelled have landed or are lost; null when there are none. */
  get abandonedWrites(): Promise<void> | null {
    return this.#abandonedWrites?.promise ?? null;
  }

  /** Why it is of no use any more; null while it is. */
  get failure(): VmferryError | null {
    return this.#wire.failure;
  }

  /**
   * Sends one request and waits for its answer. When `signal` aborts, the call ends at once, though the server may
   * still carry the request out: its buffer is not to be used again.
   */
  async request(parts: RequestParts, signal?: AbortSignal): Promise<PendingRequest> {
    if (this.#wire.failure) throw this.#wire.failure;
    if (signal?.aborted) throw this.#cancelled(parts);
    const answer = deferred();
    const cookie = this.#nextCookie++;
    const pending = new PendingRequest(parts, (error) => (error ? answer.reject(error) : answer.resolve()));
    if (this.#pending.size === 0) this.#wire.lastMoveMs = performance.now();
    this.#pending.set(cookie, pending);
    const onAbort = (): void => {
      this.#abandon(pending);
      answer.reject(this.#cancelled(parts));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      this.#wire.send(encodeRequest(parts, cookie), parts.payload);
      await answer.promise;
      return pending;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Says goodbye. Requests in flight fail as `Unreachable`. */
  async close(): Promise<void> {
    clearInterval(this.#watchdog);
    this.#wire.send(encodeRequest({ command: Command.DISCONNECT, offsetBytes: 0, lengthBytes: 0 }, 0));
    const ended = this.#wire.end();
    if (this.#wire.failure) this.#failAll(this.#wire.failure);
    await ended;
  }

  #cancelled(parts: RequestParts): VmferryError {
    return new VmferryError('Cancelled', `${describeRequest(this.#options.peer, parts)}: cancelled`);
  }

  #abandon(pending: PendingRequest): void {
    pending.abandoned = true;
    if (pending.parts.command === Command.WRITE || pending.parts.command === Command.WRITE_ZEROES) {
      this.#abandonedWrites ??= deferred();
    }
  }

  #answered(cookie: number, pending: PendingRequest): void {
    this.#pending.delete(cookie);
    pending.settle(pending.error);
    if (this.#abandonedWrites && ![...this.#pending.values()].some(({ abandoned }) => abandoned)) {
      this.#abandonedWrites.resolve();
      this.#abandonedWrites = null;
    }
  }

  #failAll(failure: VmferryError): void {
    clearInterval(this.#watchdog);
    for (const pending of this.#pending.values()) pending.settle(failure);
    this.#pending.clear();
    this.#abandonedWrites?.resolve();
    this.#abandonedWrites = null;
  }

  #watch(): void {
    if (this.#pending.size === 0) return;
    const flushing = [...this.#pending.values()].some(({ parts }) => parts.command === Command.FLUSH);
    const patience = this.#options.timeoutMs * (flushing ? FLUSH_PATIENCE : 1);
    if (performance.now() - this.#wire.lastMoveMs < patience) return;
    const [first] = this.#pending.values();
    if (first) this.#wire.fail(silence(describeRequest(this.#options.peer, first.parts), { timeoutMs: patience }));
  }
}

function silence(what: string, { timeoutMs }: { timeoutMs: number }): VmferryError {
  return new VmferryError('Timeout', `${what}: the server did not answer for ${timeoutMs / 1000} s`);
}
