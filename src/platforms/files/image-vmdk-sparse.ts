import { warning, type Finding } from '../../model/finding.js';
import { SECTOR_BYTES, isPowerOfTwo, logNotReplayed, type HeaderParts, type HeaderReader } from './image-header.js';
import { checkGrains, checkSeSparse, type GrainTables } from './vmdk-tables.js';

/** The three kinds of sparse files of VMDKs. Numbers are little-endian, and places are in sectors. */

const HOSTED = 'KDMV';
const ESX = 'COWD';
const SE_SPARSE = 0xcafebaben;
const SE_SPARSE_VOLATILE = 0xcafecafen;

const FLAGS = { newlines: 1, zeroed: 4, compressed: 2 ** 16, markers: 2 ** 17 };
const DIRECTORY_AT_END = 2n ** 64n - 1n;
const DEFLATE = 1;
const FOOTER_MARKER = 3;
/** QEMU's: for a grain, in sectors, and for a directory, in entries. */
const MAX_GRAIN_SECTORS = 0x200000;
const MAX_DIRECTORY_ENTRIES = 32 * 2 ** 20;
const MAX_TABLE_ENTRIES = 512;
const MAX_DESCRIPTOR_SECTORS = 2048;
/** Those of COWD, whose header does not say it. */
const ESX_TABLE_ENTRIES = 4096;
/** What a table of seSparse covers. */
const SE_TABLE_COVERS_BYTES = 4096 * 4096;

export interface SparseFile {
  /** Null for a file that has no capacity of its own, and only carries a descriptor. */
  parts: HeaderParts | null;
  /** 0 where it carries none. */
  descriptorOffset: number;
  descriptorBytes: number;
}

export function isSparse(start: Buffer): boolean {
  return [HOSTED, ESX].includes(start.toString('latin1', 0, 4)) || isSeSparse(start);
}

function isSeSparse(start: Buffer): boolean {
  return start.length >= 8 && start.readBigUInt64LE(0) === SE_SPARSE;
}

export async function readSparse(from: HeaderReader, start: Buffer): Promise<SparseFile> {
  from.require(start.length === SECTOR_BYTES, 'it is shorter than its header');
  if (isSeSparse(start)) return alone(await readSeSparse(from, start));
  return start.toString('latin1', 0, 4) === ESX ? alone(readEsx(from, start)) : await readHosted(from, start);
}

function alone(parts: HeaderParts): SparseFile {
  return { parts, descriptorOffset: 0, descriptorBytes: 0 };
}

