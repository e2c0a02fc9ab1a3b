import type { XmlElement } from '../xml.js';
import type { Compression, ForeignVm } from './foreign.js';
import { hostile, plainText, quoted } from './foreign-values.js';
import { describeSystem } from './ovf-system.js';
import { attribute, children, envelope, kindOf, numberOf, sections, unitBytes } from './ovf-xml.js';

/**
 * OVF envelopes (DMTF DSP0243 1.0 to 2.1, and 0.9 before them) as VMware, VirtualBox, oVirt, Citrix, Oracle, Microsoft and
 * virt-v2v write them. Nothing but the text is looked at.
 */
export interface OvfReference {
  id: string;
  href: string;
  sizeBytes: number | null;
  compression: Compression | null;
  chunkBytes: number | null;
}

export interface OvfDisk {
  id: string;
  reference: OvfReference | null;
  sizeBytes: number | null;
  /** A URI, which each maker writes in its own way. */
  format: string | null;
  /** oVirt: `COW` or `RAW`, which counts more than the URI. */
  volumeFormat: string | null;
  interface: string | null;
  parent: boolean;
}

export interface OvfPackage {
  references: OvfReference[];
  disks: Map<string, OvfDisk>;
  /** Configuration of the deployment that is the default; null where there is no choice. */
  configuration: string | null;
  /** Parts of the envelope that have to be understood, and are not. */
  strange: string[];
  encrypted: boolean;
}

const MOST_ENTRIES = 10_000;
const COMPRESSIONS: Record<string, Compression> = { gzip: 'gzip', bzip2: 'bzip2', xz: 'xz', zstd: 'zstd' };

/** Sections that mean something here, or can be left out without a loss. */
const KNOWN = new Set([
  ...['References', 'DiskSection', 'NetworkSection', 'VirtualSystem', 'VirtualSystemCollection', 'Strings'],
  ...['DeploymentOptionSection', 'SharedDiskSection', 'EncryptionSection', 'EulaSection', 'AnnotationSection'],
  ...['ProductSection', 'Info', 'Name', 'PlacementGroupSection', 'ScaleOutSection', 'StartupSection'],
  ...['ResourceAllocationSection', 'InstallSection', 'EnvironmentFilesSection', 'BootDeviceSection'],
  ...['OperatingSystemSection', 'VirtualHardwareSection', 'PlacementSection'],
]);

/** @param what how the file is called in messages. @throws VmferryError `HostileInput`. */
export function parseOvf(text: string, what: string): { vms: ForeignVm[]; references: OvfReference[] } {
  const root = envelope(text, what);
  const references = referencesOf(root, what);
  const systems = systemsOf(root);
  if (systems.length === 0) throw hostile(what, 'there is no machine in it');
  if (systems.length > 1000) throw hostile(what, `it has ${systems.length} machines`);
  const found: OvfPackage = {
    references,
    disks: disksOf(root, references, what),
    configuration: defaultConfiguration(root),
    strange: strangeSections([root, ...systems]),
    encrypted: sections(root, 'EncryptionSection').length > 0,
  };
  return { vms: systems.map((system) => describeSystem(system, found, what)), references };
}

function referencesOf(root: XmlElement, what: string): OvfReference[] {
  const files = children(root, 'References').flatMap((each) => children(each, 'File'));
  if (files.length > MOST_ENTRIES) throw hostile(what, `it names ${files.length} files`);
  const seen = new Set<string>();
  return files.map((file) => {
    const href = plainText(attribute(file, 'href') ?? '', 'the name of a file', what);
    const id = attribute(file, 'id') ?? href;
    if (href === '') throw hostile(what, `the file ${quoted(id)} has no name`);
    if (seen.has(id)) throw hostile(what, `two files have the id ${quoted(id)}`);
    seen.add(id);
    const how = attribute(file, 'compression')?.toLowerCase() ?? '';
    if (how !== '' && how !== 'identity' && !Object.hasOwn(COMPRESSIONS, how)) {
      throw hostile(what, `the file ${quoted(href)} is compressed with ${quoted(how)}, which is not known`);
    }
    return {
      id,
      href,
      sizeBytes: numberOf(attribute(file, 'size')),
      compression: Object.hasOwn(COMPRESSIONS, how) ? COMPRESSIONS[how]! : null,
      chunkBytes: numberOf(attribute(file, 'chunkSize')),
    };
  });
}

