/** `KEY=value` lines of a file that a shell sources (ifcfg files, /etc/default/grub), as POSIX 2.2 "Quoting" reads them. */

export interface Assignment {
  key: string;
  /** Without quotes and escapes; variables stay as written, since nothing is run. */
  value: string;
  /** `KEY+=`, which appends. */
  appends: boolean;
  /** Whether a quote in it has no end; it then stops with its line, as a reader can only guess. */
  torn: boolean;
  /** Where the value stands in the text, quotes included. */
  start: number;
  end: number;
}

/** All assignments, in order. What is no assignment (commands, conditions) is passed over. */
export function shellAssignments(text: string): Assignment[] {
  const found: Assignment[] = [];
  const head = /(?:(?:export|declare|local)[ \t]+)?([A-Za-z_][A-Za-z0-9_]{0,127})(\+?)=/y;
  let at = 0;
  while (at < text.length) {
    if (/[\s;]/.test(text[at] ?? '')) {
      at += 1;
      continue;
    }
    head.lastIndex = at;
    const match = head.exec(text);
    if (!match) {
      at = lineEnd(text, at);
      continue;
    }
    const start = head.lastIndex;
    const word = readWord(text, start);
    found.push({
      key: match[1] ?? '',
      value: word.value,
      appends: match[2] === '+',
      torn: word.torn,
      start,
      end: word.end,
    });
    at = word.end;
    // `A=1 command` sets it for the command only, which is of no interest; `A=1 B=2` sets both.
  }
  return found;
}

/** The values by key, the last one winning as in the shell. */
export function shellValues(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const { key, value, appends } of shellAssignments(text)) {
    values.set(key, appends ? (values.get(key) ?? '') + value : value);
  }
  return values;
}

function readWord(text: string, start: number): { value: string; end: number; torn: boolean } {
  const parts: string[] = [];
  let at = start;
  while (at < text.length) {
    const character = text[at] ?? '';
    if (/[\s;&|]/.test(character)) break;
    if (character === "'" || character === '"') {
      const quoted = character === "'" ? singleQuoted(text, at) : doubleQuoted(text, at);
      // Without its end, a quote is a mistake of this line, and must not swallow the rest of the file.
      if (!quoted) return { value: text.slice(at + 1, lineEnd(text, at)), end: lineEnd(text, at), torn: true };
      parts.push(quoted.value);
      at = quoted.end;
    } else if (character === '\\') {
      if (text[at + 1] !== '\n') parts.push(text[at + 1] ?? '');
      at += 2;
    } else {
      parts.push(character);
      at += 1;
    }
  }
  return { value: parts.join(''), end: Math.min(at, text.length), torn: false };
}

function singleQuoted(text: string, start: number): { value: string; end: number } | null {
  const close = text.indexOf("'", start + 1);
  return close < 0 ? null : { value: text.slice(start + 1, close), end: close + 1 };
}

function doubleQuoted(text: string, start: number): { value: string; end: number } | null {
  const parts: string[] = [];
  for (let at = start + 1; at < text.length; at += 1) {
    const character = text[at] ?? '';
    if (character === '"') return { value: parts.join(''), end: at + 1 };
    const next = text[at + 1] ?? '';
    if (character === '\\' && '$`"\\\n'.includes(next) && next !== '') {
      if (next !== '\n') parts.push(next);
      at += 1;
    } else {
      parts.push(character);
    }
  }
  return null;
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf('\n', at);
  return end < 0 ? text.length : end;
}
