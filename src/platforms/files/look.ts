import { VmferryError } from '../../errors.js';
import { blocking, info, warning, ofDisk, type Finding } from '../../model/finding.js';
import { formatBytes } from '../../model/format.js';
import type { VmDescription } from '../../model/vm.js';
import { imageFormatOf } from './bare-image.js';
import { openDiskFile } from './disk-file.js';
import type { ForeignDisk, ForeignVm, ImageFormat } from './foreign.js';
import { quoted } from './foreign-values.js';
import { openChain, type ImageChain } from './image-chain.js';
import { sniffFormat } from './image.js';
import { safeName } from './member-name.js';
import type { Package } from './package.js';
import { unpackedMember, type Scratch } from './unpacked.js';

/**
 * Reads the headers of a machine's images into its description. What is wrong with the place of one disk is a finding of that
 * disk, so that the others can be moved without it. @throws VmferryError `HostileInput`, `NoSpace`.
 */
export async function lookAtDisks(
  from: Package,
  foreign: ForeignVm,
  scratch: Scratch,
  signal?: AbortSignal,
): Promise<VmDescription> {
  const vm: VmDescription = { ...foreign.vm, disks: [], findings: [...foreign.vm.findings] };
  for (const [index, disk] of foreign.disks.entries()) {
    const declared = foreign.vm.disks[index]!;
    // Of a disk that the descriptor cannot tell where it is, there is nothing to look at.
    const lost = vm.findings.some((each) => each.disk === disk.id && each.severity === 'blocking');
    const { findings, ...facts } = await lookAt(from, disk, declared.sizeBytes, lost, scratch, signal);
    vm.disks.push({ ...declared, ...facts });
    vm.findings.push(...ofDisk(disk.id, findings));
  }
  return vm;
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
  lost: boolean,
  scratch: Scratch,
  signal?: AbortSignal,
): Promise<Seen> {
  const nothing = { sizeBytes: declaredBytes, format: disk.format ?? 'raw', allocatedBytes: null };
  if (disk.reference === null) return { ...nothing, findings: lost ? [] : [empty(disk, declaredBytes)] };
  if (!safeName(disk.reference)) return { ...nothing, findings: lost ? [] : [outside(disk, disk.reference)] };
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
      ...sizesAgainst(disk, declaredBytes, { sizeBytes: header.sizeBytes, fileBytes: member.sizeBytes, format }),
    ];
    const taken = bytes.reduce((sum, each) => sum + each, 0);
    const allocatedBytes = Math.min(header.allocatedBytes ?? taken, header.sizeBytes);
    return { sizeBytes: header.sizeBytes, format, allocatedBytes, findings };
  } finally {
    await chain.close();
  }
}

/**
 * The sizes that the descriptor declares, of the file and of the disk, against those found. Less is there than should be
 * where the file is shorter, or a raw disk is: what else an image lacks shows in its tables, before anything is copied.
 */
function sizesAgainst(
  disk: ForeignDisk,
  declaredBytes: number,
  found: { sizeBytes: number; fileBytes: number; format: ImageFormat },
): Finding[] {
  const { sizeBytes, fileBytes, format } = found;
  const findings: Finding[] = [];
  const saidFile = disk.compression === null ? disk.fileBytes : null;
  // oVirt writes the size of the disk there, whatever its format takes.
  const fileShort = saidFile !== null && fileBytes < saidFile && (format === 'raw' || saidFile !== sizeBytes);
  const diskShort = format === 'raw' && declaredBytes - sizeBytes >= (disk.sizeUnitBytes ?? 1);
  if (fileShort || diskShort) {
    const [is, wanted] = fileShort ? [fileBytes, saidFile] : [sizeBytes, declaredBytes];
    findings.push(cutOff(disk, is, wanted));
  }
  if (declaredBytes > 0 && declaredBytes !== sizeBytes && !diskShort) {
    findings.push(sizeDiffers(disk, declaredBytes, sizeBytes));
  }
  if (saidFile !== null && saidFile !== fileBytes && !fileShort) findings.push(fileDiffers(disk, saidFile, fileBytes));
  return findings;
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
  const member = await openDiskFile(from.files, disk, signal);
  const opened = disk.compression
    ? await unpackedMember(member, disk.compression, scratch, declaredBytes(from, disk), signal)
    : member;
  let format: ImageFormat;
  try {
    format = known ?? (await sniffFormat(opened)) ?? 'raw';
  } catch (error) {
    await opened.close();
    throw error;
  }
  return await openChain(from.files, name, format, opened, signal);
}

function declaredBytes({ machines }: Package, disk: ForeignDisk): number {
  const of = machines.find(({ disks }) => disks.includes(disk));
  return of?.vm.disks[of.disks.indexOf(disk)]?.sizeBytes ?? 0;
}

function empty({ id }: ForeignDisk, sizeBytes: number): Finding {
  if (sizeBytes > 0) {
    return {
      id: 'disk.empty',
      ...info(
        `Disk ${id} has no file: it is made empty, of ${formatBytes(sizeBytes)}.`,
        'Leave it behind with excludeDisks if it is not wanted.',
      ),
    };
  }
  return {
    id: 'disk.no-size',
    ...blocking(
      `Disk ${id} has neither a file nor a size.`,
      'Leave it behind with excludeDisks, or write its capacity in the descriptor.',
    ),
  };
}

function outside({ id }: ForeignDisk, reference: string): Finding {
  return {
    id: 'disk.outside',
    ...blocking(
      `Disk ${id} is ${quoted(reference)}, which is no file beside the descriptor; nothing else is opened.`,
      'Put the file beside the descriptor, and name it there without a path; or leave the disk behind with excludeDisks.',
    ),
  };
}

function unreadable({ id }: ForeignDisk, why: string): Finding {
  return {
    id: 'disk.unreadable',
    ...blocking(
      `Disk ${id} cannot be read: ${why}.`,
      'Put the file there, or leave the disk behind with excludeDisks.',
    ),
  };
}

function sizeDiffers({ id }: ForeignDisk, declared: number, found: number): Finding {
  return {
    id: 'disk.size-differs',
    ...warning(
      `Disk ${id} is of ${declared} bytes by the descriptor and of ${found} by its image; the image counts.`,
      'See whether the files belong together.',
    ),
  };
}

function cutOff({ id, reference }: ForeignDisk, found: number, declared: number): Finding {
  return {
    id: 'disk.cut-off',
    ...blocking(
      `Disk ${id} (${quoted(reference ?? '')}) has ${found} bytes, and the descriptor says ${declared}: it is cut off, or of another export.`,
      'Copy or export it again; waive this finding where you know that the descriptor is wrong.',
    ),
  };
}

function fileDiffers({ id, reference }: ForeignDisk, declared: number, found: number): Finding {
  return {
    id: 'disk.file-size',
    ...warning(
      `The file ${reference} of disk ${id} has ${found} bytes, and ${declared} by the descriptor.`,
      'It may be cut off, or from another export: compare it with where it comes from.',
    ),
  };
}
