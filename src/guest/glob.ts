import { posix } from 'node:path';
import type { ConfigFiles } from './config-files.js';

/** Shell patterns (glob(7)): `*`, `?` and `[…]`, in time that a hostile pattern cannot make exponential. */

const MAX_MATCHES = 200;
const MAX_PATTERN_CHARS = 1024;

export function isGlob(text: string): boolean {
  return /[*?[]/.test(text);
}

/** Whether the whole of `text` matches. Only the last `*` is ever taken back, which is enough. */
export function matchesGlob(pattern: string, text: string): boolean {
  if (pattern.length > MAX_PATTERN_CHARS || text.length > MAX_PATTERN_CHARS) return false;
  const parts = partsOf(pattern);
  let at = 0;
  let part = 0;
  let star = -1;
  let starAt = 0;
  while (at < text.length) {
    if (parts[part] === '*') {
      star = part++;
      starAt = at;
    } else if (part < parts.length && matchesOne(parts[part] ?? '', text[at] ?? '')) {
      part += 1;
      at += 1;
    } else if (star >= 0) {
      part = star + 1;
      at = ++starAt;
    } else {
      return false;
    }
  }
  while (parts[part] === '*') part += 1;
  return part === parts.length;
}

function partsOf(pattern: string): string[] {
  return pattern.match(/\[[!^]?\]?[^\]]*\]|[^]/g) ?? [];
}

/** The last digits first: the first ones are soonest taken. */
const SAMPLES = 'v9876543210abcdefghijklmnopqrstuwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-.';

/** A text that matches, with `filler` in the place of each `*`; null where none is found. */
export function exampleOf(pattern: string, filler: string): string | null {
  if (pattern.length > MAX_PATTERN_CHARS) return null;
  const text = partsOf(pattern)
    .map((part) => {
      if (part === '*') return filler;
      return isGlob(part) ? ([...SAMPLES].find((each) => matchesOne(part, each)) ?? '') : part;
    })
    .join('');
  return matchesGlob(pattern, text) ? text : null;
}

function matchesOne(part: string, character: string): boolean {
  if (part === '?') return true;
  if (part.length < 3) return part === character;
  const inverted = part[1] === '!' || part[1] === '^';
  const inside = part.slice(inverted ? 2 : 1, -1);
  let found = false;
  for (let i = 0; i < inside.length; i += 1) {
    const first = inside[i] ?? '';
    const last = inside[i + 1] === '-' && i + 2 < inside.length ? (inside[i + 2] ?? '') : first;
    if (last !== first) i += 2;
    if (first <= character && character <= last) found = true;
  }
  return found !== inverted;
}

/** Paths that an absolute pattern stands for, sorted; the pattern itself where it has none. */
export async function expandGlob(files: ConfigFiles, pattern: string): Promise<string[]> {
  if (pattern.length > MAX_PATTERN_CHARS) return [];
  let paths = ['/'];
  for (const part of posix.normalize(pattern).split('/').filter(Boolean)) {
    if (!isGlob(part)) {
      paths = paths.map((path) => posix.join(path, part));
      continue;
    }
    const next: string[] = [];
    for (const path of paths) {
      const names = await files.list(path);
      const fit = names.filter((name) => (part.startsWith('.') || !name.startsWith('.')) && matchesGlob(part, name));
      next.push(...fit.map((name) => posix.join(path, name)));
      if (next.length > MAX_MATCHES) {
        files.skip(pattern, `it stands for more than ${MAX_MATCHES} files; the rest is left out`);
        break;
      }
    }
    paths = next.slice(0, MAX_MATCHES);
  }
  return paths;
}
