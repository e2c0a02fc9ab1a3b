import { chmod, copyFile, mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { VmferryError } from '../../src/errors.js';
import { LocalHost } from '../../src/exec/local.js';
import { exists } from '../debian.js';

/** Builds the guest's only file tree: busybox, the kernel's modules that it needs, QEMU's agent, and our scripts. */

const machine = new LocalHost();

export interface InitramfsParts {
  /** Folder of our scripts and settings. */
  files: string;
  /** Unpacked kernel package. */
  kernel: string;
  /** Unpacked agent package, with libraries that this machine lacks. */
  agent: string;
}

/** Where each of our files belongs in the guest. */
const PLACES: Record<string, string> = {
  init: 'init',
  counter: 'bin/counter',
  sender: 'bin/sender',
  send: 'bin/send',
  churn: 'bin/churn',
  shutdown: 'sbin/shutdown',
  'power-button': 'etc/acpi/PWRF/00000080',
  web: 'etc/init.d/web',
  'index.cgi': 'www/cgi-bin/index.cgi',
  'os-release': 'etc/os-release',
  modules: 'etc/modules',
};

/** Writes a gzipped initramfs to `output`, using `work` as an empty scratch folder. */
export async function buildInitramfs(parts: InitramfsParts, work: string, output: string): Promise<void> {
  const root = join(work, 'root');
  for (const [name, place] of Object.entries(PLACES)) {
    await mkdir(dirname(join(root, place)), { recursive: true });
    await copyFile(join(parts.files, name), join(root, place));
    await chmod(join(root, place), 0o755);
  }
  await mkdir(join(root, 'bin'), { recursive: true });
  await copyFile('/bin/busybox', join(root, 'bin', 'busybox'));
  await symlink('busybox', join(root, 'bin', 'sh'));
  await copyWithLibraries(join(parts.agent, 'usr/sbin/qemu-ga'), 'bin/qemu-ga', parts.agent, root);
  await copyModules(parts, root);
  const pack = 'cd -- "$1" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1 > "$2"';
  await machine.run('sh', ['-c', pack, 'sh', root, output], { timeoutMs: 120_000 });
}

/** Copies a program and every library that it loads (ldd(1)) to the places where it will look for them. */
async function copyWithLibraries(program: string, place: string, unpacked: string, root: string): Promise<void> {
  await copyFile(program, join(root, place));
  await chmod(join(root, place), 0o755);
  const libraries = join(unpacked, 'usr/lib/x86_64-linux-gnu');
  const { stdout } = await machine.run('env', [`LD_LIBRARY_PATH=${libraries}`, 'ldd', program]);
  const missing = /^\s*(\S+) => not found$/m.exec(stdout)?.[1];
  if (missing) {
    throw new VmferryError('ToolFailed', `cannot build the lab's guest: ${basename(program)} needs ${missing}`, {
      remedy: 'Install the package that holds it.',
    });
  }
  for (const [, path] of stdout.matchAll(/(\/\S+) \(0x/g)) {
    if (!path) continue;
    const loader = /\/ld-linux/.test(path);
    const to = join(root, loader ? path : join('lib', basename(path)));
    await mkdir(dirname(to), { recursive: true });
    await copyFile(path, to);
    await chmod(to, 0o755);
  }
}

/** Unpacks modules where they are compressed (Ubuntu's by zstd, Debian's by xz from 13 on): busybox cannot load all of them. */
async function unpackModules(folder: string): Promise<void> {
  const names = await readdir(folder, { recursive: true });
  for (const [suffix, program] of Object.entries({ '.ko.zst': 'zstd', '.ko.xz': 'xz', '.ko.gz': 'gzip' })) {
    if (!names.some((name) => name.endsWith(suffix))) continue;
    const options = program === 'zstd' ? ['-dq', '--rm'] : ['-d'];
    const unpack = 'folder=$1; name=$2; shift 2; find "$folder" -name "$name" -print0 | xargs -0 -- "$@"';
    await machine.run('sh', ['-c', unpack, 'sh', folder, `*${suffix}`, program, ...options], { timeoutMs: 300_000 });
  }
}

/** Copies the modules named in the list, those they depend on, and an index of them. */
async function copyModules(parts: InitramfsParts, root: string): Promise<void> {
  const modules = join(parts.kernel, 'lib/modules');
  // Where /lib is a link to /usr/lib, packages hold the latter; depmod looks for the former.
  if (!(await exists(modules))) {
    await mkdir(dirname(modules), { recursive: true });
    await symlink('../usr/lib/modules', modules);
  }
  const version = (await readdir(modules))[0] ?? '';
  const all = join(modules, version);
  await unpackModules(all);
  await machine.run('busybox', ['depmod', '-b', parts.kernel, version], { timeoutMs: 120_000 });
  const needs = new Map<string, string[]>();
  for (const line of (await readFile(join(all, 'modules.dep'), 'utf8')).split('\n')) {
    const [path, others] = line.split(':');
    if (path) needs.set(path, (others ?? '').trim().split(' ').filter(Boolean));
  }
  const wanted = (await readFile(join(parts.files, 'modules'), 'utf8')).trim().split('\n');
  const chosen = new Set<string>();
  const add = (path: string) => {
    if (chosen.has(path)) return;
    chosen.add(path);
    needs.get(path)?.forEach(add);
  };
  // What is not there as a module is part of the kernel, or not in this flavour of it.
  for (const path of needs.keys()) {
    if (wanted.includes(basename(path).replace(/\.ko.*$/, ''))) add(path);
  }
  const target = join(root, 'lib/modules', version);
  for (const path of chosen) {
    await mkdir(dirname(join(target, path)), { recursive: true });
    await copyFile(join(all, path), join(target, path));
  }
  for (const index of ['modules.builtin', 'modules.order']) {
    if (await exists(join(all, index))) await copyFile(join(all, index), join(target, index));
  }
  await machine.run('busybox', ['depmod', '-b', root, version]);
}
