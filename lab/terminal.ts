import { createInterface, type Interface } from 'node:readline/promises';

/** What the demo prints, and the question that stays below it until it is answered. */
export class Terminal {
  /** Somebody sits there who can be asked. */
  readonly interactive = process.stdin.isTTY && process.stdout.isTTY;
  private asking: Interface | null = null;

  readonly say = (line: string): void => this.write(`${line}\n`);

  readonly write = (text: string): void => {
    if (this.asking) process.stdout.write('\r\u001b[K');
    process.stdout.write(text);
    this.asking?.prompt(true);
  };

  /**
   * Asks until one of `answers` (or its beginning) is given, which is returned.
   * @throws what `signal` was aborted with.
   */
  async ask(question: string, answers: readonly string[], signal: AbortSignal): Promise<string> {
    const asking = createInterface({ input: process.stdin, output: process.stdout });
    // It takes Ctrl-C for itself; here it means what it means everywhere.
    asking.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
    this.asking = asking;
    try {
      for (;;) {
        const given = (await asking.question(question, { signal })).trim().toLowerCase();
        const meant = answers.find((each) => given !== '' && each.startsWith(given));
        if (meant !== undefined) return meant;
      }
    } finally {
      this.asking = null;
      asking.close();
      if (signal.aborted) process.stdout.write('\r\u001b[K');
    }
  }
}
