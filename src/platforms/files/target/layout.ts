import { join } from 'node:path';
import type { DiskFormat, PackageKind, PackagePlan } from '../../../model/package.js';
import { fileStem } from '../../replica/state.js';

/**
 * Where things lie at a site of files that is a target. Everything that is not yet the site's own is in one hidden folder,
 * which its readers leave out; a package becomes one by being renamed.
 */
export function hiddenFolder(directory: string): string {
  return join(directory, '.vmferry');
}

/** In the working folder of a replica: a package that is being written, by the try that writes it. */
export function unfinished(folder: string, nonce: string): string {
  return join(folder, `writing-${nonce}`);
}

/** In the working folder of a replica: the whole package. */
export function finished(folder: string): string {
  return join(folder, 'package');
}

/** What the package is called among its neighbours: a file, or a folder. */
export function packageName(name: string, { kind }: PackagePlan): string {
  return kind === 'ova' ? `${name}.ova` : name;
}

const ENDINGS: Record<DiskFormat, string> = {
  ...{ qcow2: 'qcow2', raw: 'raw', qcow: 'qcow', vmdk: 'vmdk', vpc: 'vhd', vhdx: 'vhdx', vdi: 'vdi' },
};

/** A disk's file, from 0. Nothing in it means anything to a shell, a URL or a descriptor. */
export function diskFile(name: string, index: number, format: DiskFormat): string {
  return `${fileStem(name)}-disk${index + 1}.${ENDINGS[format]}`;
}

const DESCRIPTORS: Record<Exclude<PackageKind, 'images'>, string> = { ova: 'ovf', ovf: 'ovf', 'libvirt-xml': 'xml' };

export function descriptorFile(name: string, kind: Exclude<PackageKind, 'images'>): string {
  return `${fileStem(name)}.${DESCRIPTORS[kind]}`;
}
