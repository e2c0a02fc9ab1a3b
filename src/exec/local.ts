import { converseLocal } from './converse.js';
import type { Conversation, ForwardedSocket, Host, RunOptions, RunResult } from './host.js';
import { quoteCommand } from './quote.js';
import { runLocal } from './run.js';

/** This machine as a host. */
export class LocalHost implements Host {
  readonly name = 'local';
  readonly local = true;

  async run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const { stdout, stderr, exitCode } = await runLocal(command, args, options, quoteCommand(command, args));
    return { stdout: stdout.toString('utf8'), stderr, exitCode };
  }

  async runBinary(command: string, args: readonly string[], options: RunOptions = {}): Promise<Buffer> {
    return (await runLocal(command, args, options, quoteCommand(command, args))).stdout;
  }

  converse(command: string, args: readonly string[]): Promise<Conversation> {
    return Promise.resolve(converseLocal(command, args));
  }

  forwardSocket(path: string): Promise<ForwardedSocket> {
    return Promise.resolve({ path, close: () => Promise.resolve() });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
