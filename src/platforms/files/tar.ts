import { safeName } from './member-name.js';
import type { RandomAccess } from './random-access.js';
import type { PaxRecords, TarHeader } from './tar-header.js';
import { BLOCK_BYTES, hostileTar, isZero, parsePax, parseTarHeader, paxSize, tarText } from './tar-header.js';

/** What lies where in a tar archive, such as an OVA. Data is never read, only the headers between. */

export interface TarMember {
  name: string;
  /** Of its data within the archive. */
  offsetBytes: number;
  sizeBytes: number;
}

/** A header with what the extensions before it say. */
interface Entry {
  name: string;
  sizeBytes: number;
  type: string;
}

const MAX_MEMBERS = 10_000;
/** With folders, and with up to three headers of extensions before each. */
const MAX_HEADERS = 4 * MAX_MEMBERS;
const MAX_EXTENSION_BYTES = 1024 * 1024;
const READ_AHEAD_BYTES = 32 * 1024;
/** VirtualBox (7.2.22 does so) ends an archive with its last member; what it makes is known by this owner. */
const WITHOUT_END = /^vboxovf\d\d$/;

/** What is in no way content of its own, for messages. */
const REFUSED: Record<string, string> = {
  '1': 'a hard link',
  '2': 'a symbolic link',
  '3': 'a device',
  '4': 'a device',
  '6': 'a fifo',
  S: 'a sparse file, with a map of its holes',
};

/** All of `tarMembers`. */
export async function readTarIndex(...args: Parameters<typeof tarMembers>): Promise<TarMember[]> {
  const members: TarMember[] = [];
  for await (const each of tarMembers(...args)) members.push(each);
  return members;
}

/**
 * The regular files of an archive, in their order; folders are left out, and a `./` before a name is taken off. Reads
 * v7, ustar, pax and GNU. An archive is refused as a whole for anything in it that a reader could take in two ways, and
 * where no mark ends it, except for VirtualBox's, which have none: of those, a missing member is missed by its descriptor.
 * @param whole is asked of an archive of others that ends right behind a member, and without a mark: whether these are all.
 * @throws VmferryError `HostileInput`, naming the byte and where possible the member.
 */
export async function* tarMembers(
  archive: RandomAccess,
  signal?: AbortSignal,
  whole?: (members: readonly TarMember[]) => Promise<boolean>,
): AsyncGenerator<TarMember, void, undefined> {
  const bytes = readAhead(archive, signal);
  const members = new Map<string, TarMember>();
  const extensions = new Extensions();
  let at = 0;
  let endsSo = false;
  for (let headers = 0; ; headers++) {
    // What fills up the last block may be missing, too.
    if (at >= archive.sizeBytes && at > 0 && extensions.empty) {
      if ((endsSo && at === archive.sizeBytes) || (await whole?.([...members.values()]))) return;
    }
    const where = `${archive.name} at byte ${at}`;
    if (headers >= MAX_HEADERS) throw hostileTar(where, `it has more than ${MAX_HEADERS} headers`);
    const block = await bytes(at, BLOCK_BYTES);
    if (isZero(block)) {
      await checkEnd(bytes, archive, at);
      if (!extensions.empty) throw hostileTar(where, 'a header of extensions has no member');
      return;
    }
    const header = parseTarHeader(block, where);
    const data = at + BLOCK_BYTES;
    if (extensions.takes(header.type)) {
      if (header.sizeBytes > MAX_EXTENSION_BYTES) {
        throw hostileTar(where, `a header of extensions has more than ${MAX_EXTENSION_BYTES} bytes`);
      }
      extensions.add(header.type, await bytes(data, header.sizeBytes), where);
      at = nextBlock(data + header.sizeBytes);
      continue;
    }
    endsSo = WITHOUT_END.test(header.owner);
    const member = extensions.applyTo(header, where);
    if (data + member.sizeBytes > archive.sizeBytes) {
      throw hostileTar(where, `the data of ${shown(member.name)} goes beyond its end at byte ${archive.sizeBytes}`);
    }
    const name = fileName(member, where);
    if (name !== null) {
      if (members.has(name)) throw hostileTar(where, `there are two files ${shown(name)}`);
      if (members.size >= MAX_MEMBERS) throw hostileTar(where, `it has more than ${MAX_MEMBERS} files`);
      const found = { name, offsetBytes: data, sizeBytes: member.sizeBytes };
      members.set(name, found);
      yield found;
    }
    at = nextBlock(data + member.sizeBytes);
  }
}

