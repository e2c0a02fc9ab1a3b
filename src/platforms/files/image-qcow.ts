import { SECTOR_BYTES, unaligned, type HeaderParts, type HeaderReader } from './image-header.js';
import { QCOW_MAGIC, backingName } from './image-qcow2.js';
import { checkQcowTables } from './qcow-tables.js';

/** QEMU's first copy-on-write format, version 1 (QEMU, block/qcow.c, `QCowHeader`). Numbers are big-endian. */

const HEADER_BYTES = 48;
/** QEMU's for the L1 table, which has no length of its own. */
const MAX_L1_BYTES = 2 ** 31;

export function isQcow(start: Buffer): boolean {
  return start.length >= 8 && start.readUInt32BE(0) === QCOW_MAGIC && start.readUInt32BE(4) === 1;
}

export async function readQcow(from: HeaderReader): Promise<HeaderParts> {
  const header = await from.read(0, HEADER_BYTES);
  const bytes = from.diskBytes(from.number(header.readBigUInt64BE(24), 'size'));
  const clusterBits = header.readUInt8(32);
  const l2Bits = header.readUInt8(33);
  from.require(bytes > 1, 'it has no size');
  from.require(clusterBits >= 9 && clusterBits <= 16, `its cluster size of 2^${clusterBits} bytes is impossible`);
  from.require(l2Bits >= 6 && l2Bits <= 13, `its L2 tables of 2^${l2Bits} entries are impossible`);
  const crypt = header.readUInt32BE(36);
  from.require(crypt <= 1, `it uses the unknown encryption ${crypt}`);
  const l1Bytes = Math.ceil(bytes / 2 ** (clusterBits + l2Bits)) * 8;
  from.require(l1Bytes <= MAX_L1_BYTES, 'its L1 table is too long');
  const l1Offset = from.number(header.readBigUInt64BE(40), 'offset of the L1 table');
  from.inside(l1Offset, l1Bytes, 'L1 table');
  const tables = { l1Offset, l2Bytes: 2 ** l2Bits * 8, clusterBits, diskBytes: bytes };
  const nameOffset = from.number(header.readBigUInt64BE(8), 'offset of the name of the backing file');
  const sizeBytes = Math.floor(bytes / SECTOR_BYTES) * SECTOR_BYTES;
  return {
    ...{ variant: 'v1', sizeBytes, encrypted: crypt !== 0 },
    references:
      nameOffset === 0
        ? []
        : [{ kind: 'backing', name: await backingName(from, nameOffset, header.readUInt32BE(16)), format: null }],
    findings: unaligned(from.image.name, bytes, sizeBytes),
    checkTables: (signal) => checkQcowTables(from, tables, signal),
  };
}
