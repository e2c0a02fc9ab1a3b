import { posix } from 'node:path';
import { VmferryError } from '../../errors.js';
import type { ImageFormat } from './foreign.js';
import { imageFormatOf } from './bare-image.js';
import type { ImageHeader } from './image-header.js';
import { inspectImage, sniffFormat } from './image.js';
import { safeName } from './member-name.js';
import type { Folder, Member } from './member.js';

/** A disk is an image and all that it stands on, each read and checked by us before a tool opens any. */
export interface ImageLayer {
  /** In the package's folder. */
  name: string;
  format: ImageFormat;
  header: ImageHeader;
  member: Member;
  /** Files with the content of a VMDK that is only a text (`twoGbMaxExtent…`, `monolithicFlat`), in its order. */
  extents: Member[];
  /** Of these, the headers of those that are sparse. */
  extentHeaders: ImageHeader[];
}

/** From the top, which holds what was written last, to the bottom. */
export interface ImageChain {
  layers: ImageLayer[];
  close(): Promise<void>;
}

/** More than any chain of snapshots has. */
const MOST_LAYERS = 64;

/**
 * Opens and checks an image of a package with everything that it refers to.
 * @param packed gives the image itself where it is not simply a file of the folder (unpacked, for instance).
 * @throws VmferryError `HostileInput` where it refers to anything but files of the package, or is not what it claims;
 * `NotFound` where a file is missing; `NotSupported`.
 */
export async function openChain(
  files: Folder,
  name: string,
  format: ImageFormat,
  packed: Member | null = null,
  signal?: AbortSignal,
): Promise<ImageChain> {
  const layers: ImageLayer[] = [];
  const close = async () => {
    for (const { member, extents } of layers) for (const each of [member, ...extents]) await each.close();
  };
  try {
    let next: { name: string; format: ImageFormat } | null = { name, format };
    while (next) {
      if (layers.length === MOST_LAYERS || layers.some((layer) => layer.name === next!.name)) {
        throw refused(files, name, `its backing files go round in a circle, or are more than ${MOST_LAYERS}`);
      }
      const member: Member = layers.length === 0 && packed ? packed : await opened(files, next.name, signal);
      const layer: ImageLayer = { ...next, header: null as never, member, extents: [], extentHeaders: [] };
      layers.push(layer);
      layer.header = await inspectImage(member, next.format, signal);
      next = await beneath(files, layer, signal);
    }
    return { layers, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The files that an image refers to, by their names in the package's folder: its parents, and the parts of a VMDK. */
export function referredFiles({ layers }: ImageChain): string[] {
  return layers.flatMap(({ name, header }, nth) => [
    ...(nth > 0 ? [name] : []),
    ...(header.vmdk?.parts ?? []).map(({ file }) => beside(name, file)),
  ]);
}

/** Opens a layer's extents; returns what it stands on. Differences that QEMU cannot read have a finding, and no base. */
async function beneath(
  files: Folder,
  layer: ImageLayer,
  signal?: AbortSignal,
): Promise<{ name: string; format: ImageFormat } | null> {
  const { references } = layer.header;
  for (const { kind, name } of references) {
    if (kind === 'data-file') {
      throw refused(files, layer.name, `its data lie in another file (${JSON.stringify(name)})`);
    }
  }
  for (const extent of references.filter(({ kind }) => kind === 'extent')) {
    const member = await opened(files, referenced(files, layer.name, extent.name), signal);
    layer.extents.push(member);
    if (extent.format !== 'vmdk') continue;
    // A sparse file can be a descriptor itself, and name others (QEMU, block/vmdk.c).
    const header = await inspectImage(member, 'vmdk', signal);
    if (header.references.length > 0) {
      throw refused(files, layer.name, `its part ${JSON.stringify(extent.name)} refers to other files itself`);
    }
    layer.extentHeaders.push(header);
    const findings = header.findings.filter(({ id }) => id !== 'disk.kind-not-read');
    layer.header = { ...layer.header, findings: [...layer.header.findings, ...findings] };
  }
  if (layer.extents.length > 0) assertWithin(files, layer);
  const bases = references.filter(({ kind }) => kind === 'backing' || (kind === 'parent' && layer.format === 'vmdk'));
  if (bases.length > 1) throw refused(files, layer.name, 'it names several parents');
  const [base] = bases;
  if (!base) return null;
  const name = referenced(files, layer.name, base.name);
  return { name, format: await baseFormat(files, layer, name, base.format, signal) };
}

/** QEMU reads what lies beyond the end of a part as zeroes, and the same part as often as it is named. */
function assertWithin(files: Folder, { name, header, extents }: ImageLayer): void {
  const taken = new Map<string, { from: number; to: number }[]>();
  for (const [nth, { type, sectors, offsetSectors, file }] of (header.vmdk?.parts ?? []).entries()) {
    const sparse = type.endsWith('SPARSE');
    const [from, to] = [offsetSectors * 512, (offsetSectors + sectors) * 512];
    const sizeBytes = extents[nth]?.sizeBytes ?? 0;
    if (!sparse && to > sizeBytes) {
      throw refused(files, name, `its part ${JSON.stringify(file)} has ${sizeBytes} bytes, and ${to} are needed`);
    }
    const others = taken.get(file) ?? [];
    if (others.some((other) => sparse || (from < other.to && other.from < to))) {
      throw refused(files, name, `its part ${JSON.stringify(file)} stands for two places of the disk`);
    }
    taken.set(file, [...others, { from, to }]);
  }
}

/** As the image says. What only the content could tell is refused. */
async function baseFormat(
  files: Folder,
  layer: ImageLayer,
  name: string,
  declared: string | null,
  signal?: AbortSignal,
): Promise<ImageFormat> {
  const known = declared === null ? (imageFormatOf(name) ?? null) : declared;
  if (known === 'raw' || known === 'qcow2' || known === 'qcow' || known === 'vmdk') return known;
  const member = await opened(files, name, signal);
  const seen = await sniffFormat(member).finally(() => member.close());
  throw refused(
    files,
    layer.name,
    `it does not say of which format its backing file ${name} is${seen ? ` (it looks like ${seen})` : ''}`,
    `Say it: qemu-img rebase -u -f ${layer.format} -b ${name} -F ${seen ?? 'raw'} ${layer.name}`,
  );
}

function referenced(files: Folder, from: string, name: string): string {
  if (safeName(name)) return beside(from, name);
  throw refused(files, from, `it refers to ${JSON.stringify(name)}, which is not a plain name in its own folder`);
}

function beside(from: string, name: string): string {
  const under = posix.dirname(from);
  return under === '.' ? name : `${under}/${name}`;
}

async function opened(files: Folder, name: string, signal?: AbortSignal): Promise<Member> {
  const member = await files.open(name, signal);
  if (member) return member;
  throw new VmferryError('NotFound', `cannot open ${files.name}/${name}: there is no such file`, {
    platform: 'files',
    remedy: 'The disk is not whole without it; put it there, or leave the disk behind with excludeDisks.',
  });
}

function refused(files: Folder, name: string, why: string, remedy?: string): VmferryError {
  return new VmferryError('HostileInput', `cannot read ${files.name}/${name}: ${why}`, {
    platform: 'files',
    remedy: remedy ?? 'Only files beside the image itself are opened; export the machine again, or flatten the image.',
  });
}
