import { blocking, type Finding } from '../../model/finding.js';
import type { Compression } from './foreign.js';
import { withoutDot } from './member-name.js';
import { parseEnvelope, type OvfNode } from './ovf-node.js';
import { hostile, plainText, quoted, wholeNumber } from './foreign-values.js';
import { compressionOfDisk } from './compression.js';
import { compressionOf } from './ovf-values.js';

/** What all virtual systems of an envelope share: files, disks, networks, the choice of a configuration. */

/** A file that the envelope names (DSP0243, "References element"); nothing was looked at. */
export interface OvfReference {
  id: string;
  /** Decoded, relative to the envelope or an address. */
  href: string;
  sizeBytes: number | null;
  compression: Compression | null;
  /** Size of the pieces it was cut into, named `<href>.000000000` on. */
  chunkBytes: number | null;
}

export interface OvfSystem {
  node: OvfNode;
  /** The collections that it is in, and the envelope. */
  above: OvfNode[];
}

export interface OvfEnvelope {
  what: string;
  root: OvfNode;
  references: OvfReference[];
  /** By id; also by address, since virt-v2v and oVirt name them so. */
  files: ReadonlyMap<string, OvfReference>;
  /** By id. */
  disks: ReadonlyMap<string, OvfNode>;
  systems: OvfSystem[];
  /** Id of the configuration that is taken (DSP0243, "DeploymentOptionSection"); null where there is no choice. */
  configuration: string | null;
  /** Written by oVirt or RHV, or for them. */
  ovirt: boolean;
  findings: Finding[];
}

const MAX_SYSTEMS = 256;
/** Sections and machines of one collection. */
const MAX_PARTS = 1024;
const MAX_NESTED = 16;
const MAX_FILES = 4096;
const MAX_DISKS = 4096;

/** @throws VmferryError `HostileInput`. */
export function readEnvelope(text: string, what: string): OvfEnvelope {
  const root = parseEnvelope(text, what);
  const findings: Finding[] = [];
  const references = referencesOf(root, what, findings);
  const disks = disksOf(root, what);
  const systems = systemsIn(root, [root], what);
  if (systems.length === 0) throw hostile(what, 'it has no virtual system');
  if (systems.length > MAX_SYSTEMS) throw hostile(what, `it has more than ${MAX_SYSTEMS} virtual systems`);
  return {
    what,
    root,
    references,
    files: new Map([
      ...references.map((each) => [each.href, each] as const),
      ...references.map((each) => [each.id, each] as const),
    ]),
    disks,
    systems,
    configuration: configurationOf(root),
    ovirt: isOvirt(systems, disks),
    findings,
  };
}

function referencesOf(root: OvfNode, what: string, findings: Finding[]): OvfReference[] {
  const byId = new Map<string, OvfReference>();
  const files = root.all('References').flatMap((each) => each.all('File'));
  if (files.length > MAX_FILES) throw hostile(what, `it names more than ${MAX_FILES} files`);
  for (const file of files) {
    const [id, href] = [file.get('id'), file.get('href')];
    if (id === null || href === null) throw hostile(what, 'a file of its references has no id or no address');
    const reference = referenceOf(
      file,
      plainText(id, 'a file id', what),
      plainText(decoded(href), 'an address', what),
      what,
      findings,
    );
    const known = byId.get(id);
    if (known && known.href !== reference.href) throw hostile(what, `two files have the id ${quoted(id)}`);
    byId.set(id, reference);
  }
  return [...byId.values()];
}

/** An address is a URI (DSP0243, "References element"). Tools that write names as they are may have a `%` in them. */
function decoded(href: string): string {
  try {
    return withoutDot(decodeURIComponent(href));
  } catch {
    return withoutDot(href);
  }
}

function referenceOf(file: OvfNode, id: string, href: string, what: string, findings: Finding[]): OvfReference {
  const [size, chunk, packed] = [file.get('size'), file.get('chunkSize'), file.get('compression')];
  const compression = compressionOf(packed);
  if (compression === undefined) {
    findings.push({
      id: 'file.compression',
      ...blocking(
        `The file ${quoted(href)} is compressed in a way that is not known (${quoted(packed ?? '')}).`,
        'Export the machine again without compression.',
      ),
    });
  }
  return {
    id,
    href,
    sizeBytes:
      size === null ? null : wholeNumber(size, `the size of ${quoted(href)}`, what, 0, Number.MAX_SAFE_INTEGER),
    compression: packed === null ? compressionOfDisk(href) : (compression ?? null),
    chunkBytes:
      chunk === null
        ? null
        : wholeNumber(chunk, `the chunk size of ${quoted(href)}`, what, 0, Number.MAX_SAFE_INTEGER) || null,
  };
}

function disksOf(root: OvfNode, what: string): Map<string, OvfNode> {
  const disks = new Map<string, OvfNode>();
  for (const disk of root.all('DiskSection', 'SharedDiskSection').flatMap((each) => each.all('Disk', 'SharedDisk'))) {
    const id = plainText(disk.get('diskId') ?? '', 'a disk id', what);
    if (id === '') throw hostile(what, 'a disk has no id');
    if (disks.has(id)) throw hostile(what, `two disks have the id ${quoted(id)}`);
    disks.set(id, disk);
  }
  if (disks.size > MAX_DISKS) throw hostile(what, `it has more than ${MAX_DISKS} disks`);
  return disks;
}

function systemsIn(node: OvfNode, above: OvfNode[], what: string): OvfSystem[] {
  if (node.children.length > MAX_PARTS || above.length > MAX_NESTED) {
    throw hostile(what, `it has more than ${MAX_PARTS} parts, or collections more than ${MAX_NESTED} deep`);
  }
  return node.children.flatMap((each) => {
    if (each.name === 'VirtualSystem') return [{ node: each, above }];
    return each.name === 'VirtualSystemCollection' ? systemsIn(each, [each, ...above], what) : [];
  });
}

/** The one that is marked as default, else the first (DSP0243, "DeploymentOptionSection"). */
function configurationOf(root: OvfNode): string | null {
  const choices = root.all('DeploymentOptionSection').flatMap((each) => each.all('Configuration'));
  const chosen = choices.find((each) => isTrue(each.get('default'))) ?? choices[0];
  return chosen?.get('id') ?? null;
}

/** oVirt's engine names itself as the type of the system; virt-v2v does so for it. */
function isOvirt(systems: readonly OvfSystem[], disks: ReadonlyMap<string, OvfNode>): boolean {
  const types = systems.map(({ node }) =>
    node.first('VirtualHardwareSection')?.first('System')?.child('VirtualSystemType'),
  );
  if (types.some((type) => /^(engine|rhevm|ovirt|olvm)\b/i.test(type ?? ''))) return true;
  return [...disks.values()].some((disk) => disk.get('volume-format') !== null || disk.get('disk-interface') !== null);
}

export function isTrue(text: string | null | undefined): boolean {
  return text?.toLowerCase() === 'true' || text === '1';
}
