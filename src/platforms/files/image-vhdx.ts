import { blocking, type Finding } from '../../model/finding.js';
import { checkVhdxMap } from './block-maps.js';
import { crc32c } from './image-crc32c.js';
import {
  SECTOR_BYTES,
  differencing,
  isPowerOfTwo,
  logNotReplayed,
  uuid,
  type HeaderParts,
  type HeaderReader,
} from './image-header.js';

/** [MS-VHDX], Virtual Hard Disk v2 File Format. Numbers are little-endian. */

const KIB = 1024;
const MIB = 2 ** 20;
/** Section 2.2: two headers, of which the valid one with the higher number counts, and the table of regions. */
const HEADERS = [64 * KIB, 128 * KIB];
const HEADER_BYTES = 4 * KIB;
const REGIONS = { offset: 192 * KIB, bytes: 64 * KIB, headBytes: 16, entryBytes: 32, maxEntries: 2047 };
const BAT = '2dc27766-f623-4200-9d64-115e9bfd4a08';
const METADATA = '8b7ca206-4790-4b9a-b8fe-575f050f886e';
/** Section 2.6: the table of metadata, and its known items. */
const TABLE = { bytes: 64 * KIB, headBytes: 32, entryBytes: 32, maxEntries: 2047 };
const ITEMS = {
  fileParameters: 'caa16737-fa36-4d43-b3b6-33f0aa44e76b',
  virtualSize: '2fa54224-cd1b-4876-b211-5dbed83bf4b8',
  diskId: 'beca12ab-b2e6-4523-93ef-c309e000c746',
  logicalSector: '8141bf1d-a96f-4709-ba47-f233a8faab5f',
  physicalSector: 'cda348c7-445d-4471-9cc9-e9885251c556',
  parentLocator: 'a8d35f2d-b30b-454d-abf7-d3d84834ab0c',
};
const KNOWN_ITEMS = new Set(Object.values(ITEMS));
const MAX_LOCATOR_BYTES = MIB;
const MAX_LOCATOR_ENTRIES = 64;
/** Keys of a parent locator that name a file (section 2.6.2.6.3). */
const PATH_KEYS = ['relative_path', 'volume_path', 'absolute_win32_path'];

interface Part {
  offset: number;
  length: number;
}

export function isVhdx(start: Buffer): boolean {
  return start.length >= 8 && start.toString('latin1', 0, 8) === 'vhdxfile';
}

export async function readVhdx(from: HeaderReader): Promise<HeaderParts> {
  const header = await currentHeader(from);
  const findings: Finding[] = [];
  if (header.subarray(48, 64).some((byte) => byte !== 0)) findings.push(logNotReplayed(from.image.name));

  const { bat, metadata } = await readRegions(from);
  const items = await readItems(from, metadata);
  const item = async (id: string, lengthBytes: number, what: string) => {
    const part = items.get(id);
    from.require(part !== undefined && part.length >= lengthBytes, `it has no ${what}`);
    return await from.read(part.offset, lengthBytes);
  };
  const parameters = await item(ITEMS.fileParameters, 8, 'file parameters');
  const blockBytes = parameters.readUInt32LE(0);
  const flags = parameters.readUInt32LE(4);
  const blockFits = isPowerOfTwo(blockBytes) && blockBytes >= MIB && blockBytes <= 256 * MIB;
  from.require(blockFits, `its block size of ${blockBytes} is impossible`);
  const sectorBytes = (await item(ITEMS.logicalSector, 4, 'sector size')).readUInt32LE(0);
  from.require(sectorBytes === 512 || sectorBytes === 4096, `its sector size of ${sectorBytes} is impossible`);
  const size = (await item(ITEMS.virtualSize, 8, 'size')).readBigUInt64LE(0);
  const sizeBytes = from.diskBytes(from.number(size, 'size'));
  from.require(sizeBytes % sectorBytes === 0, 'its size is no whole number of sectors');
  const chunkBlocks = (2 ** 23 * sectorBytes) / blockBytes;
  const entries = batEntries(sizeBytes, blockBytes, chunkBlocks);
  from.require(bat.length >= entries * 8, 'its block table is too short');

  if (sectorBytes !== SECTOR_BYTES) findings.push(largeSectors(from.image.name, sectorBytes));
  const hasParent = (flags & 2) !== 0;
  if (!hasParent) {
    const map = { offsetBytes: bat.offset, entries, blockBytes, chunkBlocks, diskBytes: sizeBytes };
    const variant = (flags & 1) !== 0 ? 'fixed' : 'dynamic';
    return { variant, sizeBytes, findings, checkTables: (signal) => checkVhdxMap(from, map, signal) };
  }
  const names = await parentNames(from, items.get(ITEMS.parentLocator));
  return {
    ...{ variant: 'differencing', sizeBytes },
    references: names.map((name) => ({ kind: 'parent', name, format: 'vhdx' })),
    findings: [...findings, differencing(from.image.name)],
  };
}

async function currentHeader(from: HeaderReader): Promise<Buffer> {
  let current: Buffer | null = null;
  for (const offset of HEADERS) {
    const header = await from.read(offset, HEADER_BYTES);
    const valid = hasChecksum(header, 'head') && header.readUInt16LE(66) === 1;
    if (valid && (!current || header.readBigUInt64LE(8) > current.readBigUInt64LE(8))) current = header;
  }
  from.require(current !== null, 'neither of its headers is valid');
  return current;
}

