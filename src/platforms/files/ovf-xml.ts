import { parseXml, type XmlElement } from '../xml.js';
import { hostile, quoted } from './foreign-values.js';

/** Ways of asking an OVF envelope that do not mind which prefixes and which age of the format it has. */

/** The envelope. @throws VmferryError `HostileInput`. */
export function envelope(text: string, what: string): XmlElement {
  const root = parseXml(text, what);
  if (local(root.name) !== 'Envelope') throw hostile(what, `it is no OVF but has ${quoted(root.name)} as its root`);
  return root;
}

export function local(name: string): string {
  return name.slice(name.indexOf(':') + 1);
}

export function children(of: XmlElement, name?: string): XmlElement[] {
  return of.all().filter((each) => name === undefined || local(each.name) === name);
}

export function child(of: XmlElement, name: string): XmlElement | null {
  return children(of, name)[0] ?? null;
}

/** The text of a child, trimmed; null where it is missing or empty. */
export function textOf(of: XmlElement, name: string): string | null {
  return child(of, name)?.text() || null;
}

/** An attribute with whatever prefix; null where it is missing. */
export function attribute(of: XmlElement, name: string): string | null {
  for (const [key, value] of of.attributes) if (local(key) === name) return value;
  return null;
}

/**
 * What an element is by the names of today: until OVF 0.9, and in oVirt's, all are `Section` or `Content`, and their
 * `xsi:type` says which (`ovf:DiskSection_Type`).
 */
export function kindOf(element: XmlElement): string {
  const name = local(element.name);
  if (name !== 'Section' && name !== 'Content') return name;
  return local(attribute(element, 'type') ?? '').replace(/_Type$/, '');
}

export function sections(of: XmlElement, kind: string): XmlElement[] {
  return of.all().filter((each) => kindOf(each) === kind);
}

/** A whole number with at most 15 digits; null for anything else. */
export function numberOf(text: string | null): number | null {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

const UNITS: Record<string, number> = {
  byte: 1,
  bytes: 1,
  kilobytes: 2 ** 10,
  kb: 2 ** 10,
  megabytes: 2 ** 20,
  mb: 2 ** 20,
  gigabytes: 2 ** 30,
  gb: 2 ** 30,
  terabytes: 2 ** 40,
  tb: 2 ** 40,
};

/** Bytes of a unit: programmatic (`byte * 2^20`, DSP0004 annex C) or a word of old tools; null where it is not known. */
export function unitBytes(unit: string | null, fallback: number): number | null {
  if (unit === null || unit.trim() === '') return fallback;
  const [, base, power] = /^\s*bytes?\s*\*\s*(\d{1,4})\s*\^\s*(\d{1,2})\s*$/i.exec(unit) ?? [];
  if (base !== undefined && power !== undefined) return Number(base) ** Number(power);
  return UNITS[unit.trim().toLowerCase()] ?? null;
}
