import type { XmlElement } from '../xml.js';

/** Sizes as libvirt writes them (libvirt.org/formatdomain.html, memory allocation). */
export const MEMORY_UNITS: Record<string, number> = {
  b: 1,
  bytes: 1,
  KB: 1e3,
  k: 2 ** 10,
  KiB: 2 ** 10,
  MB: 1e6,
  M: 2 ** 20,
  MiB: 2 ** 20,
  GB: 1e9,
  G: 2 ** 30,
  GiB: 2 ** 30,
  TB: 1e12,
  T: 2 ** 40,
  TiB: 2 ** 40,
};

export function memoryBytes(element: XmlElement | null): number {
  return Number(element?.text() ?? 0) * (MEMORY_UNITS[element?.get('unit') ?? 'KiB'] ?? 2 ** 10);
}