function disksOf(root: XmlElement, references: readonly OvfReference[], what: string): Map<string, OvfDisk> {
  const elements = ['DiskSection', 'SharedDiskSection'].flatMap((kind) =>
    sections(root, kind).flatMap((each) => children(each).filter(({ name }) => /(^|:)(Shared)?Disk$/.test(name))),
  );
  if (elements.length > MOST_ENTRIES) throw hostile(what, `it names ${elements.length} disks`);
  const disks = new Map<string, OvfDisk>();
  for (const element of elements) {
    const id = attribute(element, 'diskId') ?? '';
    if (id === '' || disks.has(id)) throw hostile(what, `a disk has no id, or that of another (${quoted(id)})`);
    const fileRef = attribute(element, 'fileRef') ?? '';
    const reference = fileRef === '' ? null : references.find((each) => each.id === fileRef || each.href === fileRef);
    // oVirt names the file by its own path alone, where it lists none.
    if (reference === undefined && references.length > 0) {
      throw hostile(what, `the disk ${quoted(id)} is in a file ${quoted(fileRef)} that is not listed`);
    }
    disks.set(id, {
      id,
      reference: reference === undefined ? unlisted(fileRef, what) : reference,
      sizeBytes: capacityOf(root, element),
      format: attribute(element, 'format'),
      volumeFormat: attribute(element, 'volume-format'),
      interface: attribute(element, 'disk-interface'),
      parent: (attribute(element, 'parentRef') ?? '') !== '',
    });
  }
  return disks;
}

function unlisted(href: string, what: string): OvfReference {
  return {
    id: href,
    href: plainText(href, 'the name of a file', what),
    sizeBytes: null,
    compression: null,
    chunkBytes: null,
  };
}

/** A number of units, or a property's name, whose default counts; oVirt writes GiB as `size`. */
function capacityOf(root: XmlElement, disk: XmlElement): number | null {
  const given = attribute(disk, 'capacity');
  if (given === null) {
    const gib = numberOf(attribute(disk, 'size'));
    return gib === null ? null : gib * 2 ** 30;
  }
  const [, property] = /^\$\{(.+)\}$/.exec(given.trim()) ?? [];
  const number = numberOf(property === undefined ? given.trim() : propertyDefault(root, property));
  const unit = unitBytes(attribute(disk, 'capacityAllocationUnits'), 1);
  const bytes = number === null || unit === null ? null : number * unit;
  return bytes !== null && Number.isSafeInteger(bytes) ? bytes : null;
}

function propertyDefault(root: XmlElement, key: string): string | null {
  const all = [root, ...systemsOf(root)].flatMap((each) => sections(each, 'ProductSection'));
  for (const property of all.flatMap((each) => children(each, 'Property'))) {
    if (attribute(property, 'key') === key) return attribute(property, 'value');
  }
  return null;
}

/** Machines in the order of the file, those of collections, too. */
function systemsOf(of: XmlElement): XmlElement[] {
  return of.all().flatMap((each) => {
    const kind = kindOf(each);
    if (kind === 'VirtualSystem') return [each];
    return kind === 'VirtualSystemCollection' ? systemsOf(each) : [];
  });
}

/** The one that is marked as the default, else the first (DSP0243, section 9.8). */
function defaultConfiguration(root: XmlElement): string | null {
  const all = sections(root, 'DeploymentOptionSection').flatMap((each) => children(each, 'Configuration'));
  const chosen = all.find((each) => attribute(each, 'default') === 'true') ?? all[0];
  return chosen ? attribute(chosen, 'id') : null;
}

/** A section that is not understood is a loss unless it says otherwise (DSP0243, section 7.1). */
function strangeSections(places: readonly XmlElement[]): string[] {
  const names = places.flatMap((place) =>
    place
      .all()
      .filter((each) => /Section$/.test(kindOf(each)) && !KNOWN.has(kindOf(each)))
      .filter((each) => attribute(each, 'required') !== 'false')
      .map((each) => each.name),
  );
  return [...new Set(names)];
}
