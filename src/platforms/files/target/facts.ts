import { access, constants, readdir } from 'node:fs/promises';
import { VmferryError } from '../../../errors.js';
import { freeBytes } from '../../../exec/files.js';
import { whyFile } from '../../../file-trouble.js';
import type { AskedStorage, TargetFacts } from '../../../model/target.js';
import { limitsOf } from './limits.js';
import { mustBeDirectory, type FilesTarget } from './tools.js';

/** What a directory is to machines that come to it: a place with room. Of a host that would run them there is nothing. */
export async function targetFacts(
  tools: FilesTarget,
  asked: readonly (string | null)[],
  signal?: AbortSignal,
): Promise<TargetFacts> {
  const own = await askedStorage(tools, null, signal);
  const others = [...new Set(asked)].filter((each) => each !== null);
  return {
    networks: [],
    storages: 'path' in own ? [{ name: own.name, path: own.path, freeBytes: own.freeBytes }] : [],
    askedStorages: [own, ...(await Promise.all(others.map((each) => askedStorage(tools, each, signal))))],
    vms: (await namesIn(tools.directory)).map((name) => ({ name, uuid: '', macs: [] })),
    cpus: 0,
    cpuModels: null,
    memoryBytes: 0,
    freeMemoryBytes: 0,
    firmware: { bios: true, uefi: true, secureBoot: true },
    tpm: true,
    accelerator: 'tcg',
    limits: limitsOf({ kind: 'ova', diskFormat: 'vmdk' }),
  };
}

/** Room in the directory, or why nothing can be written there. */
export async function askedStorage(
  { at, directory, store }: FilesTarget,
  asked: string | null,
  signal?: AbortSignal,
): Promise<AskedStorage> {
  const name = asked ?? directory;
  try {
    await store.options.storageDir(asked, signal);
    await mustBeDirectory(at, directory);
    await access(directory, constants.W_OK | constants.X_OK);
    return { asked, name, path: directory, freeBytes: await freeBytes(store.options.host, directory, { signal }) };
  } catch (error) {
    signal?.throwIfAborted();
    return { asked, name, problem: error instanceof VmferryError ? error.message : whyFile(error) };
  }
}

/** What a package may not be called: what is there, with and without its ending. */
async function namesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory).catch((): string[] => []);
  return [
    ...new Set(entries.filter((each) => !each.startsWith('.')).flatMap((each) => [each, each.replace(/\.ova$/i, '')])),
  ];
}
