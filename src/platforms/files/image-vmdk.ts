import type { Finding } from '../../model/finding.js';
import type { HeaderParts, HeaderReader, ImageReference } from './image-header.js';
import { SECTOR_BYTES } from './image-header.js';
import { isSparse, readSparse } from './image-vmdk-sparse.js';

/** VMware's Virtual Disk Format 5.0: text that names the files of a disk, and files with sparse content. */

export const MAX_DESCRIPTOR_BYTES = 2 ** 20;
/** Where QEMU looks for the name of a parent in a sparse file, wherever the header says the text is (block/vmdk.c). */
const QEMU_TEXT = { offset: 0x200, bytes: 20 * SECTOR_BYTES };
/** Kinds of disks in several files that QEMU opens. */
const CREATE_TYPES = ['monolithicFlat', 'vmfs', 'vmfsSparse', 'seSparse', 'twoGbMaxExtentSparse', 'twoGbMaxExtentFlat'];
const EXTENT_TYPES = ['FLAT', 'SPARSE', 'VMFS', 'VMFSSPARSE', 'SESPARSE'];

export function isVmdk(start: Buffer): boolean {
  return isSparse(start) || isDescriptor(start);
}

function isDescriptor(start: Buffer): boolean {
  return /^# Disk Descriptor ?File/i.test(start.toString('latin1', 0, 32));
}

export async function readVmdk(from: HeaderReader): Promise<HeaderParts> {
  const start = await from.read(0, Math.min(SECTOR_BYTES, from.image.sizeBytes));
  if (isDescriptor(start)) {
    from.require(from.image.sizeBytes <= MAX_DESCRIPTOR_BYTES, 'its descriptor is longer than 1 MiB');
    return fromDescriptor(from, await textAt(from, 0, from.image.sizeBytes), '');
  }
  const sparse = await readSparse(from, start);
  const seenByQemu = await textAt(from, QEMU_TEXT.offset, QEMU_TEXT.bytes);
  // Without a capacity of its own, QEMU takes the text in it for a descriptor, however long it is.
  const lengthBytes = sparse.parts ? sparse.descriptorBytes : MAX_DESCRIPTOR_BYTES;
  const text = sparse.descriptorOffset > 0 ? await textAt(from, sparse.descriptorOffset, lengthBytes) : '';
  if (!sparse.parts) return fromDescriptor(from, text, seenByQemu);
  const { parents, findings } = parentOf(from, text, seenByQemu);
  const variant = sparse.parts.variant === 'sparse' ? (createType(text) ?? 'sparse') : sparse.parts.variant;
  return {
    ...sparse.parts,
    ...{ variant, references: parents, encrypted: isEncrypted(text) },
    findings: [...(sparse.parts.findings ?? []), ...findings],
  };
}

/** A disk that lies in the files which the text names. */
function fromDescriptor(from: HeaderReader, text: string, more: string): HeaderParts {
  const variant = createType(text);
  from.require(variant !== null, 'its descriptor does not say of what kind it is');
  const { extents, notRead } = extentFiles(text);
  const { parents, findings } = parentOf(from, text, more);
  if (notRead.length > 0) findings.push(extentsNotRead(from.image.name, notRead));
  if (!CREATE_TYPES.includes(variant)) findings.push(kindNotRead(from.image.name, variant));
  const sectors = extents.filter((each) => each.read).reduce((sum, each) => sum + each.sectors, 0);
  // What QEMU leaves out is not opened either.
  const references = extents
    .filter((each) => each.read)
    .map((each): ImageReference => ({
      kind: 'extent',
      name: each.name,
      format: /SPARSE$/.test(each.type) ? 'vmdk' : 'raw',
    }));
  return {
    ...{ variant, sizeBytes: from.diskBytes(sectors * SECTOR_BYTES), references: [...references, ...parents] },
    ...{ encrypted: isEncrypted(text), findings },
  };
}

export interface VmdkExtent {
  type: string;
  sectors: number;
  name: string;
  /** Whether QEMU makes it a part of the disk. */
  read: boolean;
}

