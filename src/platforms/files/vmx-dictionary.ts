import { hostile, plainText, quoted, wholeNumber } from './foreign-values.js';

/**
 * VMware's dictionary format, which .vmx and .vmsd files are in. It is described in open-vm-tools, lib/dict/dictll.c:
 * `name = value` or `name = "value"`, a line each, `#` begins a comment, `|22` in a value is the byte 0x22.
 */

/** Real files have some hundred lines; long values are keys, certificates and what is passed to the guest. */
const MAX_CHARACTERS = 4 * 1024 * 1024;
const MAX_KEYS = 20_000;

export class VmxDictionary {
  private readonly entries = new Map<string, { key: string; value: string }>();
  /** Keys that stand there more than once with different values, as written; the last one counts. */
  readonly ambiguous = new Set<string>();

  /** @throws VmferryError `HostileInput`. */
  constructor(
    text: string,
    /** How the file is called in messages. */
    readonly what: string,
  ) {
    if (text.length > MAX_CHARACTERS) throw hostile(what, `it is longer than ${MAX_CHARACTERS} characters`);
    const lines = text.replace(/^\ufeff/, '').split('\n');
    for (const [index, line] of lines.entries()) this.add(line, index + 1);
  }

  private add(line: string, number: number): void {
    const text = line.trim();
    if (text === '' || text.startsWith('#')) return;
    const equals = text.indexOf('=');
    const key = text.slice(0, Math.max(equals, 0)).trim();
    if (key === '' || key.length > 256 || /[\s#"]/.test(key)) {
      throw hostile(this.what, `line ${number} is no setting: ${quoted(text)}`);
    }
    const value = unescaped(valueOf(text.slice(equals + 1).trim(), `line ${number} (${key})`, this.what));
    const known = this.entries.get(key.toLowerCase());
    if (known && known.value !== value) this.ambiguous.add(known.key);
    this.entries.set(key.toLowerCase(), { key: known?.key ?? key, value });
    if (this.entries.size > MAX_KEYS) throw hostile(this.what, `it has more than ${MAX_KEYS} settings`);
  }

  /** Keys as written, in order. */
  keys(): string[] {
    return [...this.entries.values()].map(({ key }) => key);
  }

  /** The value as it is, with whatever it holds; empty where there is none. Case does not matter in keys. */
  raw(key: string): string {
    return this.entries.get(key.toLowerCase())?.value ?? '';
  }

  has(key: string): boolean {
    return this.entries.has(key.toLowerCase());
  }

  /** A name or a reference; null where there is none, or an empty one. @throws VmferryError `HostileInput`. */
  text(key: string): string | null {
    return plainText(this.raw(key), key, this.what) || null;
  }

  /** @throws VmferryError `HostileInput` for what is neither. */
  flag(key: string, otherwise = false): boolean {
    const value = this.raw(key).trim().toLowerCase();
    if (value === '') return otherwise;
    if (['true', 't', 'yes', 'y', 'on', '1'].includes(value)) return true;
    if (['false', 'f', 'no', 'n', 'off', '0'].includes(value)) return false;
    throw hostile(this.what, `${key} is ${quoted(value)}, neither TRUE nor FALSE`);
  }

  /** @throws VmferryError `HostileInput` for what is no whole number of that range. */
  number(key: string, otherwise: number, least: number, most: number): number {
    const value = this.raw(key).trim();
    return value === '' ? otherwise : wholeNumber(value, key, this.what, least, most);
  }

  /** Numbers `n` for which there is a key that begins with `<kind>n.`, in order. */
  numbered(kind: string): number[] {
    const start = kind.toLowerCase();
    const found = [...this.entries.keys()].flatMap((key) => {
      const digits = key.startsWith(start) ? /^(\d{1,3})\./.exec(key.slice(start.length))?.[1] : undefined;
      return digits === undefined ? [] : [Number(digits)];
    });
    return [...new Set(found)].sort((a, b) => a - b);
  }

  /** As `numbered`, only those that are present. */
  present(kind: string): number[] {
    return this.numbered(kind).filter((number) => this.flag(`${kind}${number}.present`));
  }
}

/** A value without its quotes and the comment behind it. One without quotes goes up to the comment. */
function valueOf(text: string, where: string, what: string): string {
  if (!text.startsWith('"')) {
    const bare = text.split('#', 1)[0]!.trim();
    if (bare.includes('"')) throw hostile(what, `${where} has a quote in the middle`);
    return bare;
  }
  const end = text.indexOf('"', 1);
  if (end < 0) throw hostile(what, `${where} has no closing quote`);
  const rest = text.slice(end + 1).trim();
  if (rest !== '' && !rest.startsWith('#')) throw hostile(what, `${where} goes on behind its closing quote`);
  return text.slice(1, end);
}

function unescaped(value: string): string {
  return value.replace(/(?:\|[0-9a-f]{2})+/gi, (bytes) =>
    Buffer.from(bytes.replaceAll('|', ''), 'hex').toString('utf8'),
  );
}
