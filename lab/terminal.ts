import { createInterface, type Interface } from 'node:readline/promises';

/** What the demo prints, and the question that stays below it until it is answered. */
export class Terminal {
  /** Somebody sits there who can be asked. */
  readonly interactive: boolean;
  private asking: Interface | null = null;

  constructor(
    private readonly input: NodeJS.ReadableStream & { isTTY?: boolean } = process.stdin,
    private readonly output: NodeJS.WritableStream & { isTTY?: boolean } = process.stdout,
  ) {
    this.interactive = input.isTTY === true && output.isTTY === true;
  }

  readonly say = (line: string): void => this.write(`${line}\n`);

  readonly write = (text: string): void => {
    if (this.asking) this.output.write('\r\u001b[K');
    this.output.write(text);
    this.asking?.prompt(true);
  };

  /**
   * Asks until one of `answers` (or its beginning) is given, which is returned.
   * @throws what `signal` was aborted with; from then on the question is gone.
   */
  async ask(question: string, answers: readonly string[], signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    const asking = createInterface({ input: this.input, output: this.output });
    // It takes Ctrl-C for itself; here it means what it means everywhere.
    asking.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
    this.asking = asking;
    const withdraw = (): void => {
      this.asking = null;
      this.output.write('\r\u001b[K');
    };
    signal.addEventListener('abort', withdraw, { once: true });
    try {
      for (;;) {
        const given = (await asking.question(question, { signal })).trim().toLowerCase();
        const meant = answers.find((each) => given !== '' && each.startsWith(given));
        if (meant !== undefined) return meant;
      }
    } finally {
      signal.removeEventListener('abort', withdraw);
      this.asking = null;
      asking.close();
    }
  }
}
