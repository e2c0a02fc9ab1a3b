import { createInterface } from 'node:readline/promises';
import { connectClient, type ConnectedClient } from '../temporal.js';

/** What a verb may use of the process that it runs in, so that a test can give its own. */
export interface Context {
  /** Writes to standard output: data and answers. */
  readonly out: (text: string) => void;
  /** Writes to standard error: errors and progress of what also prints data. */
  readonly err: (text: string) => void;
  /** Whether standard output is a terminal that can be redrawn. */
  readonly terminal: boolean;
  /** Width of the terminal in characters; 100 elsewhere. */
  readonly columns: number;
  connect(): Promise<ConnectedClient>;
  /** Asks a person; not there without a terminal. */
  readonly ask?: (question: string) => Promise<string>;
  /** Aborted by Ctrl-C or a termination. */
  readonly signal: AbortSignal;
}

const COLUMNS_ELSEWHERE = 100;

/** The context of this process. */
export function processContext(signal: AbortSignal): Context {
  const { stdout, stderr } = process;
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    terminal: stdout.isTTY === true,
    get columns() {
      return stdout.columns ?? COLUMNS_ELSEWHERE;
    },
    connect: () => connectClient(),
    ...(process.stdin.isTTY && stdout.isTTY ? { ask: (question: string) => askPerson(question, signal) } : {}),
    signal,
  };
}

async function askPerson(question: string, signal: AbortSignal): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return await lines.question(question, { signal });
  } finally {
    lines.close();
  }
}

/** `data` as `--json` prints it. */
export function printJson(context: Context, data: unknown): void {
  context.out(`${JSON.stringify(data, null, 2)}\n`);
}

/** Runs `use` with a client that is closed afterwards. */
export async function withClient<T>(context: Context, use: (connected: ConnectedClient) => Promise<T>): Promise<T> {
  const connected = await context.connect();
  try {
    return await use(connected);
  } finally {
    await connected.close();
  }
}

/** Rows as aligned columns, the first row being the heading. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => printable(row[column] ?? '').length))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, column) => printable(cell).padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

const CONTROLS = new RegExp('[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]', 'g');

/** Text from outside for a terminal: without control characters, so that a VM's name cannot move the cursor. */
export function printable(text: string): string {
  return text.replace(CONTROLS, '\ufffd').replaceAll('\t', ' ');
}
