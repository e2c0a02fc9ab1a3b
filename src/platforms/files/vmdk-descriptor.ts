import type { Finding } from '../../model/finding.js';
import { rawDevice } from './foreign-findings.js';
import { hostile, plainText, quoted, wholeNumber } from './foreign-values.js';

/** The text that describes a VMDK (VMware, "Virtual Disk Format 5.0", section "The Descriptor File"). */

/** QEMU reads no more of one (block/vmdk.c, vmdk_read_desc). */
const MAX_CHARACTERS = 1024 * 1024;
const MAX_EXTENTS = 4096;
const MAX_SETTINGS = 1000;
/** 4 PiB, so that sizes in bytes stay exact; VMware's own limit is 62 TiB. */
const MAX_SECTORS = 2 ** 43;
const SECTOR_BYTES = 512;

export interface VmdkExtent {
  access: 'RW' | 'RDONLY' | 'NOACCESS';
  sectors: number;
  /** `FLAT`, `SPARSE`, `ZERO`, `VMFS`, `VMFSSPARSE`, `VMFSRDM`, `VMFSRAW`, `SESPARSE`, or one that is not known. */
  type: string;
  /** As written; null for `ZERO`, which has none. */
  file: string | null;
  /** Where it begins in its file. */
  offsetSectors: number;
}

export interface VmdkDescriptor {
  version: number;
  /** Eight hex digits, which change with the content. */
  cid: string;
  /** The `cid` that the parent has to have; null without a parent. */
  parentCid: string | null;
  createType: string;
  extents: VmdkExtent[];
  parentFileNameHint: string | null;
  adapterType: string | null;
  hardwareVersion: number | null;
  /** That of all extents together. */
  sizeBytes: number;
  encrypted: boolean;
}

/**
 * @param text May end in NULs, with which one inside an image is filled up.
 * @throws VmferryError `HostileInput`, also where QEMU, which looks for words and not for lines, could read it otherwise.
 */
export function parseVmdkDescriptor(text: string, what: string): VmdkDescriptor {
  if (text.length > MAX_CHARACTERS) throw hostile(what, `its descriptor is longer than ${MAX_CHARACTERS} characters`);
  const body = withoutPadding(text);
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f]|\r(?!\n|$)/.test(body)) {
    throw hostile(what, 'its descriptor holds control characters');
  }
  for (const word of ['createType', 'parentCID', 'parentFileNameHint']) {
    if (body.split(word, 3).length > 2) throw hostile(what, `its descriptor names ${word} more than once`);
  }
  const settings = new Map<string, string>();
  const extents: VmdkExtent[] = [];
  for (const [index, line] of body.split('\n').entries()) {
    const words = line.trim();
    if (words === '' || words.startsWith('#')) continue;
    if (/^(RW|RDONLY|NOACCESS)\b/.test(words)) extents.push(extentOf(words, index + 1, what));
    else addSetting(settings, words, index + 1, what);
    if (extents.length > MAX_EXTENTS) throw hostile(what, `it has more than ${MAX_EXTENTS} extents`);
  }
  if (extents.length === 0) throw hostile(what, 'its descriptor has no extents');
  const sectors = extents.reduce((sum, each) => sum + each.sectors, 0);
  if (sectors > MAX_SECTORS) throw hostile(what, `it is larger than ${MAX_SECTORS} sectors`);
  const createType = settings.get('createtype');
  if (!createType) throw hostile(what, 'its descriptor has no createType');
  const hardware = settings.get('ddb.virtualhwversion');
  return {
    version: wholeNumber(settings.get('version') ?? '', 'version', what, 1, 1000),
    cid: contentId(settings.get('cid'), 'CID', what) ?? 'ffffffff',
    parentCid: contentId(settings.get('parentcid') ?? 'ffffffff', 'parentCID', what),
    createType: plainText(createType, 'createType', what),
    extents,
    parentFileNameHint: plainText(settings.get('parentfilenamehint') ?? '', 'parentFileNameHint', what) || null,
    adapterType: plainText(settings.get('ddb.adaptertype') ?? '', 'ddb.adapterType', what) || null,
    hardwareVersion: hardware ? wholeNumber(hardware, 'ddb.virtualHWVersion', what, 0, 2 ** 31) : null,
    sizeBytes: sectors * SECTOR_BYTES,
    encrypted: isEncrypted(settings),
  };
}

function withoutPadding(text: string): string {
  const end = text.indexOf('\0');
  if (end < 0) return text.replace(/^\ufeff/, '');
  let last = text.length;
  while (last > end && text[last - 1] === '\0') last--;
  return text.slice(0, last).replace(/^\ufeff/, '');
}

/** `RW 63 FLAT "disk-flat.vmdk" 0`; what follows the offset describes a device of the host. */
function extentOf(line: string, number: number, what: string): VmdkExtent {
  const parts =
    /^(RW|RDONLY|NOACCESS)[ \t]+(\d+)[ \t]+(\w{1,32})(?:[ \t]+"([^"]*)"(?:[ \t]+(\d+)(?:[ \t].*)?)?)?$/.exec(line);
  if (!parts) throw hostile(what, `line ${number} is no extent: ${quoted(line)}`);
  const [, access, sectors = '', type = '', file, offset] = parts;
  const name = `the extent of line ${number}`;
  if (type === 'FLAT' && offset === undefined) throw hostile(what, `${name} has no offset`);
  if (type !== 'ZERO' && !file) throw hostile(what, `${name} has no file`);
  return {
    access: access === 'RW' || access === 'RDONLY' ? access : 'NOACCESS',
    sectors: wholeNumber(sectors, `the size of ${name}`, what, 1, MAX_SECTORS),
    type,
    file: type === 'ZERO' || file === undefined ? null : plainText(file, `the file of ${name}`, what),
    offsetSectors: wholeNumber(offset ?? '0', `the offset of ${name}`, what, 0, MAX_SECTORS),
  };
}

