import { randomBytes, createHash } from 'node:crypto';
import { readdir, readFile, readlink, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

/**
 * Files that are of use only while the process that made them lives. Their names tell it, so that what one left that was killed
 * is told from what is in use, also by workers on other hosts and in containers that share the directory.
 */

const PREFIX = 'vmferry-files-';
/** Short, as sockets lie in such directories, whose paths have 107 bytes at most (unix(7)). */
const NAME =
  /^vmferry-files-([0-9a-f]{6})-([0-9a-f]{6})-([0-9a-z]{1,12})-([0-9a-z]{1,7})-([0-9a-z]{1,12})-[0-9a-f]{6}$/;

/** A path in `dir` that nobody else uses. */
export async function ownPath(dir: string): Promise<string> {
  const { host, boot, pids } = await place();
  const marks = [
    host,
    boot,
    pids,
    process.pid.toString(36),
    await startOf(process.pid),
    randomBytes(3).toString('hex'),
  ];
  return join(dir, PREFIX + marks.join('-'));
}

/**
 * Removes what processes of this host left in `dir` that are gone: those from before its last start, and those that this
 * process could see. What others made is left alone, and a directory that cannot be read is none of ours.
 */
export async function removeLeft(dir: string): Promise<void> {
  const names = (await readdir(dir).catch(() => [])).filter((name) => name.startsWith(PREFIX));
  if (names.length === 0) return;
  const here = await place();
  for (const name of names) {
    const [, host, boot, pids, pid, start] = NAME.exec(name) ?? [];
    if (host !== here.host) continue;
    const gone = boot !== here.boot || (pids === here.pids && (await startOf(parseInt(pid!, 36))) !== start);
    if (gone) await rm(join(dir, name), { recursive: true, force: true });
  }
}

/** Host, its present boot (random(4)), and the process numbers that count here (pid_namespaces(7)). */
async function place(): Promise<{ host: string; boot: string; pids: string }> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  const pids = await readlink('/proc/self/ns/pid').catch(() => '');
  return {
    host: createHash('sha256').update(hostname()).digest('hex').slice(0, 6),
    boot: createHash('sha256').update(boot).digest('hex').slice(0, 6),
    pids: Number(/\d+/.exec(pids)?.[0] ?? 0).toString(36),
  };
}

/** When a process was started, in ticks since boot (proc(5), field 22 of stat); `0` where there is none. */
async function startOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? 0).toString(36);
}
