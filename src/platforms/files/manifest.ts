import { createHash } from 'node:crypto';
import { VmferryError } from '../../errors.js';
import { safeName, withoutDot } from './member-name.js';
import { memberStream } from './member-stream.js';
import type { RandomAccess } from './random-access.js';

/** An OVF package's manifest (`.mf`): digests of its files (DSP0243 1.1, 5.1; 2.1 has SHA-512 besides). */

export interface ManifestEntry {
  file: string;
  algorithm: DigestAlgorithm;
  /** Hexadecimal, in lower case. */
  digest: string;
}

const DIGEST_DIGITS = { sha1: 40, sha256: 64, sha512: 128 } as const;
export type DigestAlgorithm = keyof typeof DIGEST_DIGITS;

export const MOST_MANIFEST_BYTES = 4 * 1024 * 1024;
const MAX_CHARACTERS = MOST_MANIFEST_BYTES;
const MAX_LINE_CHARACTERS = 4096;
const MAX_ENTRIES = 10_000;

/**
 * `SHA256(name)= digest`, as `openssl dgst` writes it, which since 3.0 says SHA2-256. A name may hold parentheses, so the last
 * one that `= digest` follows ends it.
 */
const LINE = /^(SHA-?1|SHA(?:2-|-)?(?:256|512))[ \t]*\((.+)\)[ \t]*=[ \t]*([0-9a-f]+)[ \t]*$/i;
/** `digest  name` of sha256sum(1) and the like; `*` is for binary. The digest's length tells how it was made. */
const SUM = /^([0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128}) [ *](.+)$/i;

/** @param what how the manifest is called in messages. @throws VmferryError `HostileInput`, with the line's number. */
export function parseManifest(text: string, what: string): ManifestEntry[] {
  if (text.length > MAX_CHARACTERS) throw hostile(what, `it is longer than ${MAX_CHARACTERS} characters`);
  const entries = new Map<string, ManifestEntry>();
  for (const [index, line] of text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .entries()) {
    if (/^[ \t]*$/.test(line)) continue;
    const refuse = (why: string) => hostile(what, `line ${index + 1}: ${why}`);
    const entry = entryOf(line);
    if (!entry)
      throw refuse('it is not of the form "SHA256(file)= digest" or "digest  file", with SHA1, SHA256 or SHA512');
    const digits = DIGEST_DIGITS[entry.algorithm];
    if (entry.digest.length !== digits) {
      throw refuse(`the digest has ${entry.digest.length} digits, but ${entry.algorithm} has ${digits}`);
    }
    const shown = JSON.stringify(entry.file.slice(0, 200));
    if (!safeName(entry.file)) throw refuse(`${shown} is no name of a file of the package`);
    if (entries.has(entry.file)) throw refuse(`a second digest for ${shown}`);
    if (entries.size >= MAX_ENTRIES) throw refuse(`there are more than ${MAX_ENTRIES} files`);
    entries.set(entry.file, entry);
  }
  return [...entries.values()];
}

function entryOf(line: string): ManifestEntry | null {
  if (line.length > MAX_LINE_CHARACTERS) return null;
  const [, sum, summed = ''] = SUM.exec(line) ?? [];
  const [, name = '', file = '', digest = ''] = sum === undefined ? (LINE.exec(line) ?? []) : [];
  const algorithm = sum === undefined ? algorithmOf(name) : algorithmOfLength(sum.length);
  return algorithm && { file: withoutDot(sum ? summed : file), algorithm, digest: (sum ?? digest).toLowerCase() };
}

function algorithmOf(name: string): DigestAlgorithm | null {
  const plain = name.toLowerCase().replace(/^sha(?:2-|-)/, 'sha');
  return plain === 'sha1' || plain === 'sha256' || plain === 'sha512' ? plain : null;
}

function algorithmOfLength(digits: number): DigestAlgorithm | null {
  const of = (['sha1', 'sha256', 'sha512'] as const).find((each) => DIGEST_DIGITS[each] === digits);
  return of ?? null;
}

export interface CheckManifestOptions {
  /** Bytes read so far, of all files that the manifest names together. */
  onProgress?: (readBytes: number) => void;
  signal?: AbortSignal;
}

/**
 * Reads every file that the manifest names, and compares its digest. Whether a file that it does not name is a reason
 * to stop is up to the caller: the manifest and the certificate themselves are never named.
 * @param members the files of the package, by name.
 * @throws VmferryError `HostileInput` for the first file that is missing (before anything is read) or differs.
 */
export async function checkManifest(
  entries: readonly ManifestEntry[],
  members: ReadonlyMap<string, RandomAccess>,
  options: CheckManifestOptions = {},
): Promise<{ unlisted: string[] }> {
  const found = entries.map((entry) => {
    const member = members.get(entry.file);
    if (!member) throw hostile('the package', `its manifest names ${JSON.stringify(entry.file)}, which is not there`);
    return { entry, member };
  });
  let readBytes = 0;
  for (const { entry, member } of found) {
    const hash = createHash(entry.algorithm);
    for await (const chunk of memberStream(member, options.signal)) {
      hash.update(chunk);
      readBytes += chunk.length;
      options.onProgress?.(readBytes);
    }
    const digest = hash.digest('hex');
    if (digest !== entry.digest) {
      const [file, algorithm] = [JSON.stringify(entry.file), entry.algorithm.toUpperCase()];
      throw hostile('the package', `the ${algorithm} of ${file} is ${digest}, but its manifest says ${entry.digest}`);
    }
  }
  const listed = new Set(entries.map((entry) => entry.file));
  return { unlisted: [...members.keys()].filter((name) => !listed.has(name) && !/\.(mf|cert)$/i.test(name)) };
}

function hostile(what: string, why: string): VmferryError {
  return new VmferryError('HostileInput', `cannot accept ${what}: ${why}`, {
    platform: 'files',
    remedy: 'It is damaged, or not as it was exported; export or copy it again.',
  });
}
