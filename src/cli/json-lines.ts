import type { FleetStatus } from '../model/fleet.js';
import type { MigrationStatus } from '../model/status.js';
import { printable, type Context } from './context.js';

/** The status of a migration or an assessment for programs: one JSON document a line (NDJSON), whenever it is another than the last. */
export class JsonLines {
  private last = '';
  private noted = '';
  constructor(private readonly context: Context) {}

  draw(status: MigrationStatus | FleetStatus): void {
    const line = JSON.stringify(status);
    if (line !== this.last) this.context.out(`${line}\n`);
    this.last = line;
    this.noted = '';
  }

  /** On standard error, once: it is no status. */
  note(text: string): void {
    if (text !== this.noted) this.context.err(`${printable(text.replaceAll('\n', ' '))}\n`);
    this.noted = text;
  }
}
