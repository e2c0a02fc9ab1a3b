import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { execa } from 'execa';
import { VmferryError } from '../errors.js';
import type { Conversation } from './host.js';

/** Starts a local program to talk with. `failed` makes an error of an exit status that says why there is no more to say. */
export function converseLocal(
  file: string,
  args: readonly string[],
  failed: (exitCode: number | null) => VmferryError | null = () => null,
): Conversation {
  const program = execa(file, args, {
    stdin: 'pipe',
    buffer: false,
    encoding: 'buffer',
    env: { LC_ALL: 'C' },
    reject: false,
    cleanup: true,
    forceKillAfterDelay: 2_000,
  });
  // What is written to a program that has ended is lost; that it ended is seen in `ended`.
  program.stdin.on('error', () => undefined);
  const ended = program.then((result) => {
    if (result.code === 'ENOENT') {
      throw new VmferryError('ToolFailed', `cannot run ${file}: the program is not installed`, {
        remedy: 'Install it, or run `vmferry doctor` to see everything that is missing.',
      });
    }
    const failure = failed(result.exitCode ?? null);
    if (failure) throw failure;
    return result.exitCode ?? null;
  });
  ended.catch(() => undefined);
  const settled = ended.then(
    () => undefined,
    () => undefined,
  );
  return {
    ended,
    stdout: bytesOf(program.stdout),
    stderr: bytesOf(program.stderr),
    write: async (bytes) => {
      const { stdin } = program;
      if (stdin.destroyed || stdin.write(bytes)) return;
      await Promise.race([once(stdin, 'drain').catch(() => undefined), settled]);
    },
    end: () => void program.stdin.end(),
    stop: async (graceMs) => {
      program.stdin.end();
      // Nobody reads any more: a program that waits for that would never end.
      program.stdout.destroy();
      program.stderr.destroy();
      const timer = setTimeout(() => program.kill(), graceMs);
      await settled;
      clearTimeout(timer);
    },
  };
}

async function* bytesOf(stream: Readable): AsyncIterable<Buffer> {
  try {
    for await (const chunk of stream) yield Buffer.from(chunk as Uint8Array);
  } catch {
    // A pipe that breaks ends with its program.
  }
}
