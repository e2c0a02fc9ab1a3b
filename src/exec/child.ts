import { execa } from 'execa';
import { VmferryError } from '../errors.js';
import { quoteCommand } from './quote.js';

/** A server of ours on this machine: it runs until it is stopped, and does not outlive this process. */
export interface Child {
  /** Settles when it has ended, with what it said last. */
  readonly ended: Promise<string>;
  /** Whether it runs. */
  alive(): boolean;
  /** Ends it and waits for that. */
  stop(): Promise<void>;
}

const LAST_CHARACTERS = 2000;

/** Starts a local program. `setpriv` has the kernel end it when this process dies, however it dies (prctl(2)). */
export function startChild(file: string, args: readonly string[]): Child {
  const process = execa('setpriv', ['--pdeathsig', 'KILL', '--', file, ...args], {
    stdin: 'ignore',
    stdout: 'ignore',
    reject: false,
    maxBuffer: 64 * 1024,
    env: { LC_ALL: 'C' },
    forceKillAfterDelay: 2_000,
    cleanup: true,
  });
  let alive = true;
  const ended = process.then(
    (result) => {
      alive = false;
      return (
        String(result.stderr ?? '')
          .trim()
          .slice(-LAST_CHARACTERS) || `exit status ${result.exitCode ?? 'unknown'}`
      );
    },
    (error: unknown) => {
      alive = false;
      throw new VmferryError('ToolFailed', `cannot run ${quoteCommand(file, args)}`, { cause: error });
    },
  );
  ended.catch(() => undefined);
  return {
    ended,
    alive: () => alive,
    stop: async () => {
      if (alive) process.kill('SIGTERM');
      await ended.catch(() => undefined);
    },
  };
}
