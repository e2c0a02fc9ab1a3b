import { VmferryError } from '../errors.js';

/** One word of a guestfish command, or a list of words that stand for one (guestfish(1), "LISTS OF STRINGS"). */
export type Word = string | readonly string[];

/** guestfish reads lines of 8191 bytes into 63 parameters (its fish.c, `rl_gets` and `parse_command_line`). */
const MAX_LINE_BYTES = 8190;
const MAX_PARAMETERS = 63;

/**
 * A line for guestfish that means these words, whatever they hold: within double quotes nothing is expanded, and what is
 * not plain text is written as `\xNN` (guestfish(1), "ESCAPE SEQUENCES IN DOUBLE QUOTED ARGUMENTS").
 * The leading `-` lets a command fail without ending guestfish.
 * @throws VmferryError `GuestUnreadable`, where guestfish has no way to be told this.
 */
export function commandLine([command, ...words]: readonly [string, ...Word[]]): string {
  if (!/^[a-z][a-z0-9-]*$/.test(command)) throw new VmferryError('Internal', `cannot ask guestfish for ${command}`);
  if (words.length > MAX_PARAMETERS) throw unsayable(command, 'it has too many words');
  const line = `-${command}${words.map((word) => ` ${quoted(command, word)}`).join('')}`;
  if (Buffer.byteLength(line) > MAX_LINE_BYTES) throw unsayable(command, 'it is longer than guestfish reads');
  return line;
}

function quoted(command: string, word: Word): string {
  const text = typeof word === 'string' ? word : word.map(listed).join(' ');
  if (text.includes('\0')) throw unsayable(command, 'a word of it holds a zero byte');
  // A path with this prefix would be taken as one of Windows and rewritten; those inside a guest begin with a slash.
  if (/^win:/i.test(text)) throw unsayable(command, 'a word of it begins with "win:"');
  const escaped = [...Buffer.from(text)].map((byte) =>
    byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).padStart(2, '0')}`,
  );
  return `"${escaped.join('')}"`;
}

/**
 * One word of a list, as its second parser takes it (fish.c, `parse_string_list`): all is literal between single quotes,
 * but a backslash before a quote, so that these stand outside of them.
 */
function listed(word: string): string {
  if (word === '') return "''";
  const parts = word.split("'").map((part) => {
    const plain = part.replace(/\\+$/, '');
    return `${plain === '' ? '' : `'${plain}'`}${part.slice(plain.length)}`;
  });
  return parts.join("\\'");
}

function unsayable(command: string, why: string): VmferryError {
  return new VmferryError('GuestUnreadable', `cannot ask guestfish for ${command}: ${why}`);
}
