import { VmferryError } from '../../errors.js';
import { info, warning, type Finding } from '../../model/finding.js';
import { listed } from './foreign-values.js';
import type { Package } from './package.js';

/**
 * Which files are the manifests of an OVF package. DSP0243, section 5.1, calls it as the descriptor, with `.mf`; people and
 * tools call it otherwise, and whatever it is called, a package that differs from it is not to be trusted.
 */

export interface ManifestFiles {
  /** The package is held against each. */
  used: string[];
  /** Such as lie beside a descriptor, and belong to none that lies there. */
  unused: string[];
}

const NONE: ManifestFiles = { used: [], unused: [] };

/** @throws VmferryError `Unreachable`, and others of the folder. */
export async function manifestFiles(from: Package, signal?: AbortSignal): Promise<ManifestFiles> {
  if ((from.kind !== 'ova' && from.kind !== 'ovf') || from.descriptor === null) return NONE;
  const { descriptor } = from;
  const names = await beside(from, signal);
  if (names === null) return { used: await probed(from, descriptor, signal), unused: [] };
  // macOS's tar puts a file `._NAME` before each.
  const manifests = names.filter((each) => /\.mf$/i.test(each) && !each.startsWith('._'));
  // An archive holds one package alone.
  if (from.kind === 'ova') return { used: manifests, unused: [] };
  const others = names.filter((each) => /\.ovf$/i.test(each));
  return {
    used: manifests.filter((each) => isOf(descriptor, each)),
    unused: manifests.filter((each) => !others.some((other) => isOf(other, each))),
  };
}

/** Null where a server does not show what else it has. */
async function beside(from: Package, signal?: AbortSignal): Promise<string[] | null> {
  try {
    return await from.files.names('', signal);
  } catch (error) {
    const hidden = error instanceof VmferryError && ['NotSupported', 'NotFound', 'Denied'].includes(error.code);
    if (hidden) return null;
    throw error;
  }
}

async function probed(from: Package, descriptor: string, signal?: AbortSignal): Promise<string[]> {
  const found: string[] = [];
  for (const name of [named(descriptor), `${descriptor}.mf`, named(descriptor, '.MF'), named(descriptor, '.Mf')]) {
    const member = await from.files.open(name, signal);
    await member?.close();
    if (member) found.push(name);
  }
  return found;
}

function named(descriptor: string, end = '.mf'): string {
  return descriptor.replace(/\.ovf$/i, '') + end;
}

/** `web.mf` and `web.ovf.mf` are of `web.ovf`, in whatever case. */
function isOf(descriptor: string, manifest: string): boolean {
  const name = manifest.toLowerCase();
  return [named(descriptor), `${descriptor}.mf`].some((each) => each.toLowerCase() === name);
}

/** What is to be said of a package's manifests, before anything is compared. */
export async function manifestFindings(from: Package, signal?: AbortSignal): Promise<Finding[]> {
  if ((from.kind !== 'ova' && from.kind !== 'ovf') || from.descriptor === null) return [];
  const { used, unused } = await manifestFiles(from, signal);
  const wanted = named(from.descriptor);
  const odd = used.filter((each) => each.toLowerCase() !== wanted.toLowerCase());
  return [
    ...(used.length === 0 ? [missing()] : []),
    ...(odd.length > 0 ? [misnamed(odd, wanted)] : []),
    ...(unused.length > 0 ? [notUsed(unused, wanted)] : []),
  ];
}

function missing(): Finding {
  return {
    id: 'manifest.missing',
    ...info(
      'The package has no manifest: nothing shows whether its files are those that were exported.',
      'Compare their sizes and digests with where they come from, or export with a manifest.',
    ),
  };
}

function misnamed(names: readonly string[], wanted: string): Finding {
  return {
    id: 'manifest.name',
    ...warning(
      `The manifest is called ${listed(names)} and not ${listed([wanted])}; the package is held against it all the same.`,
      'See whether it is of this package. Other tools do not look at it.',
    ),
  };
}

function notUsed(names: readonly string[], wanted: string): Finding {
  return {
    id: 'manifest.unused',
    ...warning(
      `Nothing is held against ${listed(names)}: no descriptor that lies there is called so.`,
      `If it is the manifest of this package, call it ${wanted}.`,
    ),
  };
}
