import { checkVdiMap } from './block-maps.js';
import { SECTOR_BYTES, differencing, unaligned, uuid, type HeaderParts, type HeaderReader } from './image-header.js';

/**
 * VirtualBox's format, version 1.1 (VirtualBox, VDICore.h, `VDIPREHEADER` and `VDIHEADER1PLUS`; QEMU, block/vdi.c).
 * Numbers are little-endian.
 */

const SIGNATURE = 0xbeda107f;
const VERSION = 0x00010001;
const BLOCK_BYTES = 2 ** 20;
const VARIANTS = new Map([
  [1, 'dynamic'],
  [2, 'static'],
  [4, 'differencing'],
]);

export function isVdi(start: Buffer): boolean {
  return start.length >= 0x44 && start.readUInt32LE(0x40) === SIGNATURE;
}

export async function readVdi(from: HeaderReader): Promise<HeaderParts> {
  const header = await from.read(0, SECTOR_BYTES);
  const version = header.readUInt32LE(0x44);
  from.require(version === VERSION, `it is of the unknown VDI version ${version >>> 16}.${version & 0xffff}`);
  const type = header.readUInt32LE(0x4c);
  const variant = VARIANTS.get(type);
  from.require(variant !== undefined, `it is of the unknown VDI type ${type}`);

  const mapOffset = header.readUInt32LE(0x154);
  const dataOffset = header.readUInt32LE(0x158);
  const blocks = header.readUInt32LE(0x180);
  const allocated = header.readUInt32LE(0x184);
  const aligned = mapOffset % SECTOR_BYTES === 0 && dataOffset % SECTOR_BYTES === 0;
  from.require(aligned && mapOffset >= SECTOR_BYTES, 'its tables do not begin at a sector');
  from.require(header.readUInt32LE(0x168) === SECTOR_BYTES, 'its sectors do not have 512 bytes');
  from.require(header.readUInt32LE(0x178) === BLOCK_BYTES, 'its blocks do not have 1 MiB');
  from.require(header.readUInt32LE(0x17c) === 0, 'it keeps more in its blocks than the disk');
  from.inside(mapOffset, blocks * 4, 'block map');
  from.require(dataOffset >= mapOffset + blocks * 4, 'its data lies in its block map');
  from.require(allocated <= blocks, `it has more blocks (${allocated}) than its map (${blocks})`);
  const bytes = from.diskBytes(from.number(header.readBigUInt64LE(0x170), 'size'));
  from.require(bytes <= blocks * BLOCK_BYTES, 'its block map is too short for its size');
  // A block can be cut short where the disk ends within it; QEMU would read any other one that is as zeroes.
  const spare = bytes % BLOCK_BYTES === 0 ? 0 : BLOCK_BYTES - (bytes % BLOCK_BYTES);
  from.inside(dataOffset, Math.max(0, allocated * BLOCK_BYTES - spare), 'data');
  const sizeBytes = Math.ceil(bytes / SECTOR_BYTES) * SECTOR_BYTES;
  const findings = unaligned(from.image.name, bytes, sizeBytes);
  const map = { offsetBytes: mapOffset, dataOffset, diskBytes: bytes };
  const base: HeaderParts = {
    ...{ variant, sizeBytes, allocatedBytes: allocated * BLOCK_BYTES },
    checkTables: (signal) => checkVdiMap(from, map, signal),
  };

  const parent = header.subarray(0x1a8, 0x1b8);
  const parentState = header.subarray(0x1b8, 0x1c8);
  const child = type === 4 || [...parent, ...parentState].some((byte) => byte !== 0);
  if (!child) return { ...base, findings };
  findings.push(differencing(from.image.name));
  return {
    ...base,
    variant: 'differencing',
    references: [{ kind: 'parent', name: uuid(parent), format: null }],
    findings,
  };
}
