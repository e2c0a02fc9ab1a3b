import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { VmferryError } from '../src/errors.js';
import { LocalHost } from '../src/exec/local.js';

/** Debian packages as plain files: unpacked into a folder, never installed. */

const machine = new LocalHost();

/**
 * Unpacks packages, with the libraries they need and this machine lacks, into `directory`, once: a folder that is there is taken as whole, as it is renamed into place.
 * @throws VmferryError `ToolFailed` when apt cannot fetch them.
 */
export async function unpackPackages(names: readonly string[], directory: string): Promise<void> {
  if (await exists(directory)) return;
  await mkdir(dirname(directory), { recursive: true });
  const work = await mkdtemp(`${directory}.`);
  try {
    const packages = join(work, 'packages');
    const files = join(work, 'files');
    await mkdir(packages);
    // apt-get(8) writes to the working directory.
    const fetch = 'cd -- "$1" && shift && exec apt-get -qq download -- "$@"';
    const all = [...names, ...(await missingLibraries(names))];
    await machine.run('sh', ['-c', fetch, 'sh', packages, ...all], { timeoutMs: 300_000 });
    for (const name of await readdir(packages)) {
      await machine.run('dpkg-deb', ['-x', join(packages, name), files], { timeoutMs: 120_000 });
    }
    await rename(files, directory).catch((error: unknown) => {
      if (!isCode(error, 'ENOTEMPTY') && !isCode(error, 'EEXIST')) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function missingLibraries(names: readonly string[]): Promise<string[]> {
  const missing = new Set<string>();
  for (const name of names) {
    for (const needed of await dependencies(name)) {
      if (needed.startsWith('lib') && !(await isInstalled(needed))) missing.add(needed);
    }
  }
  return [...missing];
}

/** The versions that apt would fetch, in the order of `names`. @throws VmferryError `ToolFailed` for an unknown package. */
export async function candidateVersions(names: readonly string[]): Promise<string[]> {
  const { stdout } = await machine.run('apt-cache', ['policy', '--', ...names]);
  const known = new Map(
    [...stdout.matchAll(/^(\S+):\n(?: .*\n)*? +Candidate: (\S+)$/gm)].map(([, name, version]) => [name, version]),
  );
  return names.map((name) => {
    const version = known.get(name);
    if (version && version !== '(none)') return version;
    throw new VmferryError('ToolFailed', `cannot find the package ${name}: apt knows no version of it`, {
      remedy: 'Run `apt-get update`, and look at the sources of apt.',
    });
  });
}

/** Names of the packages that `name` depends on directly, without alternatives and virtual ones; none of one unknown. */
export async function dependencies(name: string): Promise<string[]> {
  const { stdout } = await machine.run('apt-cache', ['depends', '--important', '--', name], { okExitCodes: [0, 100] });
  return [...stdout.matchAll(/^ {2}(?:Pre)?-?Depends: ([a-z0-9.+-]+)$/gm)].map((match) => match[1] ?? '');
}

async function isInstalled(name: string): Promise<boolean> {
  const { stdout } = await machine.run('dpkg-query', ['-W', '-f', '${db:Status-Status}\n', '--', name], {
    okExitCodes: [0, 1],
  });
  return stdout.split('\n').includes('installed');
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: unknown) => {
      if (isCode(error, 'ENOENT')) return false;
      throw error;
    },
  );
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
