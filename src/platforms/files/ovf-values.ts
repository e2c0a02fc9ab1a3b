import { VmferryError } from '../../errors.js';
import { COMPRESSIONS, type Compression, type ImageFormat } from './foreign.js';

/** Single values of an OVF. They come from outside, so each is checked where it is taken over. */

/** Long enough for any path or name (PATH_MAX of Linux). */
const MAX_CHARACTERS = 4096;

export function hostile(what: string, why: string): VmferryError {
  return new VmferryError('HostileInput', `cannot read ${what}: ${why}`, {
    platform: 'files',
    remedy: 'It is damaged, or was changed by hand in a wrong way; export or copy it again.',
  });
}

/** `text` as it stands, for a name or a reference. @throws VmferryError `HostileInput` for control characters. */
export function plainText(text: string, name: string, what: string): string {
  if (text.length > MAX_CHARACTERS) throw hostile(what, `${name} is longer than ${MAX_CHARACTERS} characters`);
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

/** A list is a few numbers at most, and one that is none has no place in an order. */
export function placeOf(text: string | null): number | null {
  return text !== null && /^\d{1,6}$/.test(text) ? Number(text) : null;
}

const UNITS = new Map([
  ...['byte', 'bytes', 'b'].map((name): [string, number] => [name, 1]),
  ...['kilobyte', 'kilobytes', 'kb', 'kib'].map((name): [string, number] => [name, 2 ** 10]),
  ...['megabyte', 'megabytes', 'mb', 'mib'].map((name): [string, number] => [name, 2 ** 20]),
  ...['gigabyte', 'gigabytes', 'gb', 'gib'].map((name): [string, number] => [name, 2 ** 30]),
  ...['terabyte', 'terabytes', 'tb', 'tib'].map((name): [string, number] => [name, 2 ** 40]),
]);

/** Bytes in a unit: programmatic (DSP0004, annex C: `byte * 2^20`) or by a name, as OVF 0.9 had them; null if unknown. */
export function unitBytes(units: string): number | null {
  const text = units.slice(0, 64).toLowerCase().replace(/\s/g, '');
  const [, base, exponent] = /^bytes?\*(2|10)\^(\d{1,2})$/.exec(text) ?? [];
  const bytes = base && exponent ? Number(base) ** Number(exponent) : UNITS.get(text);
  return bytes !== undefined && Number.isSafeInteger(bytes) ? bytes : null;
}

/**
 * Format of a disk by the URI that stands for it (DSP0243, "ovf:format"): each tool has its own, the specification only
 * that of VMware's. Null where it tells nothing.
 */
export function formatOf(uri: string | null): ImageFormat | null {
  const text = (uri ?? '').toLowerCase();
  const known: [RegExp, ImageFormat][] = [
    [/vmdk/, 'vmdk'],
    [/vhdx/, 'vhdx'],
    [/vhd/, 'vpc'],
    [/qcow-image-format-version-1/, 'qcow'],
    [/qcow2|~markmc\/qcow-image-format/, 'qcow2'],
    [/qcow/, 'qcow'],
    [/[/#.]vdi\b/, 'vdi'],
    [/wiki\/byte$|[/#:._-]raw([/#._-]|disk|$)/, 'raw'],
  ];
  return known.find(([pattern]) => pattern.test(text))?.[1] ?? null;
}

/** The image of a CD. VirtualBox names ISO 9660 by its ECMA number. */
export function isOptical(uri: string | null, href: string | null): boolean {
  return /ecma-119|iso-?9660|[/#]iso\b/i.test(uri ?? '') || (formatOf(uri) === null && /\.iso$/i.test(href ?? ''));
}

/** `null` for none; `undefined` for one that is not known (DSP0243, "ovf:compression"). */
export function compressionOf(text: string | null): Compression | null | undefined {
  const name = (text ?? 'identity').toLowerCase();
  if (name === 'identity' || name === 'none') return null;
  return COMPRESSIONS.find((each) => each === name);
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
