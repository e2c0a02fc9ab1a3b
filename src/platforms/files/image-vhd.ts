import { warning, type Finding } from '../../model/finding.js';
import {
  SECTOR_BYTES,
  differencing,
  isPowerOfTwo,
  unaligned,
  uuid,
  type HeaderParts,
  type HeaderReader,
} from './image-header.js';

/** Microsoft's Virtual Hard Disk Image Format Specification, version 1.0. Numbers are big-endian. */

const COOKIE = 'conectix';
const DYNAMIC_COOKIE = 'cxsparse';
const DYNAMIC_BYTES = 1024;
const TYPES = { fixed: 2, dynamic: 3, differencing: 4 };
/** Where the geometry cannot grow any more, and says nothing (appendix "CHS Calculation"). */
const MAX_GEOMETRY_SECTORS = 65535 * 16 * 255;
/** 2040 GiB, more than which QEMU refuses. */
const MAX_SECTORS = 0xff000000;
/**
 * Creators who mean the size in the footer; all others mean the geometry. As QEMU has it (block/vpc.c), with two more:
 * VirtualBox never looks at the geometry, and Azure's own tools do not either.
 */
const SIZE_FROM_FOOTER = ['win ', 'qem2', 'd2v ', 'CTXS', 'tap\0', 'vbox', 'wa\0\0'];
const PARENT = { nameOffset: 64, nameBytes: 512, locatorOffset: 576, locatorBytes: 24, locators: 8 };
const MAX_LOCATOR_BYTES = 65536;

export function isVhd(sector: Buffer): boolean {
  return sector.length >= SECTOR_BYTES && sector.toString('latin1', 0, 8) === COOKIE;
}

/** "Hard Disk Footer Format": at the end of the file, and for all that is not fixed a copy of it at the beginning. */
export async function readVhd(from: HeaderReader): Promise<HeaderParts> {
  const { name, sizeBytes: fileBytes } = from.image;
  const start = await from.read(0, SECTOR_BYTES);
  const footer = isVhd(start) ? start : await from.read(fileBytes - SECTOR_BYTES, SECTOR_BYTES);
  from.require(checksum(footer, 64) === footer.readUInt32BE(64), 'the checksum of its footer is wrong');
  const type = footer.readUInt32BE(60);
  const size = sizeOf(from, footer);
  if (footer !== start) {
    from.require(type === TYPES.fixed, `its footer is of the type ${type}, but it has no header`);
    from.inside(0, size.sizeBytes + SECTOR_BYTES, 'data');
    return { ...size, variant: 'fixed' };
  }
  from.require(type === TYPES.dynamic || type === TYPES.differencing, `it is of the unexpected VHD type ${type}`);

  const header = await readDynamicHeader(from, footer, size.sizeBytes);
  if (!isVhd(await from.read(fileBytes - SECTOR_BYTES, SECTOR_BYTES))) size.findings.push(noFooter(name));
  if (type === TYPES.dynamic) return { ...size, variant: 'dynamic' };
  const names = await parentNames(from, header);
  return {
    ...{ variant: 'differencing', sizeBytes: size.sizeBytes, sizeFrom: size.sizeFrom },
    references: names.map((parent) => ({ kind: 'parent', name: parent, format: 'vpc' })),
    findings: [...size.findings, differencing(name)],
  };
}

/** The choice between the size in the footer and the product of the geometry; they seldom are the same. */
function sizeOf(
  from: HeaderReader,
  footer: Buffer,
): { sizeBytes: number; findings: Finding[]; sizeFrom: 'footer' | 'geometry' } {
  const current = from.diskBytes(from.number(footer.readBigUInt64BE(48), 'size'));
  const currentSectors = Math.floor(current / SECTOR_BYTES);
  const geometry = footer.readUInt16BE(56) * footer.readUInt8(58) * footer.readUInt8(59);
  const creator = footer.toString('latin1', 28, 32);
  const trustsSize = SIZE_FROM_FOOTER.includes(creator) || geometry === MAX_GEOMETRY_SECTORS;
  const sectors = trustsSize ? currentSectors : geometry;
  from.require(sectors <= MAX_SECTORS, `it has the absurd size of ${sectors * SECTOR_BYTES} bytes`);
  const sizeBytes = sectors * SECTOR_BYTES;
  const findings = trustsSize ? unaligned(from.image.name, current, sizeBytes) : [];
  if (geometry !== currentSectors && geometry !== MAX_GEOMETRY_SECTORS) {
    findings.push({
      id: 'disk.size-doubt',
      severity: trustsSize ? 'info' : 'warning',
      message:
        `${from.image.name} has ${current} bytes by its size and ${geometry * SECTOR_BYTES} by its geometry; ` +
        `it is read with ${sizeBytes} bytes, as its creator ${JSON.stringify(creator.trim())} means it.`,
      remedy: 'Compare with the size that the guest sees; convert it to VHDX or a raw image where that is another one.',
    });
  }
  return { sizeBytes, findings, sizeFrom: trustsSize ? 'footer' : 'geometry' };
}

