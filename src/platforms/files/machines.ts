import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { posix } from 'node:path';
import { VmferryError } from '../../errors.js';
import { compressionOfName } from './compression.js';
import { decoded, openHttpFolder } from './http-folder.js';
import type { FilesConnection } from './connect.js';
import type { ForeignVm } from './foreign.js';
import { openLocalFolder } from './local-folder.js';
import type { Folder, LeftOut } from './member.js';
import { removeLeft } from './own-files.js';
import { openPackage, packageKindOf, type Package, type PackageMachines } from './package.js';

/** The machines of a site by name: each package in its folder, by its file's name. */

/** One of a package's machines; closing it closes the package. */
export interface Machine {
  /** As it is called at the site. */
  name: string;
  from: Package;
  foreign: ForeignVm;
}

/** Opens the folder of a site, and tells the one file where the site is one. What a killed process left is removed first. */
export async function openRoot(at: FilesConnection): Promise<{ root: Folder; only: string | null }> {
  for (const dir of new Set([tmpdir(), at.scratch.dir])) await removeLeft(dir);
  const { url, path, user, passwordFile, redirectHosts } = at.config;
  if (url === undefined) {
    // A directory may be called like a file.
    const found = await stat(path!).catch(() => null);
    const isFile = found === null ? packageKindOf(path!) !== null : !found.isDirectory();
    const folder = isFile ? posix.dirname(path!) : path!;
    return { root: await openLocalFolder(folder), only: isFile ? posix.basename(path!) : null };
  }
  const login = user !== undefined && passwordFile !== undefined ? { user, passwordFile } : null;
  const access = { login, redirectHosts };
  const { address, last } = addressOf(url);
  if (packageKindOf(last) === null || address.pathname.endsWith('/')) {
    return { root: openHttpFolder(url, access), only: null };
  }
  return { root: openHttpFolder(new URL('.', address).href, access), only: last };
}

/** An address, and the last name in it. @throws VmferryError `InvalidConfig` for what is not asked for as it stands. */
function addressOf(url: string): { address: URL; last: string } {
  const address = URL.canParse(url) ? new URL(url) : null;
  const last = address && decoded(posix.basename(address.pathname));
  const why =
    address === null
      ? 'it is no address'
      : address.username || address.password
        ? 'it holds a login, which would be seen by others; give user and passwordFile to a site of vmferry.yaml'
        : address.search || address.hash
          ? 'it has a query, which is not sent; download the file, or serve it under a plain address'
          : last === null
            ? 'a % in it is followed by no two digits of a character; write a % itself as %25'
            : null;
  if (address && last !== null && why === null) return { address, last };
  const shown = address ? `${address.origin}${address.pathname}` : 'that address';
  throw new VmferryError('InvalidConfig', `cannot read ${shown}: ${why}`, { platform: 'files' });
}

/** The files that packages are found by, each with the name that its machine has at the site. */
export async function packagesOf(
  root: Folder,
  only: string | null,
  signal?: AbortSignal,
): Promise<Map<string, string>> {
  const all = only === null ? await root.list(signal) : [only];
  const described = all.filter((path) => !['image', null].includes(packageKindOf(path)));
  // What lies beside a descriptor is taken for its disk; an image alone in a folder is a machine of its own.
  const taken = new Set(described.filter((path) => packageKindOf(path) !== 'ova').map((path) => posix.dirname(path)));
  const images = all.filter((path) => packageKindOf(path) === 'image');
  const known = new Set(images);
  const alone = images.filter((path) => !taken.has(posix.dirname(path)) && !pieceOf(path, known));
  const paths = [...described, ...alone].sort();
  const names = new Map<string, string>();
  const uses = new Map<string, number>();
  for (const name of paths.flatMap(namesOf)) uses.set(name, (uses.get(name) ?? 0) + 1);
  for (const path of paths) {
    const free = namesOf(path).find((name) => uses.get(name) === 1);
    names.set(free ?? path.replaceAll('/', ':'), path);
  }
  return names;
}

/** What lies there as a machine does, and is not opened. Names are as they can be printed. */
export async function leftOutOf(root: Folder, only: string | null, signal?: AbortSignal): Promise<LeftOut[]> {
  const leftOut = only === null ? ((await root.leftOut?.(signal)) ?? []) : [];
  if (leftOut.length === 0) return [];
  // What lies beside a descriptor is said where that names it.
  const taken = new Set((await root.list(signal)).filter(describes).map((path) => posix.dirname(path)));
  return leftOut
    .filter(({ name }) => {
      const kind = packageKindOf(name);
      return name.endsWith('/') || (kind !== null && (kind !== 'image' || !taken.has(posix.dirname(name))));
    })
    .map(({ name, why }) => ({ name: /^[\w ./-]+$/.test(name) ? name : JSON.stringify(name), why }));
}

