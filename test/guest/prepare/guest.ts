import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { LocalHost } from '../../../src/exec/local.js';
import type { GuestAccess } from '../../../src/guest/prepare/script.js';

/**
 * A guest as a folder: our scripts run in it by a real shell, with real tools but for the programs that a test puts into its
 * `bin`, which say to the file `log` what they were asked. Leaves out: an agent, root's own rights, all else of a machine.
 */
export interface FolderGuest extends GuestAccess {
  root: string;
  /** A program, first in the path. `$ROOT` is the guest's root folder. */
  program(name: string, body: string): Promise<void>;
  write(path: string, text: string, mode?: number): Promise<void>;
  read(path: string): Promise<string | null>;
  log(): Promise<string[]>;
}

/** The shells that guests have; busybox takes its own tools before those in the path. */
export const SHELLS = [['/bin/sh'], ['/usr/bin/busybox', 'sh']] as const;

/** The tools of this machine that a guest has, too: nothing else of it may be found. */
const TOOLS = [
  ...[
    'awk',
    'basename',
    'cat',
    'chmod',
    'cut',
    'df',
    'du',
    'find',
    'ln',
    'readlink',
    'grep',
    'mkdir',
    'mv',
    'rm',
    'sed',
  ],
  ...['setsid', 'sh', 'sleep', 'sync', 'tail', 'timeout', 'touch', 'tr'],
];

const machine = new LocalHost();

export async function folderGuest(t: TestContext, shell: readonly string[] = SHELLS[0]): Promise<FolderGuest> {
  const root = await mkdtemp(join(tmpdir(), "vmferry 'guest' -"));
  t.after(() => rm(root, { recursive: true, force: true }));
  for (const folder of ['run', 'tmp', 'var/tmp', 'var/cache', 'boot', 'bin'])
    await mkdir(join(root, folder), { recursive: true });
  await mkdir(join(root, 'tools'));
  for (const tool of TOOLS)
    await symlink((await machine.run('which', [tool])).stdout.trim(), join(root, 'tools', tool));
  const write = async (path: string, text: string, mode = 0o644) => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
    await chmod(join(root, path), mode);
  };
  return {
    root,
    migrationId: '0123456789ab',
    exec: async ([, ...args], { timeoutMs }) => {
      const env = [`PATH=${root}/bin:${root}/tools`, `ROOT=${root}`];
      const okExitCodes = Array.from({ length: 256 }, (_, code) => code);
      return await machine.run('env', [...env, ...shell, ...args], { timeoutMs, okExitCodes });
    },
    write,
    program: (name, body) => write(`bin/${name}`, `#!/bin/sh\necho "\${0##*/} $*" >>"$ROOT/log"\n${body}\n`, 0o755),
    read: (path) => readFile(join(root, path), 'utf8').catch(() => null),
    log: async () => (await readFile(join(root, 'log'), 'utf8').catch(() => '')).split('\n').filter(Boolean),
  };
}
