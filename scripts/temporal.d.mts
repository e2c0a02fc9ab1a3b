/** The server's program, or null when it has to be installed first (`node scripts/setup.mjs --own-server`). */
export function findTemporal(): Promise<string | null>;

export interface TemporalOptions {
  /** SQLite file; created when it is not there. */
  dbFile: string;
  /** Default: `dbFile` with `.log`. */
  logFile?: string;
  /** Default 7233, or the next free one. */
  port?: number;
  /** Default 8233, or the next free one. */
  uiPort?: number;
  /** Goes on after this process. Default false. */
  keep?: boolean;
}

export interface EmbeddedTemporal {
  address: string;
  uiUrl: string;
  pid: number;
  /** Path of the `temporal` program. */
  program: string;
  /** Ends the server. Idempotent. */
  stop(): Promise<void>;
}

/** @throws Error when the server does not serve within 30 s. */
export function startTemporal(options: TemporalOptions): Promise<EmbeddedTemporal>;
