import type { RandomAccess } from './random-access.js';
import { textOf } from './text.js';
import { parseVmdkDescriptor, type VmdkDescriptor } from './vmdk-descriptor.js';

/** A VMDK that is only a text, with those of its extents that QEMU makes a part of the disk, each in a file. */
export interface VmdkParts extends Pick<VmdkDescriptor, 'cid' | 'parentCid' | 'createType'> {
  parts: { sectors: number; type: string; file: string; offsetSectors: number }[];
}

/** @throws VmferryError `HostileInput`. */
export async function readVmdkParts(text: RandomAccess, signal?: AbortSignal): Promise<VmdkParts> {
  const bytes = await text.read(0, text.sizeBytes, signal);
  const { cid, parentCid, createType, extents } = parseVmdkDescriptor(textOf(bytes), text.name);
  const parts = extents.flatMap(({ access, sectors, type, file, offsetSectors }) =>
    access === 'RW' && sectors > 0 && file !== null ? [{ sectors, type, file, offsetSectors }] : [],
  );
  return { cid, parentCid, createType, parts };
}
