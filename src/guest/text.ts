import { isUtf8 } from 'node:buffer';

/**
 * Files of a guest as text, and back without a loss. Of a file that is no UTF-8 (an old system's Latin-1), each byte from
 * 0x80 on reads as a lone surrogate, which no proper text has: all that is looked for is ASCII, and what is written back
 * has the bytes that it had.
 */

const FIRST = 0xdc00;
/** With `u`, the second half of a proper pair is none. */
const ESCAPED = /[\udc80-\udcff]+/gu;

export function textOf(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  const escaped = (byte: string) => String.fromCharCode(FIRST + byte.charCodeAt(0));
  return bytes.toString('latin1').replace(/[\x80-\xff]/g, escaped);
}

export function bytesOf(text: string): Buffer {
  const pieces: Buffer[] = [];
  let from = 0;
  for (const { 0: escaped, index } of text.matchAll(ESCAPED)) {
    pieces.push(Buffer.from(text.slice(from, index), 'utf8'), Buffer.from(readable(escaped), 'latin1'));
    from = index + escaped.length;
  }
  return Buffer.concat([...pieces, Buffer.from(text.slice(from), 'utf8')]);
}

/** For people, and for messages, which take proper text only: such bytes as what they are in Latin-1. */
export function readable(text: string): string {
  return text.replace(ESCAPED, (escaped) =>
    [...escaped].map((each) => String.fromCharCode(each.charCodeAt(0) - FIRST)).join(''),
  );
}
