import { blocking, warning, type Finding } from '../../model/finding.js';
import type { ClusterCompression } from './compressed-cluster.js';
import { SECTOR_BYTES, unaligned, type HeaderParts, type HeaderReader, type ImageReference } from './image-header.js';
import { checkQcow2Tables } from './qcow2-tables.js';

/** QEMU's copy-on-write format, versions 2 and 3 (QEMU, docs/interop/qcow2.txt, "Header"). Numbers are big-endian. */

export const QCOW_MAGIC = 0x514649fb;
const HEADER_BYTES = { 2: 72, 3: 104 };
/** Those of QEMU: for the name of a backing file, the L1 table, the refcount table and the number of snapshots. */
const MAX_NAME_BYTES = 1023;
const MAX_L1_BYTES = 32 * 2 ** 20;
const MAX_REFCOUNT_TABLE_BYTES = 8 * 2 ** 20;
const MAX_SNAPSHOTS = 65536;
/** Shortest entry of the snapshot table. */
const SNAPSHOT_BYTES = 40;

const INCOMPATIBLE = { dirty: 1n, corrupt: 2n, dataFile: 4n, compressionType: 8n, extendedL2: 16n };
const KNOWN = Object.values(INCOMPATIBLE).reduce((all, bit) => all | bit);
/** There are five kinds; each is read by itself. */
const MAX_EXTENSIONS = 64;
const EXTENSION = { end: 0, backingFormat: 0xe2792aca, dataFile: 0x44415441 };

export function isQcow2(start: Buffer): boolean {
  return start.length >= 8 && start.readUInt32BE(0) === QCOW_MAGIC && start.readUInt32BE(4) >= 2;
}

export async function readQcow2(from: HeaderReader): Promise<HeaderParts> {
  const start = await from.read(0, HEADER_BYTES[2]);
  const version = start.readUInt32BE(4);
  from.require(version === 2 || version === 3, `it is of the unknown qcow2 version ${version}`);
  const fixed = version === 2 ? start : await from.read(0, HEADER_BYTES[3]);
  const features = version === 2 ? 0n : fixed.readBigUInt64BE(72);
  from.require((features & ~KNOWN) === 0n, `it uses unknown features (bits 0x${(features & ~KNOWN).toString(16)})`);
  const headerBytes = version === 2 ? HEADER_BYTES[2] : fixed.readUInt32BE(100);
  const clusterBits = fixed.readUInt32BE(20);
  from.require(clusterBits >= 9 && clusterBits <= 21, `its cluster size of 2^${clusterBits} bytes is impossible`);
  from.require(version === 2 || fixed.readUInt32BE(96) <= 6, 'its reference counts are too wide');
  const clusterBytes = 2 ** clusterBits;
  const fits = headerBytes >= HEADER_BYTES[version] && headerBytes <= clusterBytes && headerBytes % 8 === 0;
  from.require(fits, `its header length of ${headerBytes} bytes is impossible`);
  const wide = (features & INCOMPATIBLE.extendedL2) !== 0n;
  from.require(!wide || clusterBits >= 14, 'its clusters are too small for extended L2 entries');
  const compression = await compressionType(from, features, headerBytes);

  const bytes = from.diskBytes(from.number(fixed.readBigUInt64BE(24), 'size'));
  const snapshots = fixed.readUInt32BE(60);
  checkTables(from, fixed, { bytes, clusterBytes, l2EntryBytes: wide ? 16 : 8, snapshots });
  const crypt = fixed.readUInt32BE(32);
  from.require(crypt <= 2, `it uses the unknown encryption ${crypt}`);

  const nameOffset = from.number(fixed.readBigUInt64BE(8), 'offset of the name of the backing file');
  const extensions = await readExtensions(
    from,
    headerBytes,
    nameOffset === 0 ? clusterBytes : nameOffset,
    clusterBytes,
  );
  const references: ImageReference[] = [];
  if (nameOffset !== 0) {
    const name = await backingName(from, nameOffset, fixed.readUInt32BE(16));
    references.push({ kind: 'backing', name, format: extensions.get(EXTENSION.backingFormat) ?? null });
  }
  const dataFile = extensions.get(EXTENSION.dataFile);
  const external = (features & INCOMPATIBLE.dataFile) !== 0n;
  from.require(!external || dataFile !== undefined, 'its data is in another file, which it does not name');
  if (dataFile !== undefined) references.push({ kind: 'data-file', name: dataFile, format: null });

  const sizeBytes = Math.floor(bytes / SECTOR_BYTES) * SECTOR_BYTES;
  const findings = [...stateFindings(from.image.name, features), ...unaligned(from.image.name, bytes, sizeBytes)];
  if (nameOffset !== 0 && !extensions.has(EXTENSION.backingFormat)) findings.push(formatNotSaid(from.image.name));
  const l1Offset = from.number(fixed.readBigUInt64BE(40), 'offset of the L1 table');
  const tables = { l1Offset, clusterBits, wide, diskBytes: bytes, compression };
  return {
    ...{ variant: `v${version}`, sizeBytes, references, encrypted: crypt !== 0, snapshots, findings },
    checkTables: (signal) => checkQcow2Tables(from, tables, signal),
  };
}

