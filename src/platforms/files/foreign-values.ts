import { VmferryError } from '../../errors.js';

/** Single values of a machine's descriptor. It comes from outside, so each is checked where it is taken over. */

/** Long enough for any path or name (PATH_MAX of Linux); a longer one is no mistake but an attack. */
const MAX_TEXT_CHARACTERS = 4096;
/** More than any hypervisor gives one machine: 1,024 processors and 128 TiB are the largest that are announced. */
export const MAX_CPUS = 4096;
export const MAX_MEMORY_BYTES = 128 * 2 ** 40;

export function hostile(what: string, why: string): VmferryError {
  return new VmferryError('HostileInput', `cannot read ${what}: ${why}`, {
    platform: 'files',
    remedy: 'It is damaged, or was changed by hand in a wrong way; export or copy it again.',
  });
}

/** `text` as it stands, for a name or a reference. @throws VmferryError `HostileInput` for control characters. */
export function plainText(text: string, name: string, what: string): string {
  if (text.length > MAX_TEXT_CHARACTERS) {
    throw hostile(what, `${name} is longer than ${MAX_TEXT_CHARACTERS} characters`);
  }
  if (/[\u0000-\u001f\u007f\u0085\u2028\u2029]/.test(text)) {
    throw hostile(what, `${name} holds a line end or a control character: ${quoted(text)}`);
  }
  return text;
}

/** A whole number in decimal digits. @throws VmferryError `HostileInput` for others and those out of the range. */
export function wholeNumber(text: string, name: string, what: string, least: number, most: number): number {
  const value = /^\d{1,16}(\.0{1,6})?$/.test(text) ? Number(text) : NaN;
  if (!(value >= least && value <= most)) {
    throw hostile(what, `${name} is ${quoted(text)}, not a whole number from ${least} to ${most}`);
  }
  return value;
}

/** Six pairs of hex digits, with or without something between them, as `00:0c:29:…`; null for anything else. */
export function macAddress(text: string | null): string | null {
  if (text === null || !/^[0-9a-f]{2}([:-]?)[0-9a-f]{2}(?:\1[0-9a-f]{2}){4}$/i.test(text)) return null;
  return (
    text
      .toLowerCase()
      .match(/[0-9a-f]{2}/g)
      ?.join(':') ?? null
  );
}

/** 32 hex digits, whatever stands between them, in the dashed form; null for anything else, and for the empty one. */
export function dashedUuid(text: string | null): string | null {
  const digits = (text ?? '')
    .slice(0, 65)
    .replace(/[\s{}-]/g, '')
    .toLowerCase();
  if (!/^[0-9a-f]{32}$/.test(digits) || /^0+$/.test(digits)) return null;
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** For messages: in quotes, without control characters, and not too long. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);
}

/** A list for messages, without doubles, cut off where it gets too long to be read. */
export function listed(names: readonly string[]): string {
  const all = [...new Set(names)];
  const shown = all.slice(0, 25).map((name) => (/^[\w.:+() -]{1,60}$/.test(name) ? name : quoted(name)));
  return all.length > shown.length ? `${shown.join(', ')} and ${all.length - shown.length} more` : shown.join(', ');
}
