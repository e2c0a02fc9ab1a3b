import type { Progress } from '../blocks/index.js';
import { printable, type Context } from './context.js';
import { diskLine } from './screen.js';

const PLAIN_EVERY_MS = 10_000;

/** Bytes, rate and ETA of one copy or check, on standard error: one line redrawn on a terminal, now and then a plain one elsewhere. */
export class ProgressLine {
  private open = false;
  private toldAt = Date.now();
  constructor(private readonly context: Context) {}

  show(name: string, { doneBytes, totalBytes, rateBytesPerSecond }: Progress): void {
    const { context } = this;
    const text = `${name} ${diskLine({ name, doneBytes, totalBytes, rateBytesPerSecond })}`;
    if (context.terminal) {
      context.err(`\r\u001b[K${text.slice(0, Math.max(20, context.columns - 1))}`);
      this.open = true;
    } else if (Date.now() - this.toldAt >= PLAIN_EVERY_MS) {
      this.toldAt = Date.now();
      context.err(`${text}\n`);
    }
  }

  note(text: string): void {
    this.end();
    this.context.err(`${printable(text)}\n`);
  }

  end(): void {
    if (this.open) this.context.err('\r\u001b[K');
    this.open = false;
  }
}
