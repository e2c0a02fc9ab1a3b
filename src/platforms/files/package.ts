import { VmferryError } from '../../errors.js';
import { openArchive } from './archive-folder.js';
import { bareMachine, imageFormatOf } from './bare-image.js';
import { compressionOf, compressionOfName, unpackedStart } from './compression.js';
import { parseDomainXml } from './domain-xml.js';
import type { Compression, ForeignVm } from './foreign.js';
import { readSmall, type Folder, type Member } from './member.js';
import { parseOvf } from './ovf.js';
import { fromBuffer, type RandomAccess } from './random-access.js';
import { tarMembers, type TarMember } from './tar.js';
import { unpackedMember, type Scratch } from './unpacked.js';
import { parseVbox } from './vbox.js';
import { textOf } from './text.js';
import { vmwareMachine } from './vmware.js';

/** More than any descriptor needs. */
const MOST_DESCRIPTOR_BYTES = 4 * 1024 * 1024;
/** Of an archive, in which a manifest may come before the descriptor. */
const START_BYTES = 2 * MOST_DESCRIPTOR_BYTES;

export type PackageKind = 'ova' | 'ovf' | 'vmx' | 'vbox' | 'domain-xml' | 'image';

/** One exported set of machines, as it lies there: what describes them, and the folder that their files are in. */
export interface Package {
  /** The file that it was found by, in the site's folder: `web01.ova`, `web01/web01.ovf`. */
  path: string;
  kind: PackageKind;
  machines: ForeignVm[];
  /** Where the names in the descriptor are looked up. */
  files: Folder;
  /** Names of the descriptor and of what belongs to it beside disks, in `files`. */
  descriptor: string | null;
  close(): Promise<void>;
}

/** What kind of package a file is by its name; null for what is none. */
export function packageKindOf(path: string): PackageKind | null {
  const plain = compressionOfName(path) ? path.replace(/\.[^.]*$/, '') : path;
  if (/\.(ova|tar)$/i.test(plain) || /\.(tgz|tbz2|txz)$/i.test(path)) return 'ova';
  const name = path.toLowerCase();
  if (name.endsWith('.ovf')) return 'ovf';
  if (name.endsWith('.vmx')) return 'vmx';
  if (name.endsWith('.vbox')) return 'vbox';
  if (name.endsWith('.xml')) return 'domain-xml';
  return imageFormatOf(path) === undefined ? null : 'image';
}

/**
 * Opens the package that a file of the folder is, or begins.
 * @throws VmferryError `NotFound`, `NotSupported` (no such kind of file), `HostileInput`.
 */
export async function openPackage(
  root: Folder,
  path: string,
  scratch: Scratch,
  signal?: AbortSignal,
): Promise<Package> {
  const kind = packageKindOf(path);
  if (kind === null) {
    throw new VmferryError('NotSupported', `cannot read ${path}: its name is of no kind that is known here`, {
      platform: 'files',
      remedy:
        'Known are .ovf, .vmx, .vbox, .xml (of libvirt); and, also compressed (.gz, .bz2, .xz, .zst), .ova and the images .vmdk, .vhd, .vhdx, .vdi, .qcow2, .qcow, .raw, .img.',
    });
  }
  if (kind === 'ova') return await openOva(root, path, scratch, signal);
  const within = folderOf(root, path);
  const name = path.slice(path.lastIndexOf('/') + 1);
  const common = { path, kind, files: within, close: () => Promise.resolve() };
  if (kind === 'image') {
    return { ...common, machines: [await bareMachine(within, name, signal)], descriptor: null };
  }
  const text = await readText(within, name, signal);
  return { ...common, machines: await described(kind, text, within, name, signal), descriptor: name };
}

async function described(
  kind: Exclude<PackageKind, 'ova' | 'image'>,
  text: string,
  files: Folder,
  name: string,
  signal?: AbortSignal,
): Promise<ForeignVm[]> {
  const what = `${files.name}/${name}`;
  if (kind === 'ovf') return parseOvf(text, what).vms;
  if (kind === 'vmx') return [await vmwareMachine(files, name, text, signal)];
  if (kind === 'vbox') return [parseVbox(text, what)];
  const domain = parseDomainXml(text, what);
  if (domain) return [domain];
  throw new VmferryError('NotSupported', `cannot read ${what}: it is not libvirt's XML of a domain`, {
    platform: 'files',
    remedy: 'Write it with `virsh dumpxml NAME --inactive`.',
  });
}

