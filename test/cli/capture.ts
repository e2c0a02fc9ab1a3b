import type { Context } from '../../src/cli/context.js';
import { run } from '../../src/cli/program.js';
import { VmferryError } from '../../src/errors.js';

export interface Ran {
  exit: number;
  out: string;
  err: string;
}

/** Runs the command line in this process, without a terminal. Connecting to Temporal fails unless `connect` is given. */
export async function vmferry(argv: readonly string[], given: Partial<Context> = {}): Promise<Ran> {
  let out = '';
  let err = '';
  const context: Context = {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    terminal: false,
    columns: 100,
    connect: () => Promise.reject(new VmferryError('Unreachable', 'cannot reach Temporal: this test has none')),
    signal: new AbortController().signal,
    ...given,
  };
  const exit = await run(argv, context);
  return { exit, out, err };
}