/** "Hosted Sparse Extent Header", and for compressed ones written in one go "Stream-Optimized Compressed". */
async function readHosted(from: HeaderReader, start: Buffer): Promise<SparseFile> {
  checkHosted(from, start);
  const descriptorSector = from.number(start.readBigUInt64LE(28), 'offset of the descriptor');
  const descriptorSectors = from.number(start.readBigUInt64LE(36), 'length of the descriptor');
  from.require(descriptorSectors <= MAX_DESCRIPTOR_SECTORS, 'its descriptor is longer than 1 MiB');
  const descriptorOffset = descriptorSector * SECTOR_BYTES;
  const descriptorBytes = descriptorSectors * SECTOR_BYTES;
  if (descriptorSector > 0) from.inside(descriptorOffset, descriptorBytes, 'descriptor');
  if (start.readBigUInt64LE(12) === 0n && descriptorSector > 0)
    return { parts: null, descriptorOffset, descriptorBytes };

  const atEnd = start.readBigUInt64LE(56) === DIRECTORY_AT_END;
  const header = atEnd ? await readFooter(from) : start;
  checkHosted(from, header);
  const sizeBytes = diskBytes(from, header.readBigUInt64LE(12));
  from.require(
    header.readBigUInt64LE(12) === start.readBigUInt64LE(12),
    'its footer is of another size than its header',
  );
  const grainSectors = from.number(header.readBigUInt64LE(20), 'grain size');
  const grainFits = isPowerOfTwo(grainSectors) && grainSectors <= MAX_GRAIN_SECTORS;
  from.require(grainFits, `its grain size of ${grainSectors} sectors is impossible`);
  const tableEntries = header.readUInt32LE(44);
  const tableFits = tableEntries > 0 && tableEntries <= MAX_TABLE_ENTRIES;
  from.require(tableFits, `its grain tables of ${tableEntries} entries are impossible`);
  const entries = Math.ceil(sizeBytes / SECTOR_BYTES / (tableEntries * grainSectors));
  checkDirectory(from, header.readBigUInt64LE(56), entries, 4);
  from.inside(0, from.number(header.readBigUInt64LE(64), 'overhead') * SECTOR_BYTES, 'metadata');

  const compression = header.readUInt16LE(77);
  from.require(compression <= DEFLATE, `it uses the unknown compression ${compression}`);
  const compressed = compression === DEFLATE;
  from.require(compressed || (header.readUInt32LE(8) & FLAGS.compressed) === 0, 'its flags contradict its compression');
  const unclean = start.readUInt8(72) !== 0 ? [notClosed(from.image.name)] : [];
  const variant = compressed ? 'streamOptimized' : 'sparse';
  const flags = header.readUInt32LE(8);
  const grains = {
    offsetBytes: from.number(header.readBigUInt64LE(56), 'offset of the grain directory') * SECTOR_BYTES,
    grainBytes: grainSectors * SECTOR_BYTES,
    tableEntries,
    zeroed: (flags & FLAGS.zeroed) !== 0,
  };
  const marked = compressed && (flags & FLAGS.markers) !== 0;
  const tables: GrainTables = {
    ...{ directoryOffset: grains.offsetBytes, tableEntries, grainBytes: grains.grainBytes, diskBytes: sizeBytes },
    ...{ zeroed: grains.zeroed, packed: !compressed ? null : marked ? 'marked' : 'bare' },
  };
  const parts: HeaderParts = {
    ...{ variant, sizeBytes, compressed, grains: marked ? grains : null, findings: unclean },
    checkTables: (signal) => checkGrains(from, tables, signal),
  };
  return { parts, descriptorOffset, descriptorBytes };
}

function checkHosted(from: HeaderReader, header: Buffer): void {
  const version = header.readUInt32LE(4);
  from.require(version >= 1 && version <= 3, `it is of the unknown VMDK version ${version}`);
  if ((header.readUInt32LE(8) & FLAGS.newlines) === 0) return;
  const kept = header.toString('latin1', 73, 77) === '\n \r\n';
  from.require(kept, 'it was copied as text, which changed its line ends');
}

/** The last three sectors: a marker, the footer, and the marker of the stream's end. */
async function readFooter(from: HeaderReader): Promise<Buffer> {
  const { sizeBytes } = from.image;
  from.require(sizeBytes >= 4 * SECTOR_BYTES && sizeBytes % SECTOR_BYTES === 0, 'it has no footer; it may be cut off');
  const end = await from.read(sizeBytes - 3 * SECTOR_BYTES, 3 * SECTOR_BYTES);
  const footer = end.subarray(SECTOR_BYTES, 2 * SECTOR_BYTES);
  const marked = end.readUInt32LE(8) === 0 && end.readUInt32LE(12) === FOOTER_MARKER;
  const ended = end.subarray(2 * SECTOR_BYTES, 2 * SECTOR_BYTES + 16).every((byte) => byte === 0);
  const whole = marked && ended && footer.toString('latin1', 0, 4) === HOSTED;
  from.require(whole, 'it has no footer; it may be cut off');
  return footer;
}

