import { COMPRESSIONS, type Compression, type ImageFormat } from './foreign.js';

/** Single values of an OVF. They come from outside, so each is checked where it is taken over. */

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
