import { createHash, randomBytes } from 'node:crypto';
import { lstat, mkdir, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { VmferryError } from '../../../errors.js';
import { cannotWrite } from '../../../file-trouble.js';
import type { PackagePlan } from '../../../model/package.js';
import type { VmDescription } from '../../../model/vm.js';
import type { SideState, TargetVm, WorkInPackage } from '../../platform.js';
import { isConverted, tombstone, undone } from '../../replica/overlays.js';
import { EXIT } from '../../replica/script.js';
import { fileStem, overlayFile, topOf, type Image, type ReplicaDisk } from '../../replica/state.js';
import { contended, superseded, TRIES, type Seen } from '../../replica/store.js';
import { convertImage, noSpace } from './convert.js';
import { exportedVm } from './exported-vm.js';
import { descriptorFile, diskFile, finished, packageName, unfinished } from './layout.js';
import { domainDescriptor } from './libvirt-writer.js';
import { digestFile, writeArchive } from './ova.js';
import { ovfDescriptor, type PackagedFile } from './ovf-writer.js';
import type { FilesTarget } from './tools.js';

/** A package, written where nobody sees it yet. */

/** Lies beside the package: what it is called, and what it was made of. */
const made = z.strictObject({ name: z.string(), print: z.string() });
const MADE = '.made.json';

/** What lies finished in a replica's working folder, or null. */
export async function readMade(folder: string): Promise<z.infer<typeof made> | null> {
  const text = await readFile(join(finished(folder), MADE), 'utf8').catch(() => null);
  return text === null ? null : made.parse(JSON.parse(text));
}

/** See `Packaging.write`. */
export async function writePackage(
  tools: FilesTarget,
  vm: TargetVm,
  sides: SideState,
  plan: PackagePlan,
  work: WorkInPackage,
): Promise<void> {
  const { store } = tools;
  const { migrationId } = vm.owner;
  for (let tries = 0; tries < TRIES; tries++) {
    const seen = await store.mustSee(migrationId, work.signal);
    mustBeVerified(seen, migrationId);
    const images = await imagesOf(tools, seen, migrationId, work.signal);
    const print = printOf([seen.state.whole, vm.name, vm.description, vm.networks, plan, [...images]]);
    if ((await readMade(seen.folder))?.print === print) return await mustBeAlive(tools, seen, migrationId, work.signal);
    await mustBeFree(tools, vm.name, plan);
    const writing = unfinished(seen.folder, randomBytes(8).toString('hex'));
    await begin(tools, seen, migrationId, writing, work.signal);
    try {
      await fill(tools, images, vm, sides, plan, writing, work);
      const text = JSON.stringify({ name: packageName(vm.name, plan), print } satisfies z.infer<typeof made>);
      await writeDurably(join(writing, MADE), text);
    } catch (error) {
      // Taken away by a newer try, or as the cutover was undone: whatever failed then failed for that.
      const gone = (await lstat(writing).catch(() => null)) === null;
      await rm(writing, { recursive: true, force: true });
      if (gone && !work.signal?.aborted)
        throw superseded(store, migrationId, 'its package is written by a newer attempt');
      throw explained(error, writing);
    }
    if (await finish(tools, seen, migrationId, writing, work.signal)) return;
  }
  throw contended(store, migrationId);
}

/** What each disk of the package is made of: the converted guest where it was to be converted, else the replica. */
async function imagesOf(
  { store }: FilesTarget,
  { state }: Seen,
  migrationId: string,
  signal?: AbortSignal,
): Promise<Map<string, Image>> {
  const converted = await isConverted(store, migrationId, 'cutover', signal);
  const imageOf = (disk: ReplicaDisk): Image =>
    converted ? { path: overlayFile(disk, 'cutover'), format: 'qcow2' } : topOf(state, disk).data;
  return new Map(state.disks.map((disk) => [disk.id, imageOf(disk)]));
}

function mustBeVerified({ state }: Seen, migrationId: string): void {
  if (state.whole && state.verifiedPass === state.whole.pass) return;
  const what = state.whole ? `pass ${state.whole.pass} is not verified` : 'no pass is whole';
  throw new VmferryError('Unsafe', `cannot make a package of the replica of ${migrationId}: ${what}`, {
    platform: 'files',
  });
}

function printOf(parts: unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** @throws VmferryError `Conflict` where something has the package's name. */
export async function mustBeFree({ directory }: FilesTarget, vm: string, plan: PackagePlan): Promise<void> {
  const path = join(directory, packageName(vm, plan));
  if (!(await lstat(path).catch(() => null))) return;
  throw new VmferryError('Conflict', `cannot write ${path}: there is a file of that name`, {
    platform: 'files',
    remedy: 'Move it away if nothing needs it, or give the request another targetName.',
  });
}

/** @throws VmferryError `Superseded` where the cutover was undone. */
async function mustBeAlive({ store }: FilesTarget, { folder }: Seen, migrationId: string, signal?: AbortSignal) {
  const steps = [['alive', tombstone(folder, migrationId)]] as const;
  const { exitCode } = await store.transact(migrationId, folder, { seen: null, steps, signal });
  if (exitCode === EXIT.undone) throw undone(store, migrationId);
}

/** Ends what earlier tries write: their folders go, so that they find no place for the next file. */
async function begin(
  { store }: FilesTarget,
  { folder }: Seen,
  migrationId: string,
  writing: string,
  signal?: AbortSignal,
): Promise<void> {
  const steps = [['alive', tombstone(folder, migrationId)], ['abandon'], ['folder', writing]] as const;
  const { exitCode } = await store.transact(migrationId, folder, { seen: null, steps, signal });
  if (exitCode === EXIT.undone) throw undone(store, migrationId);
}

/** False where the replica's state changed meanwhile. */
async function finish(
  { store }: FilesTarget,
  { folder, digest }: Seen,
  migrationId: string,
  writing: string,
  signal?: AbortSignal,
): Promise<boolean> {
  const steps = [
    ['alive', tombstone(folder, migrationId)],
    ['need', writing],
    ['drop-folder', finished(folder)],
    ['move', writing, finished(folder)],
  ] as const;
  const { exitCode } = await store.transact(migrationId, folder, { seen: digest, steps, signal });
  if (exitCode === EXIT.undone) throw undone(store, migrationId);
  if (exitCode === EXIT.missing) throw superseded(store, migrationId, 'a newer attempt writes its package');
  return exitCode === 0;
}

/** Everything of the package, into `writing`. */
async function fill(
  { directory }: FilesTarget,
  images: ReadonlyMap<string, Image>,
  target: TargetVm,
  sides: SideState,
  plan: PackagePlan,
  writing: string,
  work: WorkInPackage,
): Promise<void> {
  const { kind, diskFormat } = plan;
  const exported = exportedVm(target.description, target, plan);
  const name = packageName(target.name, plan);
  const folder = join(writing, kind === 'ova' ? 'parts' : name);
  await mkdir(folder);
  const files: PackagedFile[] = [];
  for (const [index, { id, sizeBytes }] of exported.disks.entries()) {
    const image = images.get(id);
    if (!image) throw new VmferryError('Internal', `cannot write disk ${id}: the replica has no such disk`);
    const file = diskFile(target.name, index, diskFormat);
    const path = join(folder, file);
    const told = (part: number) => work.onProgress(id, part * sizeBytes, sizeBytes);
    await convertImage(image, path, plan, told, work.signal);
    await syncFile(path);
    files.push({ name: file, sizeBytes: (await stat(path)).size });
  }
  if (kind === 'images') return await syncFile(folder);
  const descriptor = descriptorFile(target.name, kind);
  if (kind === 'libvirt-xml') {
    const nvram = exported.firmware === 'uefi' && sides.nvram ? `${fileStem(target.name)}.nvram` : null;
    if (nvram !== null && sides.nvram) await writeDurably(join(folder, nvram), sides.nvram);
    const names = files.map((each) => each.name);
    const text = domainDescriptor(target, exported, join(directory, name), names, nvram);
    await writeDurably(join(folder, descriptor), text);
    return await syncFile(folder);
  }
  await writeOvf(folder, descriptor, exported, target.description.guestOs, files, work);
  if (kind !== 'ova') return await syncFile(folder);
  const members = [descriptor, manifestFile(descriptor), ...files.map((each) => each.name)];
  const total = await sizesOf(folder, members);
  await writeArchive(join(writing, name), folder, members, counted(work, name, total));
  await rm(folder, { recursive: true });
  await syncFile(writing);
}

function manifestFile(descriptor: string): string {
  return descriptor.replace(/\.ovf$/, '.mf');
}

/** Descriptor and manifest, which has the digests of all the others (DSP0243 1.1, 5.1). */
async function writeOvf(
  folder: string,
  descriptor: string,
  vm: VmDescription,
  declaredOs: string | null,
  files: readonly PackagedFile[],
  work: WorkInPackage,
): Promise<void> {
  await writeDurably(join(folder, descriptor), ovfDescriptor({ vm, declaredOs, files }));
  const names = [descriptor, ...files.map(({ name }) => name)];
  const wait = counted(work, manifestFile(descriptor), await sizesOf(folder, names));
  const lines: string[] = [];
  for (const name of names) lines.push(`SHA256(${name})= ${await digestFile(join(folder, name), wait)}\n`);
  await writeDurably(join(folder, manifestFile(descriptor)), lines.join(''));
}

async function sizesOf(folder: string, names: readonly string[]): Promise<number> {
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size));
  return sizes.reduce((sum, each) => sum + each, 0);
}

function counted({ onProgress, signal }: WorkInPackage, name: string, totalBytes: number) {
  let done = 0;
  return { signal, onBytes: (bytes: number) => onProgress(name, (done += bytes), totalBytes) };
}

async function writeDurably(path: string, content: string | Buffer): Promise<void> {
  await writeFile(path, content, { flag: 'wx', flush: true, mode: 0o644 });
}

/** A folder as well. */
async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

function explained(error: unknown, path: string): unknown {
  if (error instanceof VmferryError) return error;
  const code = error instanceof Error && 'code' in error ? error.code : '';
  if (code === 'ENOSPC' || code === 'EDQUOT') return noSpace(path, error);
  if (code === 'ABORT_ERR')
    return new VmferryError('Cancelled', `cannot write ${path}: it was cancelled`, { cause: error });
  return cannotWrite(path, error, 'See the permissions of the directory and the state of its file system.');
}
