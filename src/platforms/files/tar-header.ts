import { VmferryError } from '../../errors.js';

/**
 * One header of a tar archive: POSIX.1-2017, pax, "ustar Interchange Format"; for GNU's own, tar(5) and the manual of
 * GNU tar, "Basic Tar Format".
 */

export const BLOCK_BYTES = 512;

export interface TarHeader {
  /** With the prefix of a ustar header before it. Where an extension has the name, this may end within a character. */
  nameBytes: Buffer;
  sizeBytes: number;
  /** `0` for a file of any format. */
  type: string;
  /** Name of the user who made it. */
  owner: string;
}

/** What stands in the extended header of a member (`x`) or of all that follow (`g`), by keyword. */
export type PaxRecords = ReadonlyMap<string, string>;

/** @param where the archive and the byte at which the header begins, for messages. @throws VmferryError `HostileInput`. */
export function parseTarHeader(block: Buffer, where: string): TarHeader {
  if (!checksumFits(block))
    throw hostileTar(
      where,
      `${where.endsWith(' at byte 0') ? 'it is no tar archive, or ' : ''}the checksum of the header is wrong`,
    );
  const type = String.fromCharCode(block[156] ?? 0).replace('\0', '0');
  // Only POSIX has the prefix; GNU keeps times there, and the oldest format nothing.
  const posix = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = posix ? upToNul(block.subarray(345, 500)) : Buffer.alloc(0);
  const name = upToNul(block.subarray(0, 100));
  return {
    nameBytes: prefix.length > 0 ? Buffer.concat([prefix, Buffer.from('/'), name]) : name,
    sizeBytes: sizeOf(block.subarray(124, 136), where),
    type,
    owner: posix ? upToNul(block.subarray(265, 297)).toString('latin1') : '',
  };
}

export function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

/** The sum of all bytes, the checksum itself taken as spaces. Some old programs added them as signed. */
function checksumFits(block: Buffer): boolean {
  const stored = octal(block.subarray(148, 156));
  let unsigned = 0;
  let signed = 0;
  for (const [at, byte] of block.entries()) {
    const counted = at >= 148 && at < 156 ? 0x20 : byte;
    unsigned += counted;
    signed += counted > 127 ? counted - 256 : counted;
  }
  return stored === unsigned || stored === signed;
}

/** Octal digits, or, where the first bit is set, GNU's big-endian binary number in all the other bits. */
function sizeOf(field: Buffer, where: string): number {
  const first = field[0] ?? 0;
  if (first < 0x80) {
    const size = octal(field);
    if (size === null) throw hostileTar(where, 'the size is no number');
    return size;
  }
  if (first & 0x40) throw hostileTar(where, 'the size is negative');
  const size = BigInt(`0x${(first & 0x3f).toString(16)}${field.toString('hex', 1)}`);
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw hostileTar(where, 'the size is too large to be true');
  return Number(size);
}

function octal(field: Buffer): number | null {
  const digits = /^ *([0-7]+)(?:[ \0]|$)/.exec(field.toString('latin1'))?.[1];
  return digits === undefined ? null : parseInt(digits, 8);
}

/** The text up to the first NUL, if there is one. @throws VmferryError `HostileInput`. */
export function tarText(bytes: Buffer, where: string): string {
  return utf8(upToNul(bytes), where);
}

function upToNul(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

/** Records such as `18 path=disk.vmdk\n`, of which the first number counts all bytes of the record (pax, same place). */
export function parsePax(bytes: Buffer, where: string): PaxRecords {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length;) {
    const digits = /^([1-9]\d{0,6}) /.exec(bytes.toString('latin1', at, at + 8))?.[1] ?? '';
    const end = at + Number(digits);
    if (digits === '' || end > bytes.length || bytes[end - 1] !== 0x0a) {
      throw hostileTar(where, `the extended header is damaged at its byte ${at}`);
    }
    const record = utf8(bytes.subarray(at + digits.length + 1, end - 1), where);
    const equals = record.indexOf('=');
    if (equals < 1) throw hostileTar(where, `the extended header has no keyword at its byte ${at}`);
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at = end;
  }
  return records;
}

/** The size that an extended header gives, which goes before that of the header. @throws VmferryError `HostileInput`. */
export function paxSize(text: string, where: string): number {
  const size = /^\d{1,20}$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(size)) return size;
  throw hostileTar(where, `the size ${JSON.stringify(text.slice(0, 40))} is no number, or too large to be true`);
}

function utf8(bytes: Buffer, where: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw hostileTar(where, 'the text is not UTF-8');
  }
}

export function hostileTar(where: string, why: string): VmferryError {
  return new VmferryError('HostileInput', `cannot read ${where}: ${why}`, {
    platform: 'files',
    remedy: 'It is damaged, not whole, or not made for this; export or copy it again.',
  });
}