/** "ESX Server Sparse Extents": what snapshots on VMFS were. */
function readEsx(from: HeaderReader, start: Buffer): HeaderParts {
  const version = start.readUInt32LE(4);
  from.require(version === 1, `it is of the unknown COWD version ${version}`);
  const grainSectors = start.readUInt32LE(16);
  const grainFits = grainSectors > 0 && grainSectors <= MAX_GRAIN_SECTORS;
  from.require(grainFits, `its grain size of ${grainSectors} sectors is impossible`);
  checkDirectory(from, BigInt(start.readUInt32LE(20)), start.readUInt32LE(24), 4);
  const sizeBytes = start.readUInt32LE(12) * SECTOR_BYTES;
  const covered = start.readUInt32LE(24) * ESX_TABLE_ENTRIES * grainSectors * SECTOR_BYTES;
  from.require(covered >= sizeBytes, 'its grain directory is too short for its size');
  const tables: GrainTables = {
    ...{ directoryOffset: start.readUInt32LE(20) * SECTOR_BYTES, tableEntries: ESX_TABLE_ENTRIES },
    ...{ grainBytes: grainSectors * SECTOR_BYTES, diskBytes: sizeBytes, zeroed: false, packed: null },
  };
  return { variant: 'vmfsSparse', sizeBytes, checkTables: (signal) => checkGrains(from, tables, signal) };
}

/** The successor of it; not in the specification (QEMU, block/vmdk.c, `VMDKSESparseConstHeader`). */
async function readSeSparse(from: HeaderReader, start: Buffer): Promise<HeaderParts> {
  const known = start.readBigUInt64LE(8) === 0x200000001n;
  from.require(known, `it is of the unknown seSparse version 0x${start.readBigUInt64LE(8).toString(16)}`);
  const sizeBytes = diskBytes(from, start.readBigUInt64LE(16));
  from.require(
    start.readBigUInt64LE(24) === 8n && start.readBigUInt64LE(32) === 64n,
    'its tables are of unknown sizes',
  );
  const directorySectors = from.number(start.readBigUInt64LE(136), 'grain directory');
  const directoryEntries = directorySectors * (SECTOR_BYTES / 8);
  checkDirectory(from, start.readBigUInt64LE(128), directoryEntries, 8);
  from.require(directoryEntries * SE_TABLE_COVERS_BYTES >= sizeBytes, 'its grain directory is too short for its size');
  const at = from.number(start.readBigUInt64LE(80), 'volatile header') * SECTOR_BYTES;
  from.inside(at, SECTOR_BYTES, 'volatile header');
  const volatile = await from.read(at, SECTOR_BYTES);
  from.require(volatile.readBigUInt64LE(0) === SE_SPARSE_VOLATILE, 'its volatile header is not valid');
  const pending = volatile.readBigUInt64LE(24) !== 0n;
  const offset = (at: number, what: string) => from.number(start.readBigUInt64LE(at), what) * SECTOR_BYTES;
  const tables = {
    directoryOffset: offset(128, 'offset of the grain directory'),
    tablesOffset: offset(144, 'offset of the grain tables'),
    grainsOffset: offset(192, 'offset of the grains'),
    diskBytes: sizeBytes,
  };
  return {
    ...{ variant: 'seSparse', sizeBytes, findings: pending ? [logNotReplayed(from.image.name)] : [] },
    checkTables: (signal) => checkSeSparse(from, tables, signal),
  };
}

function diskBytes(from: HeaderReader, sectors: bigint): number {
  return from.diskBytes(from.number(sectors, 'size') * SECTOR_BYTES);
}

function checkDirectory(from: HeaderReader, sector: bigint, entries: number, entryBytes: number): void {
  from.require(entries <= MAX_DIRECTORY_ENTRIES, `its grain directory of ${entries} entries is too long`);
  const at = from.number(sector, 'offset of the grain directory') * SECTOR_BYTES;
  from.inside(at, entries * entryBytes, 'grain directory');
}

function notClosed(image: string): Finding {
  return {
    id: 'disk.dirty',
    ...warning(
      `${image} was not closed as it should be, or is in use.`,
      'See that the machine was shut down before it was copied.',
    ),
  };
}