/**
 * The extents that a descriptor names, and the lines of those that QEMU leaves out without a word. Where lines can be
 * read in several ways, as QEMU reads them: white space may be a line's end, and the closing quote may be missing.
 */
export function extentFiles(text: string): { extents: VmdkExtent[]; notRead: string[] } {
  const named = /^[ \t\v\f]*(RW|RDONLY|NOACCESS)\s+([+-]?\d+)\s*([^\s"]{1,10})\s*"([^\n\r"]{1,511})/gm;
  const extents = [...text.matchAll(named)].map(([, access, sectors, type = '', name = '']): VmdkExtent => {
    const read = access === 'RW' && Number(sectors) > 0 && EXTENT_TYPES.includes(type);
    return { type, sectors: Number(sectors), name, read };
  });
  const nameless = /^[ \t\v\f]*(?:RW|RDONLY|NOACCESS)[ \t]+\d+[ \t]+[^\s"]{1,32}[ \t]*$/gm;
  const notRead = [
    ...extents.filter((each) => !each.read).map((each) => `${each.type} ${each.name}`),
    ...[...text.matchAll(nameless)].map(([line]) => line.trim()),
  ];
  return { extents, notRead };
}

/** The parents that the texts name, in comments as well: QEMU takes the first of them wherever it is. */
function parentOf(from: HeaderReader, ...texts: string[]): { parents: ImageReference[]; findings: Finding[] } {
  const names = new Set<string>();
  for (const text of texts) {
    for (const hint of text.split('parentFileNameHint').slice(1)) {
      const name = /^="([^"\n\r]{0,1023})"/.exec(hint)?.[1];
      from.require(name !== undefined, 'the name of its parent is damaged');
      names.add(name);
    }
  }
  names.delete('');
  const parentId = /^[ \t]*parentCID[ \t]*=[ \t]*([0-9a-f]{1,16})/im.exec(texts.join('\n'))?.[1];
  const orphan = names.size === 0 && parentId !== undefined && !/^f{8}$/i.test(parentId);
  return {
    parents: [...names].map((name) => ({ kind: 'parent', name, format: 'vmdk' })),
    findings: orphan ? [noParent(from.image.name)] : [],
  };
}

function createType(text: string): string | null {
  return /createType="([A-Za-z0-9]{1,64})"/.exec(text)?.[1] ?? null;
}

/** VMware writes the keys of an encrypted disk into its descriptor. */
function isEncrypted(text: string): boolean {
  return /^[ \t]*encryption\w*[.=]/im.test(text) || /^[ \t]*encryptionKeys/im.test(text);
}

/** As much as there is, until a NUL. */
async function textAt(from: HeaderReader, offsetBytes: number, lengthBytes: number): Promise<string> {
  const there = Math.max(0, Math.min(lengthBytes, from.image.sizeBytes - offsetBytes));
  const bytes = await from.read(Math.min(offsetBytes, from.image.sizeBytes), there);
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}

function extentsNotRead(image: string, lines: string[]): Finding {
  const shown = lines.slice(0, 5).join(', ');
  return {
    id: 'disk.extent-not-read',
    severity: 'blocking',
    message: `${image} has parts that QEMU leaves out, so that what follows them moves: ${shown.slice(0, 500)}.`,
    remedy: 'Export the machine again, as OVF or with `vmkfstools -i`, into a disk without such parts.',
  };
}

function kindNotRead(image: string, variant: string): Finding {
  return {
    id: 'disk.kind-not-read',
    severity: 'blocking',
    message: `${image} is a VMDK of the kind "${variant}", which QEMU cannot read from a descriptor.`,
    remedy: 'Export the machine again, as OVF or with `vmkfstools -i`.',
  };
}

function noParent(image: string): Finding {
  return {
    id: 'disk.differencing',
    severity: 'blocking',
    message: `${image} holds only what differs from its parent, which it does not name.`,
    remedy: 'Merge it with its parent, or export the machine without snapshots.',
  };
}
