import { VmferryError } from '../errors.js';

/**
 * Where commands run: this machine, or another over ssh. Everything that vmferry does at a site (virsh, qemu-img,
 * qemu-nbd, small file work) goes through a Host, so an adapter is written once and serves both.
 */
export interface RunOptions {
  /** Bytes for standard input. Default: none (closed). */
  input?: string | Uint8Array;
  /** The command is ended after this. Default 60,000. */
  timeoutMs?: number;
  /** Ends the command (and, over ssh, its remote process) when aborted. */
  signal?: AbortSignal | undefined;
  /** Strings that must never be shown: replaced by `***` in errors. */
  secrets?: readonly string[];
  /** Exit codes that are not an error. Default `[0]`. */
  okExitCodes?: readonly number[];
  /** Standard output beyond this many bytes is an error. Default 16 MiB. */
  maxOutputBytes?: number;
}

export interface RunResult {
  stdout: string;
  stderr: string;
  exitCode: number;
}

/** A program that is talked with: written to, and read from, as long as it runs. */
export interface Conversation {
  /** Settles when it has ended, with its exit status (null where a signal ended it). @throws VmferryError `ToolFailed`, `Unreachable` (ssh). */
  readonly ended: Promise<number | null>;
  /** To be read by one reader each, at the same time, or the program waits. They end with it. */
  readonly stdout: AsyncIterable<Buffer>;
  readonly stderr: AsyncIterable<Buffer>;
  /** Returns when there is room for more. What is written after its end is lost. */
  write(bytes: Uint8Array | string): Promise<void>;
  /** Closes its standard input. */
  end(): void;
  /** Closes its standard input and stops reading it, waits for its end, and kills it (over ssh: the connection to it) after `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

/** A unix socket at a site, reachable from here as `path` until closed. */
export interface ForwardedSocket {
  /** Local path to connect to. */
  readonly path: string;
  close(): Promise<void>;
}

export interface Host {
  /** `local`, or `user@machine`, for messages. */
  readonly name: string;
  readonly local: boolean;
  /**
   * Runs a program with an argument array; no shell sees the arguments.
   * @throws VmferryError `ToolFailed` (with the last lines of stderr), `Timeout`, `Unreachable` (ssh), `Cancelled`.
   */
  run(command: string, args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Like `run`, with the raw bytes of standard output (screenshots, small files). */
  runBinary(command: string, args: readonly string[], options?: RunOptions): Promise<Buffer>;
  /**
   * Starts a program to talk with. Over ssh only the end of its standard input tells it that nobody listens any more, so
   * it has to end by that.
   */
  converse(command: string, args: readonly string[]): Promise<Conversation>;
  /** Makes a unix socket of the host reachable here. Local hosts give the path itself. */
  forwardSocket(path: string, signal?: AbortSignal): Promise<ForwardedSocket>;
  /** Ends what is kept open for this host (ssh master, forwards). Idempotent. */
  close(): Promise<void>;
}

/** What a tool that failed said last on its standard error; an empty string where `error` is not a tool's failure. */
export function stderrOf(error: unknown): string {
  const stderr = error instanceof VmferryError ? error.details['stderr'] : undefined;
  return typeof stderr === 'string' ? stderr : '';
}