function addSetting(settings: Map<string, string>, line: string, number: number, what: string): void {
  const equals = line.indexOf('=');
  const key = line.slice(0, Math.max(equals, 0)).trim().toLowerCase();
  const value = line.slice(equals + 1).trim();
  const inside = /^"([^"]*)"$/.exec(value)?.[1] ?? value;
  if (key === '' || inside.includes('"')) throw hostile(what, `line ${number} is no setting: ${quoted(line)}`);
  if (settings.has(key) && settings.get(key) !== inside) throw hostile(what, `it has two values for ${quoted(key)}`);
  settings.set(key, inside);
  if (settings.size > MAX_SETTINGS) throw hostile(what, `its descriptor has more than ${MAX_SETTINGS} settings`);
}

/** Null for `ffffffff`, which means none. */
function contentId(text: string | undefined, name: string, what: string): string | null {
  if (text === undefined || !/^[0-9a-f]{1,8}$/i.test(text)) {
    throw hostile(what, `its ${name} is ${quoted(text ?? '')}, not a number of up to eight hex digits`);
  }
  const id = text.toLowerCase().padStart(8, '0');
  return id === 'ffffffff' ? null : id;
}

/** Workstation keeps the keys in the descriptor, ESXi names the filter that encrypts. */
function isEncrypted(settings: ReadonlyMap<string, string>): boolean {
  const keys = [...settings.keys()].some((key) => /keysafe|encryption/.test(key) && settings.get(key) !== '');
  return keys || /crypt/i.test(settings.get('ddb.iofilters') ?? '');
}

/** Those that QEMU opens (block/vmdk.c, vmdk_open_desc_file), and the two whose descriptor is inside the image. */
const READABLE = [
  ...['monolithicFlat', 'twoGbMaxExtentFlat', 'twoGbMaxExtentSparse', 'vmfs', 'vmfsSparse', 'seSparse'],
  ...['monolithicSparse', 'streamOptimized'],
];
const DEVICES = ['fullDevice', 'partitionedDevice', 'vmfsRaw', 'vmfsRawDeviceMap', 'vmfsPassthroughRawDeviceMap'];
const READABLE_EXTENTS = ['FLAT', 'SPARSE', 'VMFS', 'VMFSSPARSE', 'SESPARSE'];

/** Why the disk cannot be read as it is, or what to look after. `disk` is its name in the messages. */
export function vmdkProblems(descriptor: VmdkDescriptor, disk = 'of this VMDK'): Finding[] {
  const { createType, extents, version } = descriptor;
  const blocking = (id: string, message: string, remedy: string): Finding => ({
    id: `disk.${id}`,
    severity: 'blocking',
    message: `Disk ${disk}: ${message}`,
    remedy: `${remedy} Or leave it behind with excludeDisks.`,
  });
  const convert = 'Convert it at the source (`vmkfstools -i` or `vmware-vdiskmanager -r`).';
  const findings: Finding[] = [];
  const device = DEVICES.includes(createType) || extents.some(isDevice);
  if (device) {
    findings.push(rawDevice(disk, quoted(createType)));
  } else {
    if (!READABLE.includes(createType)) {
      findings.push(blocking('format', `its kind of VMDK (${quoted(createType)}) cannot be read here.`, convert));
    }
    const unknown = extents.find(({ type }) => type !== 'ZERO' && !READABLE_EXTENTS.includes(type));
    if (unknown) findings.push(blocking('format', `extents of the kind ${unknown.type} cannot be read here.`, convert));
  }
  if (version > 3) findings.push(blocking('format', `version ${version} of VMDK cannot be read here.`, convert));
  if (descriptor.encrypted) {
    findings.push(blocking('encrypted', 'it is encrypted.', 'Remove the encryption at the source.'));
  }
  // QEMU takes writable extents with a file, and goes over all others as if they were not there.
  if (extents.some(({ access, type }) => access !== 'RW' || type === 'ZERO')) {
    findings.push(
      blocking('extents', 'parts of it are empty, read-only or hidden, which cannot be read here.', convert),
    );
  }
  if (descriptor.parentCid !== null && descriptor.parentFileNameHint === null) {
    findings.push(blocking('parent', 'it is a layer over another disk, but does not say over which.', convert));
  }
  if (!device && (createType === 'seSparse' || extents.some(({ type }) => type === 'SESPARSE'))) {
    findings.push({
      id: 'disk.se-sparse',
      severity: 'warning',
      message: `Disk ${disk} is a layer of the kind seSparse, which can be read only when its journal is empty.`,
      remedy: 'Shut the VM down in order. If it still cannot be read, delete the snapshots or clone the VM.',
    });
  }
  return findings;
}

function isDevice({ type, file }: VmdkExtent): boolean {
  return ['VMFSRDM', 'VMFSRAW'].includes(type) || /^(\/dev\/|\\\\\.\\)/.test(file ?? '');
}