/** The first of the two tables: QEMU reads no other. */
async function readRegions(from: HeaderReader): Promise<{ bat: Part; metadata: Part }> {
  const table = await from.read(REGIONS.offset, REGIONS.bytes);
  from.require(hasChecksum(table, 'regi'), 'its table of regions is not valid');
  const count = table.readUInt32LE(8);
  from.require(count <= REGIONS.maxEntries, `it has the absurd number of ${count} regions`);
  const regions = new Map<string, Part>();
  for (let index = 0; index < count; index++) {
    const entry = table.subarray(REGIONS.headBytes + index * REGIONS.entryBytes).subarray(0, REGIONS.entryBytes);
    const id = uuid(entry);
    const part = { offset: from.number(entry.readBigUInt64LE(16), 'region'), length: entry.readUInt32LE(24) };
    const known = id === BAT || id === METADATA;
    from.require(known || (entry.readUInt32LE(28) & 1) === 0, `it needs the unknown region ${id}`);
    from.require(!regions.has(id), 'it has the same region twice');
    from.require(part.offset >= MIB && part.offset % MIB === 0, 'one of its regions does not begin where it may');
    from.inside(part.offset, part.length, 'region');
    regions.set(id, part);
  }
  const [bat, metadata] = [regions.get(BAT), regions.get(METADATA)];
  from.require(bat !== undefined && metadata !== undefined, 'it has no block table or no metadata');
  return { bat, metadata };
}

async function readItems(from: HeaderReader, region: Part): Promise<Map<string, Part>> {
  from.require(region.length >= TABLE.bytes, 'its metadata is too short');
  const table = await from.read(region.offset, TABLE.bytes);
  from.require(table.toString('latin1', 0, 8) === 'metadata', 'its metadata is not valid');
  const count = table.readUInt16LE(10);
  from.require(count <= TABLE.maxEntries, `it has the absurd number of ${count} metadata items`);
  const items = new Map<string, Part>();
  for (let index = 0; index < count; index++) {
    const entry = table.subarray(TABLE.headBytes + index * TABLE.entryBytes).subarray(0, TABLE.entryBytes);
    const id = uuid(entry);
    const part = { offset: entry.readUInt32LE(16), length: entry.readUInt32LE(20) };
    from.require(KNOWN_ITEMS.has(id) || (entry.readUInt32LE(24) & 4) === 0, `it needs the unknown metadata ${id}`);
    from.require(!items.has(id), 'it has the same metadata twice');
    from.require(part.offset + part.length <= region.length, 'its metadata lies outside its region');
    items.set(id, { offset: region.offset + part.offset, length: part.length });
  }
  return items;
}

/** Section 2.5: one entry for each block, and one for the sector bitmap after each chunk but the last. */
function batEntries(sizeBytes: number, blockBytes: number, chunkBlocks: number): number {
  const blocks = Math.ceil(sizeBytes / blockBytes);
  return blocks === 0 ? 0 : blocks + Math.floor((blocks - 1) / chunkBlocks);
}

/** Section 2.6.2.6: pairs of key and value in UTF-16; places are counted from the item's begin. */
async function parentNames(from: HeaderReader, part: Part | undefined): Promise<string[]> {
  from.require(part !== undefined && part.length >= 20, 'it has a parent, which it does not name');
  from.require(part.length <= MAX_LOCATOR_BYTES, 'the names of its parent are too long');
  const item = await from.read(part.offset, part.length);
  const count = item.readUInt16LE(18);
  from.require(count <= MAX_LOCATOR_ENTRIES && 20 + count * 12 <= item.length, 'the names of its parent are damaged');
  const names: string[] = [];
  for (let index = 0; index < count; index++) {
    const entry = item.subarray(20 + index * 12);
    const text = (offset: number, lengthBytes: number) => {
      from.require(offset + lengthBytes <= item.length, 'the names of its parent are damaged');
      return item.toString('utf16le', offset, offset + lengthBytes);
    };
    const key = text(entry.readUInt32LE(0), entry.readUInt16LE(8));
    if (PATH_KEYS.includes(key)) names.push(text(entry.readUInt32LE(4), entry.readUInt16LE(10)));
  }
  from.require(names.length > 0, 'it has a parent, which it does not name');
  return names;
}

/** Signature, and then the CRC-32C of the whole with zeros in its own place. */
function hasChecksum(bytes: Buffer, signature: string): boolean {
  if (bytes.toString('latin1', 0, 4) !== signature) return false;
  const blank = Buffer.from(bytes);
  blank.writeUInt32LE(0, 4);
  return crc32c(blank) === bytes.readUInt32LE(4);
}

function largeSectors(image: string, sectorBytes: number): Finding {
  return {
    id: 'disk.sector-size',
    ...blocking(
      `The disk in ${image} has sectors of ${sectorBytes} bytes; at the target it gets sectors of 512 bytes.`,
      'Move its content to a disk with sectors of 512 bytes: the partition table means other places there.',
    ),
  };
}
