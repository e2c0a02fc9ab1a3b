import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Host } from '../../src/exec/host.js';
import { LocalHost } from '../../src/exec/local.js';

/** A folder, and a host whose temporary files lie in it: what an appliance leaves is seen, and its processes are found. */
export async function place(t: TestContext): Promise<{ folder: string; host: Host }> {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-appliance-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'tmp'));
  return { folder, host: within(folder, new LocalHost()) };
}

export function within(folder: string, host: Host): Host {
  const env = [`TMPDIR=${join(folder, 'tmp')}`, 'LIBGUESTFS_CACHEDIR=/var/tmp'];
  return {
    name: host.name,
    local: host.local,
    run: (command, args, options) => host.run('env', [...env, command, ...args], options),
    runBinary: (command, args, options) => host.runBinary('env', [...env, command, ...args], options),
    converse: (command, args) => host.converse('env', [...env, command, ...args]),
    forwardSocket: (path, signal) => host.forwardSocket(path, signal),
    close: () => host.close(),
  };
}

/** Processes of appliances whose temporary files lie in `tmp` of the folder. */
async function running(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const [environment, command] = await Promise.all(
      ['environ', 'cmdline'].map((name) => readFile(`/proc/${pid}/${name}`, 'latin1').catch(() => '')),
    );
    if (environment?.includes(`${folder}/tmp`)) found.push(command?.replaceAll('\0', ' ').slice(0, 80) ?? '');
  }
  return found;
}

export async function untilRunning(folder: string, what: (commands: string[]) => boolean): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (what(await running(folder))) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`these run: ${JSON.stringify(await running(folder))}`);
}

export async function nothingLeft(folder: string): Promise<void> {
  await untilRunning(folder, (commands) => commands.length === 0);
}

/** Sockets of appliances of root's on which nobody listens any more. */
export async function deadSockets(): Promise<string[]> {
  const folders = (await readdir('/tmp')).filter((name) => name.startsWith('libguestfs'));
  const found = await Promise.all(
    folders.map(async (name) =>
      (await readdir(`/tmp/${name}`).catch((): string[] => [])).includes('guestfsd.sock') ? [name] : [],
    ),
  );
  const heard = await readFile('/proc/net/unix', 'utf8');
  return found.flat().filter((name) => !heard.includes(`/tmp/${name}/guestfsd.sock`));
}
