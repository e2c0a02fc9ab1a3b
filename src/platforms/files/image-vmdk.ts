import { blocking, type Finding } from '../../model/finding.js';
import type { HeaderParts, HeaderReader, ImageReference } from './image-header.js';
import { SECTOR_BYTES } from './image-header.js';
import { isSparse, readSparse } from './image-vmdk-sparse.js';
import { textOf } from './text.js';
import { isEncrypted, parseVmdkDescriptor, type VmdkExtent } from './vmdk-descriptor.js';

/** VMware's Virtual Disk Format 5.0: text that names the files of a disk, and files with sparse content. */

const MAX_DESCRIPTOR_BYTES = 2 ** 20;
/** Where QEMU looks for the name of a parent in a sparse file, wherever the header says the text is (block/vmdk.c). */
const QEMU_TEXT = { offset: 0x200, bytes: 20 * SECTOR_BYTES };
/** Kinds of disks in several files that QEMU opens. */
const CREATE_TYPES = ['monolithicFlat', 'vmfs', 'vmfsSparse', 'seSparse', 'twoGbMaxExtentSparse', 'twoGbMaxExtentFlat'];
/** Files that QEMU reads as a part of a disk alone. */
const ESXI_PARTS = ['vmfsSparse', 'seSparse'];
const DEVICES = ['fullDevice', 'partitionedDevice', 'vmfsRaw', 'vmfsRawDeviceMap', 'vmfsPassthroughRawDeviceMap'];
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
    findings: [
      ...(sparse.parts.findings ?? []),
      ...findings,
      ...(ESXI_PARTS.includes(variant) ? [onlyPart(from.image.name, variant)] : []),
    ],
  };
}

/** A disk that lies in the files which the text names. What QEMU leaves out of it is not opened either. */
function fromDescriptor(from: HeaderReader, text: string, more: string): HeaderParts {
  const { createType: variant, cid, parentCid, extents } = parseVmdkDescriptor(text, from.image.name);
  const { parents, findings } = parentOf(from, text, more);
  const device = DEVICES.includes(variant) || extents.some(isDevice);
  const read = device ? [] : extents.filter(({ access, type }) => access === 'RW' && EXTENT_TYPES.includes(type));
  if (device) findings.push(rawDevice(from.image.name, variant));
  else if (read.length < extents.length) {
    findings.push(
      extentsNotRead(
        from.image.name,
        extents.filter((each) => !read.includes(each)),
      ),
    );
  }
  if (!device && !CREATE_TYPES.includes(variant)) findings.push(kindNotRead(from.image.name, variant));
  const sectors = (device ? extents : read).reduce((sum, each) => sum + each.sectors, 0);
  const parts = read.map(({ sectors, type, file, offsetSectors }) => ({
    ...{ sectors, type, file: file ?? '', offsetSectors },
  }));
  const references = parts.map(({ file, type }): ImageReference => ({
    ...{ kind: 'extent', name: file, format: type.endsWith('SPARSE') ? 'vmdk' : 'raw' },
  }));
  return {
    ...{ variant, sizeBytes: from.diskBytes(sectors * SECTOR_BYTES), references: [...references, ...parents] },
    ...{ encrypted: isEncrypted(text), findings, vmdk: { cid, parentCid, createType: variant, parts } },
  };
}

function isDevice({ type, file }: VmdkExtent): boolean {
  return ['VMFSRDM', 'VMFSRAW'].includes(type) || /^(\/dev\/|\\\\\.\\)/.test(file ?? '');
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

/** As much as there is, until a NUL. */
async function textAt(from: HeaderReader, offsetBytes: number, lengthBytes: number): Promise<string> {
  const there = Math.max(0, Math.min(lengthBytes, from.image.sizeBytes - offsetBytes));
  const bytes = await from.read(Math.min(offsetBytes, from.image.sizeBytes), there);
  const end = bytes.indexOf(0);
  return textOf(end < 0 ? bytes : bytes.subarray(0, end));
}

function rawDevice(image: string, variant: string): Finding {
  return {
    id: 'disk.raw-device',
    ...blocking(
      `${image} is no file but a device of its host (${variant}).`,
      'Convert it into an image at the source (`vmkfstools -i`), or leave it behind with excludeDisks.',
    ),
  };
}

function extentsNotRead(image: string, extents: readonly VmdkExtent[]): Finding {
  const shown = extents
    .slice(0, 5)
    .map(({ access, type, file }) => `${access} ${type} ${file ?? ''}`.trimEnd())
    .join(', ');
  return {
    id: 'disk.extent-not-read',
    ...blocking(
      `${image} has parts that QEMU leaves out, so that what follows them moves: ${shown.slice(0, 500)}.`,
      'Export the machine again, as OVF or with `vmkfstools -i`, into a disk without such parts.',
    ),
  };
}

function kindNotRead(image: string, variant: string): Finding {
  return {
    id: 'disk.kind-not-read',
    ...blocking(
      `${image} is a VMDK of the kind "${variant}", which QEMU cannot read from a descriptor.`,
      'Export the machine again, as OVF or with `vmkfstools -i`.',
    ),
  };
}

function onlyPart(image: string, variant: string): Finding {
  return {
    id: 'disk.kind-not-read',
    ...blocking(
      `${image} is only a part of a VMDK (${variant}), which cannot be read without the text that goes with it.`,
      'Put the small .vmdk that names it beside it, and use that.',
    ),
  };
}

function noParent(image: string): Finding {
  return {
    id: 'disk.differencing',
    ...blocking(
      `${image} holds only what differs from its parent, which it does not name.`,
      'Merge it with its parent, or export the machine without snapshots.',
    ),
  };
}
