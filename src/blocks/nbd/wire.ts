import { createConnection, type Socket } from 'node:net';
import { VmferryError } from '../../errors.js';
import { deferred } from '../deferred.js';
import { Intake } from './intake.js';

export interface WireOptions {
  socketPath: string;
  /** For messages: `NBD export "x" at /path`. */
  peer: string;
  signal?: AbortSignal | undefined;
}

/** A connected socket: bytes in through `intake`, bytes out through `send`. */
export class Wire {
  readonly intake = new Intake();
  /** `performance.now()` when a byte last went in or out. */
  lastMoveMs = performance.now();
  /** Why there will be no more bytes; null while it is open. */
  failure: VmferryError | null = null;
  onFailure: (failure: VmferryError) => void = () => {};
  readonly #socket: Socket;
  readonly #peer: string;

  private constructor(options: WireOptions) {
    this.#peer = options.peer;
    this.#socket = createConnection({
      path: options.socketPath,
      onread: { buffer: () => this.intake.next(), callback: (bytes) => this.#landed(bytes) },
    });
    this.#socket.on('error', (cause) => this.fail(this.#lost(cause.message, cause)));
    this.#socket.on('end', () => this.fail(this.#lost('the server closed the connection')));
    this.#socket.on('close', () => this.fail(this.#lost('the connection was closed')));
  }

  /** @throws VmferryError `Unreachable`, `Cancelled`. */
  static connect(options: WireOptions): Promise<Wire> {
    const wire = new Wire(options);
    const { promise, resolve, reject } = deferred<Wire>();
    const onAbort = (): void =>
      wire.fail(new VmferryError('Cancelled', `cannot connect to ${options.peer}: cancelled`));
    wire.onFailure = reject;
    wire.#socket.once('connect', () => resolve(wire));
    if (options.signal?.aborted) onAbort();
    options.signal?.addEventListener('abort', onAbort, { once: true });
    return promise.finally(() => {
      options.signal?.removeEventListener('abort', onAbort);
      wire.onFailure = () => {};
    });
  }

  /** Sends header and payload as one. The payload must stay as it is until it was sent. */
  send(header: Buffer, payload?: Buffer): void {
    if (this.failure) return;
    if (payload) {
      this.#socket.cork();
      this.#socket.write(header);
      this.#socket.write(payload, this.#sent);
      this.#socket.uncork();
    } else this.#socket.write(header, this.#sent);
  }

  /** Closes at once, for the given reason. Idempotent: the first reason counts. */
  fail(failure: VmferryError): void {
    if (this.failure) return;
    this.failure = failure;
    this.#socket.destroy();
    this.onFailure(failure);
  }

  /** Sends what is still to be sent and closes; gives up waiting for the peer after a second. */
  async end(): Promise<void> {
    if (!this.failure) this.failure = new VmferryError('Unreachable', `cannot use ${this.#peer}: it was closed`);
    if (this.#socket.destroyed) return;
    const { promise, resolve } = deferred<void>();
    const timer = setTimeout(() => this.#socket.destroy(), 1_000);
    this.#socket.once('close', resolve);
    this.#socket.end();
    await promise;
    clearTimeout(timer);
  }

  readonly #sent = (): void => {
    this.lastMoveMs = performance.now();
  };

  #landed(bytes: number): boolean {
    this.lastMoveMs = performance.now();
    try {
      this.intake.landed(bytes);
    } catch (error) {
      this.fail(
        error instanceof VmferryError
          ? error
          : new VmferryError('Internal', `cannot read from ${this.#peer}: ${String(error)}`, { cause: error }),
      );
    }
    return true;
  }

  #lost(why: string, cause?: unknown): VmferryError {
    return new VmferryError('Unreachable', `cannot reach ${this.#peer}: ${why}`, { cause });
  }
}
