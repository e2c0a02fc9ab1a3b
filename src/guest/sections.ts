/** Files of `[section]`s and `key=value` lines: systemd.syntax(7), and GLib's key files as NetworkManager has them. */

export interface Setting {
  section: string;
  key: string;
  /** Trimmed; lines that go on after a `\` are joined by a space. */
  value: string;
  /** Where the value stands in the text. */
  start: number;
  end: number;
}

/** Where a value that goes on over many lines is cut: longer than any list of names. */
const MAX_VALUE_CHARS = 16 * 1024;

/** All settings in order. `continues`: whether a `\` at a line's end goes on with the next, as in systemd's files. */
export function settingsOf(text: string, continues: boolean): Setting[] {
  const found: Setting[] = [];
  let section = '';
  let open: Setting | null = null;
  let at = 0;
  for (const line of text.split('\n')) {
    const start = at;
    at += line.length + 1;
    const bare = line.trim();
    if (bare.startsWith('#') || bare.startsWith(';')) continue;
    const more = continues && bare.endsWith('\\');
    const kept = more ? bare.slice(0, -1).trim() : bare;
    if (open) {
      if (open.value.length < MAX_VALUE_CHARS) open.value = `${open.value} ${kept}`.trim();
      open.end = start + line.trimEnd().length;
      if (!more) open = null;
      continue;
    }
    if (bare.startsWith('[')) {
      section = bare.endsWith(']') ? bare.slice(1, -1) : '';
      continue;
    }
    const equals = kept.indexOf('=');
    if (equals < 0) continue;
    const value = kept.slice(equals + 1).trim();
    const valueStart = start + line.indexOf('=') + 1;
    const blank = line.slice(valueStart - start).length - line.slice(valueStart - start).trimStart().length;
    const key = kept.slice(0, equals).trim();
    const setting = { section, key, value, start: valueStart + blank, end: start + line.trimEnd().length };
    setting.end = Math.max(setting.end, setting.start);
    found.push(setting);
    if (more) open = setting;
  }
  return found;
}

/** The last value of a key, or null. */
export function lastValue(settings: readonly Setting[], section: string, key: string): string | null {
  return settings.findLast((each) => each.section === section && each.key === key)?.value ?? null;
}

/** Words of a list that several lines may add to and an empty one clears (systemd.syntax(7)). */
export function listValue(settings: readonly Setting[], section: string, ...keys: string[]): string[] {
  let words: string[] = [];
  for (const each of settings) {
    if (each.section !== section || !keys.includes(each.key)) continue;
    if (each.value === '') words = [];
    else words.push(...unquoted(each.value));
  }
  return words;
}

/** Words parted by blanks, each of which may stand in quotes. */
function unquoted(value: string): string[] {
  const words = value.match(/"[^"]*"|'[^']*'|[^\s"']+/g) ?? [];
  return words.map((word) => (/^["']/.test(word) ? word.slice(1, -1) : word));
}
