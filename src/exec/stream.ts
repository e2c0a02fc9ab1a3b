import { pipeline } from 'node:stream/promises';
import { execa } from 'execa';
import type { RunOptions } from './host.js';
import { quoteCommand } from './quote.js';
import { failure, lastLines } from './run.js';

const MAX_STDERR_BYTES = 64 * 1024;

/**
 * Runs a program on this machine as a filter: `input` goes in, and `onChunk` gets what comes out, one piece at a time;
 * the program waits while it works. It may run as long as it likes. When this returns or throws, the program has
 * ended: it is stopped when `onChunk` or `input` throws, and their error is the one that is thrown.
 * @returns its exit status, and the last lines that it printed to standard error.
 * @throws VmferryError `ToolFailed` (with these lines), `Cancelled`.
 */
export async function streamLocal(
  file: string,
  args: readonly string[],
  input: AsyncIterable<Buffer>,
  onChunk: (chunk: Buffer) => Promise<void>,
  options: Pick<RunOptions, 'signal' | 'okExitCodes'> = {},
): Promise<{ exitCode: number; stderr: string }> {
  const program = execa(file, args, {
    stdin: 'pipe',
    buffer: { stdout: false },
    encoding: 'buffer',
    maxBuffer: { stderr: MAX_STDERR_BYTES },
    env: { LC_ALL: 'C' },
    reject: false,
    forceKillAfterDelay: 2_000,
    ...(options.signal ? { cancelSignal: options.signal } : {}),
  });
  const thrown: unknown[] = [];
  /** The program is stopped at the first error that comes from the caller's side. */
  const ours = (error: unknown): never => {
    thrown.push(error);
    program.kill();
    throw error;
  };
  const feed = async function* () {
    try {
      yield* input;
    } catch (error) {
      ours(error);
    }
  };
  const read = async () => {
    for await (const chunk of program.stdout) {
      try {
        await onChunk(Buffer.from(chunk as Uint8Array));
      } catch (error) {
        ours(error);
      }
    }
  };
  // The pipe to a program that ended early breaks; why it ended is what counts.
  const feeding = pipeline(feed(), program.stdin).catch(() => undefined);
  const [result, , [lost]] = await Promise.all([program, feeding, Promise.allSettled([read()])]);
  const stderr = Buffer.from(result.stderr ?? []).toString('utf8');
  const failed = () => failure(result, stderr, options, quoteCommand(file, args));
  if (result.isCanceled) throw failed();
  if (thrown.length > 0) throw thrown[0];
  const { exitCode } = result;
  if (result.isMaxBuffer || exitCode === undefined || !(options.okExitCodes ?? [0]).includes(exitCode)) throw failed();
  // Without this, what did not come through would be missing without a word.
  if (exitCode === 0 && lost.status === 'rejected') throw lost.reason;
  return { exitCode, stderr: lastLines(stderr) };
}
