import { posix } from 'node:path';
import type { Finding } from '../model/finding.js';
import { readable } from './text.js';
import type { Edit, GuestTree } from './tree.js';

/** More than any configuration needs; keeps a hostile guest from filling the memory or the time. */
const MAX_FILE_CHARS = 1024 * 1024;
const MAX_TOTAL_CHARS = 32 * 1024 * 1024;
const MAX_FILES = 4000;
const MAX_NAMES = 2000;
const MAX_FINDINGS = 200;

const TOO_MANY: Finding = {
  id: 'guest.findings-more',
  severity: 'warning',
  message: `There is more to say of the guest's configuration than the first ${MAX_FINDINGS} findings.`,
  remedy: 'Look at the guest by hand: no configuration that people write is like this.',
};

/**
 * Reads a guest's configuration within bounds, gathers the edits, and notes as a finding what could not be read, so that
 * it is never passed over in silence. Reading sees the edits made so far.
 */
export class ConfigFiles {
  readonly findings: Finding[] = [];
  private readonly changed = new Map<string, { before: string | null; after: string | null; mode?: number }>();
  private files = 0;
  private chars = 0;

  constructor(private readonly tree: GuestTree) {}

  /** Text of a file, or null where there is none or it cannot be configuration. */
  async read(path: string): Promise<string | null> {
    const changed = this.changed.get(path);
    if (changed) return changed.after;
    if (this.files >= MAX_FILES || this.chars >= MAX_TOTAL_CHARS) {
      return this.unreadable('guest.config-too-much', 'The guest has more configuration files than are looked at.');
    }
    this.files += 1;
    const text = await this.tree.read(path);
    if (text === null) return null;
    if (text.length > MAX_FILE_CHARS) return this.skip(path, `it is longer than ${MAX_FILE_CHARS} characters`);
    this.chars += text.length;
    if (text.includes('\0')) return this.skip(path, 'it holds bytes that no text has');
    return text;
  }

  /** Names in a folder, sorted as systemd, ifupdown and the shell do; [] where there is none. */
  async list(dir: string): Promise<string[]> {
    const names = (await this.tree.list(dir)).filter((name) => !/[/\0\n]/.test(name) && name !== '.' && name !== '..');
    if (names.length > MAX_NAMES) this.skip(dir, `it holds more than ${MAX_NAMES} files; the rest is not looked at`);
    return names.sort().slice(0, MAX_NAMES);
  }

  /** Files of a folder whose names pass, with their texts. */
  async all(dir: string, wanted: (name: string) => boolean): Promise<ConfigFile[]> {
    const found: ConfigFile[] = [];
    for (const name of await this.list(dir)) {
      if (!wanted(name)) continue;
      const path = posix.join(dir, name);
      const text = await this.read(path);
      if (text !== null) found.push({ path, name, text });
    }
    return found;
  }

  /** Gives a file another text. `mode` counts only where there is none yet. */
  async write(path: string, text: string, mode?: number): Promise<void> {
    const before = this.changed.has(path) ? (this.changed.get(path)?.before ?? null) : await this.tree.read(path);
    this.changed.set(path, { before, after: text, ...(before === null && mode !== undefined ? { mode } : {}) });
  }

  async remove(path: string): Promise<void> {
    const before = this.changed.has(path) ? (this.changed.get(path)?.before ?? null) : await this.tree.read(path);
    this.changed.set(path, { before, after: null });
  }

  /** What differs from the tree, by path. */
  edits(): Edit[] {
    return [...this.changed]
      .filter(([, { before, after }]) => before !== after)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([path, { after, mode }]) => ({ path, text: after, ...(mode === undefined ? {} : { mode }) }));
  }

  /** Adds findings, each once; a guest made to bring forth very many gets one that says so instead of the rest. */
  note(...findings: Finding[]): void {
    for (const finding of findings) {
      const known = this.findings.some((each) => each.id === finding.id && each.message === finding.message);
      if (known || this.findings.length > MAX_FINDINGS) continue;
      this.findings.push(this.findings.length < MAX_FINDINGS ? finding : TOO_MANY);
    }
  }

  /** Notes that a file was not understood; returns null. */
  skip(path: string, why: string): null {
    return this.unreadable('guest.config-unreadable', `The guest's ${shown(path)} is not looked at: ${why}.`);
  }

  private unreadable(id: string, message: string): null {
    const remedy = 'See by hand whether it names disks or network cards that get other names at the target.';
    this.note({ id, severity: 'warning', message, remedy });
    return null;
  }
}

export interface ConfigFile {
  path: string;
  name: string;
  text: string;
}

/** Text from outside for a message: as it is where it is harmless, else quoted, and never long. */
export function shown(text: string): string {
  const short = readable(text.length > 80 ? `${text.slice(0, 80)}…` : text);
  return /^[\w@%+=:,./~-]+…?$/.test(short) ? short : JSON.stringify(short);
}

/** A stretch of a text and what comes in its place. */
export interface Replacement {
  start: number;
  end: number;
  by: string;
}

/** `text` with stretches replaced; they do not overlap. */
export function replaceAll(text: string, replacements: readonly Replacement[]): string {
  let from = 0;
  const parts: string[] = [];
  for (const { start, end, by } of [...replacements].sort((a, b) => a.start - b.start)) {
    parts.push(text.slice(from, start), by);
    from = end;
  }
  return parts.join('') + text.slice(from);
}
