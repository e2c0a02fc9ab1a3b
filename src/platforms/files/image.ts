import { blocking, info, warning, type Finding } from '../../model/finding.js';
import { compressionOf } from './compression.js';
import type { Compression, ImageFormat } from './foreign.js';
import { HeaderReader, SECTOR_BYTES, unaligned, type HeaderParts, type ImageHeader } from './image-header.js';
import { isVdi, readVdi } from './image-vdi.js';
import { isVhd, readVhd } from './image-vhd.js';
import { isVhdx, readVhdx } from './image-vhdx.js';
import { isVmdk, readVmdk } from './image-vmdk.js';
import { isQcow, readQcow } from './image-qcow.js';
import { isQcow2, readQcow2 } from './image-qcow2.js';
import type { RandomAccess } from './random-access.js';

/** Reading the headers of disk images before any tool opens them: what they are, how large, and what they refer to. */

type Parts = (from: HeaderReader) => Promise<HeaderParts>;

const READERS: Record<ImageFormat, Parts> = {
  raw: readRaw,
  qcow2: readQcow2,
  qcow: readQcow,
  vmdk: readVmdk,
  vpc: readVhd,
  vhdx: readVhdx,
  vdi: readVdi,
};

/**
 * The header of an image that was declared to be of `format`; it is never read as anything else.
 * @throws VmferryError `HostileInput` where it is of another format, damaged, absurdly large or cut off.
 */
export async function inspectImage(
  image: RandomAccess,
  format: ImageFormat,
  signal?: AbortSignal,
): Promise<ImageHeader> {
  const from = new HeaderReader(image, signal);
  const looksLike = await sniff(from);
  // A fixed VHD begins with what the guest wrote, and is known by its end.
  const own = format === 'raw' || (format === 'vpc' && (await isFixedVhd(from)));
  if (!own && looksLike !== format) {
    const why = looksLike ? `its content is ${looksLike}` : 'it does not begin like one';
    throw from.hostile(`it was declared as ${format}, but ${why}`);
  }
  const parts = await READERS[format](from);
  const header: ImageHeader = {
    ...{
      format,
      allocatedBytes: null,
      references: [],
      encrypted: false,
      snapshots: 0,
      compressed: false,
      sizeFrom: null,
      vmdk: null,
      grains: null,
      checkTables: null,
    },
    ...parts,
    findings: [],
  };
  from.diskBytes(header.sizeBytes);
  const packed = format === 'raw' ? await compressionOf(image, signal) : null;
  header.findings = [
    ...(looksLike !== null && looksLike !== format ? [doubt(image.name, format, looksLike)] : []),
    ...(packed === null ? [] : [compressed(image.name, packed)]),
    ...(parts.findings ?? []),
    ...cannotHold(image.name, header),
  ];
  return header;
}

/**
 * The format by its magic, or null; raw images have none. Only to warn, to refuse, and for a file whose name says
 * nothing: a guest can write any magic into a raw disk.
 */
export async function sniffFormat(image: RandomAccess): Promise<ImageFormat | null> {
  return await sniff(new HeaderReader(image));
}

async function sniff(from: HeaderReader): Promise<ImageFormat | null> {
  const start = await from.read(0, Math.min(SECTOR_BYTES, from.image.sizeBytes));
  if (isQcow2(start)) return 'qcow2';
  if (isQcow(start)) return 'qcow';
  if (isVmdk(start)) return 'vmdk';
  if (isVhdx(start)) return 'vhdx';
  if (isVdi(start)) return 'vdi';
  return isVhd(start) || (await isFixedVhd(from)) ? 'vpc' : null;
}

async function isFixedVhd(from: HeaderReader): Promise<boolean> {
  const { sizeBytes } = from.image;
  return sizeBytes >= SECTOR_BYTES && isVhd(await from.read(sizeBytes - SECTOR_BYTES, SECTOR_BYTES));
}

/** QEMU counts a raw image in whole sectors, the last one filled up with zeros. */
function readRaw(from: HeaderReader): Promise<HeaderParts> {
  const bytes = from.image.sizeBytes;
  const sizeBytes = Math.ceil(bytes / SECTOR_BYTES) * SECTOR_BYTES;
  return Promise.resolve({ variant: 'raw', sizeBytes, findings: unaligned(from.image.name, bytes, sizeBytes) });
}

function doubt(image: string, format: ImageFormat, looksLike: ImageFormat): Finding {
  return {
    id: 'disk.format-doubt',
    ...warning(
      `${image} is read as ${format}, as declared, but its content looks like ${looksLike}.`,
      'See which of both it is; what a guest writes can look like that.',
    ),
  };
}

function compressed(image: string, how: Compression): Finding {
  return {
    id: 'disk.format-doubt',
    ...warning(
      `${image} is read as raw, as declared, but its content looks compressed (${how}).`,
      'If it is, say so by the end of its name (.gz, .bz2, .xz, .zst) or by ovf:compression: it is unpacked then.',
    ),
  };
}

function cannotHold(image: string, header: ImageHeader): Finding[] {
  const findings: Finding[] = [];
  if (header.sizeBytes === 0 && header.references.length === 0) {
    findings.push({
      id: 'disk.no-size',
      ...blocking(`${image} is empty: a disk of 0 bytes.`, 'See whether it was copied as a whole.'),
    });
  }
  if (header.encrypted) {
    findings.push({
      id: 'disk.encrypted',
      ...blocking(
        `${image} is encrypted, and there is no key for it.`,
        'Decrypt it where it comes from, and export it again.',
      ),
    });
  }
  if (header.snapshots > 0) {
    findings.push({
      id: 'disk.snapshots',
      ...info(
        `${image} holds ${header.snapshots} snapshot(s); only its present state is carried over.`,
        'Keep the image if they are still needed.',
      ),
    });
  }
  return findings;
}