/** The name of a regular file, or null for a folder. */
function fileName({ name, sizeBytes, type }: Entry, where: string): string | null {
  // Before ustar, a folder was a file whose name ends so.
  const folder = type === '5' || (type === '0' && name.endsWith('/'));
  if (!folder && type !== '0' && type !== '7') {
    const what = REFUSED[type] ?? `a member of the unknown kind ${JSON.stringify(type)}`;
    throw hostileTar(where, `${shown(name)} is ${what}`);
  }
  const bare = name.replace(/^\.\//, '').replace(/\/$/, '');
  const root = folder && (bare === '' || bare === '.') && !name.startsWith('/');
  if (!root && !safeName(bare)) throw hostileTar(where, `${shown(name)} is no name that is allowed`);
  if (folder && sizeBytes > 0) throw hostileTar(where, `the folder ${shown(name)} has data`);
  return folder ? null : bare;
}

/** What the next member gets from the headers before it: GNU's `L` and `K`, and `x` and `g` of pax. */
class Extensions {
  #name: string | null = null;
  #own: PaxRecords | null = null;
  #link = false;

  get empty(): boolean {
    return this.#name === null && this.#own === null && !this.#link;
  }

  takes(type: string): boolean {
    return ['L', 'K', 'x', 'g'].includes(type);
  }

  add(type: string, bytes: Buffer, where: string): void {
    const again = { L: this.#name !== null, K: this.#link, x: this.#own !== null }[type] ?? false;
    if (again) throw hostileTar(where, `a second header of extensions "${type}" for one member`);
    if (type === 'L') this.#name = tarText(bytes, where);
    // Where a link goes does not matter, since links are refused.
    if (type === 'K') this.#link = true;
    if (type === 'x') this.#own = parsePax(bytes, where);
    if (type === 'g') checkGlobal(parsePax(bytes, where), where);
  }

  applyTo(header: TarHeader, where: string): Entry {
    const path = this.#own?.get('path');
    const name = path ?? this.#name ?? tarText(header.nameBytes, where);
    if (path !== undefined && this.#name !== null && path !== this.#name) {
      throw hostileTar(where, `a member has two names, ${shown(path)} and ${shown(this.#name)}`);
    }
    if (name.includes('\0')) throw hostileTar(where, `${shown(name)} is no name that is allowed`);
    if (sparse(this.#own)) {
      throw hostileTar(where, `${shown(this.#own?.get('GNU.sparse.name') ?? name)} is ${REFUSED['S']}`);
    }
    const size = this.#own?.get('size');
    this.#name = null;
    this.#own = null;
    this.#link = false;
    return { name, type: header.type, sizeBytes: size === undefined ? header.sizeBytes : paxSize(size, where) };
  }
}

/** Of what holds for all members, nothing may say which these are. */
function checkGlobal(records: PaxRecords, where: string): void {
  if (records.has('path') || records.has('size') || sparse(records)) {
    throw hostileTar(where, 'it gives all its files one name, one size or one map of holes');
  }
}

/** The forms 0.0 to 1.0 of GNU tar (its manual, "Storing Sparse Files"), and the one of star(5). */
function sparse(records: PaxRecords | null): boolean {
  return [...(records?.keys() ?? [])].some((each) => each.startsWith('GNU.sparse.') || each === 'SCHILY.realsize');
}

type ReadBytes = (at: number, lengthBytes: number) => Promise<Buffer>;

/** Reads some more than asked for, so that small members that follow each other are one read. */
function readAhead(archive: RandomAccess, signal: AbortSignal | undefined): ReadBytes {
  let start = 0;
  let held: Buffer = Buffer.alloc(0);
  return async (at, lengthBytes) => {
    signal?.throwIfAborted();
    if (at + lengthBytes > archive.sizeBytes) {
      throw hostileTar(`${archive.name} at byte ${at}`, `it is cut off: it ends at byte ${archive.sizeBytes}`);
    }
    if (at < start || at + lengthBytes > start + held.length) {
      const wanted = Math.max(lengthBytes, READ_AHEAD_BYTES);
      held = await archive.read(at, Math.min(wanted, archive.sizeBytes - at), signal);
      start = at;
    }
    return held.subarray(at - start, at - start + lengthBytes);
  };
}

/**
 * Two blocks of zeroes end an archive; one at the very end does as well. A single one with something behind it is
 * where readers part: most end there, some go on.
 */
async function checkEnd(bytes: ReadBytes, archive: RandomAccess, at: number): Promise<void> {
  const second = at + BLOCK_BYTES;
  if (second + BLOCK_BYTES > archive.sizeBytes) return;
  if (!isZero(await bytes(second, BLOCK_BYTES))) {
    throw hostileTar(`${archive.name} at byte ${at}`, 'a single block of zeroes has something behind it');
  }
}

function nextBlock(at: number): number {
  return Math.ceil(at / BLOCK_BYTES) * BLOCK_BYTES;
}

function shown(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);
}