/** "Additional fields": the compression type is there, and not zlib, if and only if its feature bit is set. */
async function compressionType(from: HeaderReader, features: bigint, headerBytes: number): Promise<ClusterCompression> {
  const type = headerBytes > 104 ? (await from.read(104, 1)).readUInt8(0) : 0;
  from.require(type <= 1, `it uses the unknown compression ${type}`);
  const said = (features & INCOMPATIBLE.compressionType) !== 0n;
  from.require(said === (type !== 0), 'its compression type contradicts its features');
  return type === 0 ? 'deflate' : 'zstd';
}

/** The L1 table, the refcount table and the snapshot table have to lie in the file; they are not read. */
function checkTables(
  from: HeaderReader,
  fixed: Buffer,
  disk: { bytes: number; clusterBytes: number; l2EntryBytes: number; snapshots: number },
): void {
  const check = (offset: bigint, lengthBytes: number, maxBytes: number, what: string) => {
    from.require(lengthBytes <= maxBytes, `its ${what} of ${lengthBytes} bytes is too long`);
    const at = from.number(offset, `offset of the ${what}`);
    from.require(at % disk.clusterBytes === 0, `its ${what} does not begin at a cluster`);
    from.inside(at, lengthBytes, what);
  };
  const l1Entries = fixed.readUInt32BE(36);
  check(fixed.readBigUInt64BE(40), l1Entries * 8, MAX_L1_BYTES, 'L1 table');
  const bytesOfL1Entry = disk.clusterBytes * (disk.clusterBytes / disk.l2EntryBytes);
  from.require(l1Entries * bytesOfL1Entry >= disk.bytes, 'its L1 table is too short for its size');
  const refcountBytes = fixed.readUInt32BE(56) * disk.clusterBytes;
  from.require(refcountBytes > 0, 'it has no refcount table');
  check(fixed.readBigUInt64BE(48), refcountBytes, MAX_REFCOUNT_TABLE_BYTES, 'refcount table');
  from.require(disk.snapshots <= MAX_SNAPSHOTS, `it has the absurd number of ${disk.snapshots} snapshots`);
  if (disk.snapshots > 0) {
    check(fixed.readBigUInt64BE(64), disk.snapshots * SNAPSHOT_BYTES, MAX_SNAPSHOTS * SNAPSHOT_BYTES, 'snapshot table');
  }
}

/** "Header extensions": type, length, data, padding to 8 bytes; those with a name in them are kept. */
async function readExtensions(
  from: HeaderReader,
  startBytes: number,
  endBytes: number,
  clusterBytes: number,
): Promise<Map<number, string>> {
  from.require(endBytes <= clusterBytes, 'the name of its backing file is not in its first cluster');
  const found = new Map<number, string>();
  let at = startBytes;
  for (let count = 0; at + 8 <= endBytes; count++) {
    from.require(count < MAX_EXTENSIONS, 'it has too many header extensions');
    const head = await from.read(at, 8);
    const type = head.readUInt32BE(0);
    const lengthBytes = head.readUInt32BE(4);
    if (type === EXTENSION.end) break;
    from.require(at + 8 + lengthBytes <= endBytes, 'one of its header extensions is too long');
    if (type === EXTENSION.backingFormat || type === EXTENSION.dataFile) {
      from.require(lengthBytes <= MAX_NAME_BYTES, 'a name in its header is too long');
      from.require(!found.has(type), 'it has the same header extension twice');
      found.set(type, (await from.read(at + 8, lengthBytes)).toString('utf8'));
    }
    at += 8 + Math.ceil(lengthBytes / 8) * 8;
  }
  return found;
}

/** Also for version 1, where the name lies in the same way. */
export async function backingName(from: HeaderReader, offsetBytes: number, lengthBytes: number): Promise<string> {
  from.require(lengthBytes > 0 && lengthBytes <= MAX_NAME_BYTES, `its backing file has a name of ${lengthBytes} bytes`);
  from.inside(offsetBytes, lengthBytes, 'name of the backing file');
  return (await from.read(offsetBytes, lengthBytes)).toString('utf8');
}

function stateFindings(image: string, features: bigint): Finding[] {
  const findings: Finding[] = [];
  if ((features & INCOMPATIBLE.dirty) !== 0n) {
    findings.push({
      id: 'disk.dirty',
      ...warning(
        `${image} was not closed as it should be, or is in use.`,
        'See that nothing uses it, and repair it with `qemu-img check -r leaks`.',
      ),
    });
  }
  if ((features & INCOMPATIBLE.corrupt) !== 0n) {
    findings.push({
      id: 'disk.corrupt',
      ...blocking(
        `${image} is marked as corrupt.`,
        'Repair it with `qemu-img check -r all` and look at what it holds, or use another copy.',
      ),
    });
  }
  return findings;
}

function formatNotSaid(image: string): Finding {
  return {
    id: 'disk.backing-format',
    ...warning(
      `${image} does not say of which format its backing file is; QEMU would guess.`,
      'Name it: `qemu-img rebase -u -F FORMAT -b FILE`.',
    ),
  };
}