/** The first .ovf of the archive describes it (DSP0243, section 5.3). */
async function openOva(root: Folder, path: string, scratch: Scratch, signal?: AbortSignal): Promise<Package> {
  const packed = await opened(root, path, signal);
  const how = compressionOfName(path);
  const archive = how ? await unpackedMember(packed, how, scratch, 0, signal) : packed;
  try {
    const looks = how === null ? await compressionOf(archive, signal) : null;
    if (looks !== null) throw compressed(archive.name, looks);
    const files = await openArchive(archive, signal);
    const names = (await files.list()).filter(isDescriptor);
    if (names.length !== 1) {
      const why = names.length === 0 ? 'there is no .ovf in it' : `there are ${names.length} .ovf in it`;
      throw new VmferryError('HostileInput', `cannot read ${archive.name}: ${why}`, {
        platform: 'files',
        remedy: 'Export the machine again; an OVA is a tar archive with one .ovf and its disks.',
      });
    }
    const descriptor = names[0]!;
    const within = folderOf(files, descriptor);
    const name = descriptor.slice(descriptor.lastIndexOf('/') + 1);
    const { vms } = parseOvf(await readText(within, name, signal), `${archive.name}/${descriptor}`);
    const close = () => archive.close();
    return { path, kind: 'ova', machines: vms, files: within, descriptor: name, close };
  } catch (error) {
    await archive.close();
    throw error;
  }
}

/** What an inventory needs of a package. */
export type PackageMachines = Pick<Package, 'path' | 'machines'>;

/** macOS's tar puts a file `._NAME` before each, with what its file system knows of it. */
function isDescriptor(name: string): boolean {
  return /\.ovf$/i.test(name) && !/(^|\/)\._[^/]*$/.test(name);
}

/**
 * The machines of a package, as it describes them. Of a compressed archive no more is unpacked than what begins it, where
 * the descriptor is there (DSP0243, section 5.3: it comes first); whether the rest is whole shows when it is opened.
 * @throws as `openPackage`.
 */
export async function machinesOf(
  root: Folder,
  path: string,
  scratch: Scratch,
  signal?: AbortSignal,
): Promise<PackageMachines> {
  const how = packageKindOf(path) === 'ova' ? compressionOfName(path) : null;
  const machines = how && (await machinesAtStart(root, path, how, signal));
  if (machines) return { path, machines };
  const from = await openPackage(root, path, scratch, signal);
  await from.close();
  return from;
}

async function machinesAtStart(
  root: Folder,
  path: string,
  how: Compression,
  signal?: AbortSignal,
): Promise<ForeignVm[] | null> {
  const packed = await opened(root, path, signal);
  try {
    const bytes = await unpackedStart(packed, how, START_BYTES, signal);
    const descriptor = await descriptorIn(fromBuffer(bytes, packed.name));
    if (descriptor === null) return null;
    const { name, offsetBytes, sizeBytes } = descriptor;
    const text = textOf(bytes.subarray(offsetBytes, offsetBytes + sizeBytes));
    return parseOvf(text, `${packed.name}/${name}`).vms;
  } finally {
    await packed.close();
  }
}

/** Null where it is not in this beginning of an archive. */
async function descriptorIn(start: RandomAccess): Promise<TarMember | null> {
  try {
    for await (const member of tarMembers(start)) if (isDescriptor(member.name)) return member;
  } catch (error) {
    if (!(error instanceof VmferryError)) throw error;
  }
  return null;
}

/** What a file is, is never guessed; but what it looks like is said. */
function compressed(name: string, how: Compression): VmferryError {
  const ending = { gzip: '.gz', bzip2: '.bz2', xz: '.xz', zstd: '.zst' }[how];
  return new VmferryError('HostileInput', `cannot read ${name}: it is no tar archive, but compressed by ${how}`, {
    platform: 'files',
    remedy: `Unpack it, or call it ${name.slice(name.lastIndexOf('/') + 1)}${ending} if that is what it is to be.`,
  });
}

async function readText(files: Folder, name: string, signal?: AbortSignal): Promise<string> {
  const member = await opened(files, name, signal);
  try {
    return textOf(await readSmall(member, MOST_DESCRIPTOR_BYTES, signal));
  } finally {
    await member.close();
  }
}

async function opened(files: Folder, name: string, signal?: AbortSignal): Promise<Member> {
  const member = await files.open(name, signal);
  if (member) return member;
  throw new VmferryError('NotFound', `cannot open ${files.name}/${name}: there is no such file`, { platform: 'files' });
}

/** The folder that a file lies in: names in a descriptor are relative to it, and lead nowhere above it. */
export function folderOf(root: Folder, path: string): Folder {
  const under = path.slice(0, path.lastIndexOf('/') + 1);
  if (under === '') return { ...root, close: () => Promise.resolve() };
  return {
    name: `${root.name}/${under.slice(0, -1)}`,
    list: async (signal) =>
      (await root.list(signal)).filter((each) => each.startsWith(under)).map((each) => each.slice(under.length)),
    names: (within, signal) => root.names(under + within, signal),
    open: (name, signal) => root.open(under + name, signal),
    close: () => Promise.resolve(),
  };
}
