import { VmferryError } from '../errors.js';
import type { Host, RunOptions } from './host.js';

/** Small file work at a site, with coreutils only. Paths are absolute. Scripts are constants; paths are arguments. */

type Options = Pick<RunOptions, 'signal' | 'timeoutMs'>;

/** The text of a file, or null where there is none. */
export async function readText(host: Host, path: string, options: Options = {}): Promise<string | null> {
  const script = 'if [ -e "$1" ]; then exec cat -- "$1"; else exit 44; fi';
  const { stdout, exitCode } = await host.run('sh', ['-c', script, 'sh', path], { ...options, okExitCodes: [0, 44] });
  return exitCode === 44 ? null : stdout;
}

/** Into `$t`, whole or not at all: a caller that dies in the middle of writing looks like the end of the text. */
const RECEIVE =
  'set -e; t="$1.$$.tmp"; cat > "$t"; [ "$(wc -c < "$t")" -eq "$2" ] || { rm -f -- "$t"; echo "$1: the text was cut off" >&2; exit 1; }; sync -- "$t"';

function bytesOf(text: string): string {
  return String(Buffer.byteLength(text));
}

/** Replaces a file atomically and durably: written beside, synced, renamed, directory synced. */
export async function writeText(host: Host, path: string, text: string, options: Options = {}): Promise<void> {
  const script = `${RECEIVE}; mv -f -- "$t" "$1"; sync -- "$(dirname -- "$1")"`;
  await host.run('sh', ['-c', script, 'sh', path, bytesOf(text)], { ...options, input: text });
}

/** Creates a file with `text` only where none is: true when created, false when there was one. Atomic and durable. */
export async function createText(host: Host, path: string, text: string, options: Options = {}): Promise<boolean> {
  const script = `${RECEIVE}; if ln -- "$t" "$1" 2>/dev/null; then rm -f -- "$t"; sync -- "$(dirname -- "$1")"; else rm -f -- "$t"; [ -e "$1" ] && exit 44; exit 1; fi`;
  const { exitCode } = await host.run('sh', ['-c', script, 'sh', path, bytesOf(text)], {
    ...options,
    input: text,
    okExitCodes: [0, 44],
  });
  return exitCode === 0;
}

export async function makeDirectory(host: Host, path: string, options: Options = {}): Promise<void> {
  await host.run('mkdir', ['-p', '--', path], options);
}

/** Removes files; those that are not there are no error. */
export async function removeFiles(host: Host, paths: readonly string[], options: Options = {}): Promise<void> {
  if (paths.length > 0) await host.run('rm', ['-f', '--', ...paths], options);
}

/** Removes one directory tree. `mustContain` guards against a wrong path: it has to be part of it. */
export async function removeTree(host: Host, path: string, mustContain: string, options: Options = {}): Promise<void> {
  if (!path.startsWith('/') || !mustContain || !path.includes(mustContain)) {
    throw new VmferryError('Internal', `cannot remove ${path}: it does not look like a folder of ${mustContain}`);
  }
  await host.run('rm', ['-rf', '--', path], options);
}

/** Free bytes for an unprivileged writer in the file system that holds `path`. */
export async function freeBytes(host: Host, path: string, options: Options = {}): Promise<number> {
  const { stdout } = await host.run('stat', ['-f', '-c', '%a %S', '--', path], options);
  const [blocks, size] = stdout.trim().split(' ').map(Number);
  if (blocks === undefined || size === undefined || !Number.isFinite(blocks * size)) {
    throw new VmferryError(
      'ToolFailed',
      `cannot read the free space of ${path} on ${host.name}: stat printed ${JSON.stringify(stdout)}`,
    );
  }
  return blocks * size;
}
