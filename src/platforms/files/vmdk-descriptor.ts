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
  /** That of all extents together. */
  sizeBytes: number;
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
  return {
    version: wholeNumber(settings.get('version') ?? '', 'version', what, 1, 1000),
    cid: contentId(settings.get('cid'), 'CID', what) ?? 'ffffffff',
    parentCid: contentId(settings.get('parentcid') ?? 'ffffffff', 'parentCID', what),
    createType: plainText(createType, 'createType', what),
    extents,
    parentFileNameHint: plainText(settings.get('parentfilenamehint') ?? '', 'parentFileNameHint', what) || null,
    sizeBytes: sectors * SECTOR_BYTES,
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
export function isEncrypted(text: string): boolean {
  const keys = /^[ \t]*[\w.]{0,64}(keysafe|encryption)[\w.]{0,64}[ \t]*=[ \t]*(?!""[ \t\r]*$)\S/im;
  return keys.test(text) || /^[ \t]*ddb\.iofilters[ \t]*=[^\n]{0,512}crypt/im.test(text);
}
