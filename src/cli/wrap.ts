import { printable } from './context.js';

/** No line of prose is wider, however wide the terminal is. */
const WIDEST = 80;
const NARROWEST = 40;

/** The width for prose on a terminal of so many columns. */
export function proseWidth(columns: number): number {
  return Math.max(NARROWEST, Math.min(WIDEST, columns));
}

/** Lines for a terminal, without control characters. */
export function linesOf(lines: readonly string[]): string {
  return lines.map((line) => `${printable(line)}\n`).join('');
}

/** `text` in lines of at most `width` characters, further ones indented by two more; words that are longer are cut through. */
export function wrapped(text: string, width: number, indent = ''): string[] {
  const lines: string[] = [];
  const further = `${indent}  `;
  let line = indent;
  let empty = true;
  const close = () => {
    lines.push(line);
    line = further;
    empty = true;
  };
  for (const word of text.split(/\s+/).filter(Boolean)) {
    if (!empty && line.length + 1 + word.length > width) close();
    let rest = empty ? word : ` ${word}`;
    while (line.length + rest.length > width) {
      const room = width - line.length;
      line += rest.slice(0, room);
      rest = rest.slice(room);
      close();
    }
    line += rest;
    empty = false;
  }
  if (!empty) lines.push(line);
  return lines;
}
