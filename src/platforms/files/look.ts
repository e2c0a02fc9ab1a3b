import { VmferryError } from '../../errors.js';
import type { Finding } from '../../model/finding.js';
import { formatBytes } from '../../model/format.js';
import type { VmDescription } from '../../model/vm.js';
import { imageFormatOf } from './bare-image.js';
import type { ForeignDisk, ForeignVm, ImageFormat } from './foreign.js';
import { openChain, type ImageChain } from './image-chain.js';
import { sniffFormat } from './image.js';
import type { Package } from './package.js';
import { unpackedMember, type Scratch } from './unpacked.js';

/** What the images of a machine say, beside what its descriptor does. */
export interface Looked {
  vm: VmDescription;
  /** Of each disk by its id; they stand in the description, too. */
  diskFindings: Map<string, Finding[]>;
}

/** Reads the headers of a machine's images into its description. @throws VmferryError `HostileInput`, `NoSpace`. */
export async function lookAtDisks(
  from: Package,
  foreign: ForeignVm,
  scratch: Scratch,
  signal?: AbortSignal,
): Promise<Looked> {
  const diskFindings = new Map<string, Finding[]>();
  const vm: VmDescription = { ...foreign.vm, disks: [], findings: [...foreign.vm.findings] };
  for (const [index, disk] of foreign.disks.entries()) {
    const declared = foreign.vm.disks[index]!;
    const { findings: all, ...facts } = await lookAt(from, disk, declared.sizeBytes, scratch, signal);
    // An OVF's reader says it of its own disks.
    const said = (id: string) => vm.findings.some((each) => each.id === id && each.message.includes(` ${disk.id} `));
    const findings = all.filter(({ id }) => id !== 'disk.empty' || !said(id));
    vm.disks.push({ ...declared, ...facts });
    vm.findings.push(...findings);
    diskFindings.set(disk.id, findings);
  }
  return { vm, diskFindings };
}

interface Seen {
  sizeBytes: number;
  format: string;
  allocatedBytes: number | null;
  findings: Finding[];
}

async function lookAt(
  from: Package,
  disk: ForeignDisk,
  declaredBytes: number,
  scratch: Scratch,
  signal?: AbortSignal,
): Promise<Seen> {
  const nothing = { sizeBytes: declaredBytes, format: disk.format ?? 'raw', allocatedBytes: null };
  if (disk.reference === null) return { ...nothing, findings: [empty(disk, declaredBytes)] };
  if (disk.chunkBytes !== null) return { ...nothing, findings: [chunked(disk)] };
  let chain: ImageChain;
  try {
    chain = await openDisk(from, disk, scratch, signal);
  } catch (error) {
    if (!(error instanceof VmferryError) || error.code !== 'NotFound') throw error;
    return { ...nothing, findings: [unreadable(disk, error.message)] };
  }
  try {
    const [top] = chain.layers;
    const { header, member, format } = top!;
    const all = chain.layers.flatMap((layer) => layer.header.findings);
    const bytes = chain.layers.flatMap(({ member, extents }) => [member, ...extents]).map((each) => each.sizeBytes);
    const findings = [
      ...all.map((each) => ({ ...each, message: `Disk ${disk.id}: ${each.message}` })),
      ...(declaredBytes > 0 && declaredBytes !== header.sizeBytes
        ? [sizeDiffers(disk, declaredBytes, header.sizeBytes)]
        : []),
      ...(disk.fileBytes !== null && disk.compression === null && disk.fileBytes !== member.sizeBytes
        ? [fileDiffers(disk, disk.fileBytes, member.sizeBytes)]
        : []),
    ];
    const taken = bytes.reduce((sum, each) => sum + each, 0);
    const allocatedBytes = Math.min(header.allocatedBytes ?? taken, header.sizeBytes);
    return { sizeBytes: header.sizeBytes, format, allocatedBytes, findings };
  } finally {
    await chain.close();
  }
}

/** Opens a disk's image with all that it stands on; a compressed one is unpacked until the chain is closed. */
export async function openDisk(
  from: Package,
  disk: ForeignDisk,
  scratch: Scratch,
  signal?: AbortSignal,
): Promise<ImageChain> {
  const name = disk.reference ?? '';
  const known = disk.format ?? imageFormatOf(name) ?? null;
  const member = await from.files.open(name, signal);
  if (!member) {
    throw new VmferryError('NotFound', `cannot open ${from.files.name}/${name}: there is no such file`, {
      platform: 'files',
      remedy: 'Put the file there, or leave the disk behind with excludeDisks.',
    });
  }
  const opened = disk.compression ? await unpackedMember(member, disk.compression, scratch, signal) : member;
  let format: ImageFormat;
  try {
    format = known ?? (await sniffFormat(opened)) ?? 'raw';
  } catch (error) {
    await opened.close();
    throw error;
  }
  return await openChain(from.files, name, format, opened, signal);
}

function empty({ id }: ForeignDisk, sizeBytes: number): Finding {
  return {
    id: 'disk.empty',
    severity: sizeBytes > 0 ? 'info' : 'blocking',
    message: `Disk ${id} has no file: it is made empty, of ${formatBytes(sizeBytes)}.`,
    remedy: 'Leave it behind with excludeDisks if it is not wanted.',
  };
}

function chunked({ id, reference }: ForeignDisk): Finding {
  return {
    id: 'disk.chunked',
    severity: 'blocking',
    message: `Disk ${id} (${reference}) was cut into pieces, which cannot be read in place.`,
    remedy: 'Put the pieces together with `cat`, and take chunkSize out of the descriptor.',
  };
}

function unreadable({ id }: ForeignDisk, why: string): Finding {
  return {
    id: 'disk.unreadable',
    severity: 'blocking',
    message: `Disk ${id} cannot be read: ${why}.`,
    remedy: 'Put the file there, or leave the disk behind with excludeDisks.',
  };
}

function sizeDiffers({ id }: ForeignDisk, declared: number, found: number): Finding {
  return {
    id: 'disk.size-differs',
    severity: 'warning',
    message: `Disk ${id} is of ${declared} bytes by the descriptor and of ${found} by its image; the image counts.`,
    remedy: 'See whether the files belong together.',
  };
}

function fileDiffers({ id, reference }: ForeignDisk, declared: number, found: number): Finding {
  return {
    id: 'disk.file-size',
    severity: 'warning',
    message: `The file ${reference} of disk ${id} has ${found} bytes, and ${declared} by the descriptor.`,
    remedy: 'It may be cut off, or from another export: compare it with where it comes from.',
  };
}