const UNUSED_BLOCK = 0xffffffff;
const TABLE_PIECE_BYTES = 1024 * 1024;

/** Every block lies in the file as a whole; QEMU would read what is cut off as zeroes. The table is read in pieces. */
async function checkBlocks(
  from: HeaderReader,
  tableOffset: number,
  entries: number,
  blockBytes: number,
): Promise<void> {
  const bitmapBytes = Math.ceil(blockBytes / SECTOR_BYTES / 8 / SECTOR_BYTES) * SECTOR_BYTES;
  for (let at = 0; at < entries * 4; at += TABLE_PIECE_BYTES) {
    const length = Math.min(TABLE_PIECE_BYTES, entries * 4 - at);
    const piece = await from.image.read(tableOffset + at, length, from.signal);
    for (let entry = 0; entry < length; entry += 4) {
      const sector = piece.readUInt32BE(entry);
      if (sector === UNUSED_BLOCK) continue;
      from.inside(sector * SECTOR_BYTES, bitmapBytes + blockBytes, `block ${(at + entry) / 4}`);
    }
  }
}

/** "Dynamic Disk Header Format". */
async function readDynamicHeader(from: HeaderReader, footer: Buffer, sizeBytes: number): Promise<Buffer> {
  const at = from.number(footer.readBigUInt64BE(16), 'offset of the dynamic header');
  from.inside(at, DYNAMIC_BYTES, 'dynamic header');
  const header = await from.read(at, DYNAMIC_BYTES);
  from.require(header.toString('latin1', 0, 8) === DYNAMIC_COOKIE, 'it has no dynamic header');
  from.require(checksum(header, 36) === header.readUInt32BE(36), 'the checksum of its dynamic header is wrong');
  const entries = header.readUInt32BE(28);
  const blockBytes = header.readUInt32BE(32);
  from.require(isPowerOfTwo(blockBytes) && blockBytes >= SECTOR_BYTES, `its block size of ${blockBytes} is impossible`);
  from.require(entries * blockBytes >= sizeBytes, 'its block allocation table is too short for its size');
  from.require(entries * blockBytes <= MAX_SECTORS * SECTOR_BYTES + blockBytes, 'its block allocation table is absurd');
  const tableOffset = from.number(header.readBigUInt64BE(16), 'offset of the block allocation table');
  from.inside(tableOffset, entries * 4, 'block allocation table');
  await checkBlocks(from, tableOffset, entries, blockBytes);
  return header;
}

/** The name in the header, and those of the "Parent Locator Entry"s; the UUID where there are none. */
async function parentNames(from: HeaderReader, header: Buffer): Promise<string[]> {
  const own = Buffer.from(header.subarray(PARENT.nameOffset, PARENT.nameOffset + PARENT.nameBytes)).swap16();
  const names = new Set([untilNul(own.toString('utf16le'))]);
  for (let index = 0; index < PARENT.locators; index++) {
    const locator = header
      .subarray(PARENT.locatorOffset + index * PARENT.locatorBytes)
      .subarray(0, PARENT.locatorBytes);
    const platform = locator.toString('latin1', 0, 4);
    const lengthBytes = locator.readUInt32BE(8);
    if (platform === '\0\0\0\0' || lengthBytes === 0) continue;
    from.require(lengthBytes <= MAX_LOCATOR_BYTES, 'the name of its parent is too long');
    const at = from.number(locator.readBigUInt64BE(16), 'parent locator');
    from.inside(at, lengthBytes, 'parent locator');
    const text = (await from.read(at, lengthBytes)).toString(platform.startsWith('W2') ? 'utf16le' : 'utf8');
    names.add(untilNul(text));
  }
  names.delete('');
  return names.size > 0 ? [...names] : [uuid(header.subarray(40, 56))];
}

function untilNul(text: string): string {
  return text.split('\0', 1)[0] ?? '';
}

/** One's complement of the sum of all bytes but those of the checksum itself. */
export function checksum(bytes: Buffer, at: number): number {
  const sum = bytes.reduce((all, byte, index) => (index >= at && index < at + 4 ? all : all + byte), 0);
  return ~sum >>> 0;
}

function noFooter(image: string): Finding {
  return {
    id: 'disk.footer-missing',
    ...warning(
      `${image} does not end with a VHD footer; it may be cut off.`,
      'Compare its size with that where it comes from.',
    ),
  };
}