function describes(path: string): boolean {
  return !['image', 'ova', null].includes(packageKindOf(path));
}

/** `a.ova (it is a link), …` */
export function shownLeftOut(leftOut: readonly LeftOut[]): string {
  return leftOut
    .slice(0, 20)
    .map(({ name, why }) => `${name} (${why})`)
    .join(', ');
}

/** Whether an image is a part of another: the extents of a VMDK, or what it was before a snapshot. */
function pieceOf(path: string, images: ReadonlySet<string>): boolean {
  const base = path.replace(
    /-(flat|delta|sesparse|rdm|rdmp|ctk|[sf]\d{3}|\d{6}(-delta|-sesparse|-s\d{3})?)\.vmdk$/i,
    '.vmdk',
  );
  return base !== path && images.has(base);
}

/** What a package may be called: `web01`, `web01.ova`, `export:web01.ova`. */
function namesOf(path: string): string[] {
  const file = posix.basename(path);
  const plain = compressionOfName(file) ? file.replace(/\.[^.]*$/, '') : file;
  return [...new Set([plain.replace(/\.[^.]*$/, ''), file, path.replaceAll('/', ':')])];
}

/**
 * The machines of a package by their names in it; a second one of a name is `name#2`. One that has none is called as the file.
 */
export function machinesIn(from: PackageMachines): Map<string, ForeignVm> {
  const machines = new Map<string, ForeignVm>();
  for (const machine of from.machines) {
    const name = machine.vm.name || namesOf(from.path)[0]!;
    let free = name;
    for (let nth = 2; machines.has(free); nth++) free = `${name}#${nth}`;
    machines.set(free, machine);
  }
  return machines;
}

/** What its machines are called at the site: as the package, and each of several `package:machine`. */
export function namesAtSite(from: PackageMachines, name: string): string[] {
  const within = [...machinesIn(from).keys()];
  return within.length === 1 ? [name] : within.map((each) => `${name}:${each}`);
}

/** @throws VmferryError `NotFound`, naming the machines that exist. */
export async function openMachine(
  at: FilesConnection,
  root: Folder,
  only: string | null,
  vm: string,
  signal?: AbortSignal,
): Promise<Machine> {
  const names = await packagesOf(root, only, signal);
  // `appliance:web` is one of several in a package.
  const name = names.has(vm) ? vm : [...names.keys()].find((each) => vm.startsWith(`${each}:`));
  if (name === undefined) throw unknown(at, vm, [...names.keys()], await leftOutOf(root, only, signal));
  const from = await openPackage(root, names.get(name)!, at.scratch, signal);
  const index = namesAtSite(from, name).indexOf(vm);
  const foreign = from.machines[index];
  if (foreign) return { name: vm, from, foreign };
  await from.close();
  throw unknown(at, vm, namesAtSite(from, name));
}

function unknown(at: FilesConnection, vm: string, known: string[], leftOut: LeftOut[] = []): VmferryError {
  const meant = leftOut.find(({ name }) => name === vm || namesOf(name).includes(vm));
  if (meant) {
    return new VmferryError('HostileInput', `cannot open ${meant.name} at ${at.site}: ${meant.why}`, {
      platform: 'files',
      remedy: 'Put the file itself there, under a plain name.',
    });
  }
  const besides = leftOut.length === 0 ? '' : ` Left out: ${shownLeftOut(leftOut)}.`;
  return new VmferryError('NotFound', `there is no VM "${vm}" at ${at.site}`, {
    platform: 'files',
    remedy: `VMs there: ${known.slice(0, 50).join(', ') || 'none'}.${besides}`,
  });
}

/** What a package leaves open and a target needs, made from the machine's place, so that it is the same each time. */
export function madeUuid(at: FilesConnection, { from, foreign }: Machine): string {
  const hex = createHash('sha256').update(`uuid\0${at.address}\0${from.path}\0${foreign.vm.name}`).digest('hex');
  // RFC 9562, version 8: of our own making.
  const variant = '89ab'[parseInt(hex[16]!, 16) % 4]!;
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    variant + hex.slice(17, 20),
    hex.slice(20, 32),
  ].join('-');
}

/** In QEMU's range, 52:54:00. */
export function madeMac(at: FilesConnection, { from, foreign }: Machine, nth: number): string {
  const hex = createHash('sha256').update(`mac\0${at.address}\0${from.path}\0${foreign.vm.name}\0${nth}`).digest('hex');
  return `52:54:00:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}`;
}
