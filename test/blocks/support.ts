import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { Manifest, manifestFileBytes, openNbd, type NbdDevice, type NbdOptions } from '../../src/blocks/index.js';
import { VmferryError, type ErrorCode } from '../../src/errors.js';
import { MemoryDisk } from './memory-disk.js';

export const run = promisify(execFile);
export const MIB = 1024 * 1024;
export const LEAF = 65_536;

/** A folder of the test's own, removed after it. */
export async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'vmferry-blocks-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A server started in the background, ended after the test. */
export interface Server {
  socketPath: string;
  pid: number;
  /** Ends it and waits until it is gone. */
  end(signal?: NodeJS.Signals): Promise<void>;
}

let serial = 0;

async function serve(
  t: TestContext,
  dir: string,
  command: (socketPath: string, pidFile: string) => string[],
): Promise<Server> {
  const base = join(dir, `s${++serial}`);
  const [socketPath, pidFile] = [`${base}.sock`, `${base}.pid`];
  const [program = '', ...args] = command(socketPath, pidFile);
  await run(program, args);
  const pid = await readPid(pidFile);
  const end = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    if (!alive(pid)) return;
    process.kill(pid, signal);
    for (let waited = 0; alive(pid); waited += 10) {
      if (waited === 3_000) process.kill(pid, 'SIGKILL');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  t.after(() => end('SIGKILL'));
  return { socketPath, pid, end };
}

/** Whether a process runs: one that has ended and was not yet waited for does not. */
function alive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** nbdkit writes it after its parent has returned. */
async function readPid(file: string): Promise<number> {
  for (let tries = 0; ; tries++) {
    const text = await readFile(file, 'utf8').catch(() => '');
    if (text.endsWith('\n')) return Number(text);
    assert.ok(tries < 500, `${file} did not come`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** `qemu-nbd` over an image, until the test ends. */
export function qemuNbd(t: TestContext, dir: string, image: string, ...args: string[]): Promise<Server> {
  const shared = ['--fork', '--persistent', '--shared=8'];
  return serve(t, dir, (socket, pid) => ['qemu-nbd', ...shared, '-k', socket, '--pid-file', pid, ...args, image]);
}

/** `nbdkit` with a plugin and its parameters, until the test ends. */
export function nbdkit(t: TestContext, dir: string, ...args: string[]): Promise<Server> {
  return serve(t, dir, (socket, pid) => ['nbdkit', '-U', socket, '-P', pid, ...args]);
}

export async function device(t: TestContext, server: Server, options: Partial<NbdOptions> = {}): Promise<NbdDevice> {
  const opened = await openNbd({ socketPath: server.socketPath, ...options });
  t.after(() => opened.close());
  return opened;
}

export async function createImage(
  dir: string,
  name: string,
  format: 'qcow2' | 'raw',
  sizeBytes: number,
): Promise<string> {
  const path = join(dir, name);
  await run('qemu-img', ['create', '-q', '-f', format, path, String(sizeBytes)]);
  return path;
}

export interface EmptyReplica {
  image: string;
  manifestFile: string;
  replica: NbdDevice;
  store: NbdDevice;
  manifest: Manifest;
  /** Ends both servers. */
  end: () => Promise<void>;
}

/** An empty replica with its manifest, both exported by qemu-nbd as in real life. */
export async function emptyReplica(
  t: TestContext,
  dir: string,
  sizeBytes: number,
  format: 'qcow2' | 'raw' = 'qcow2',
): Promise<EmptyReplica> {
  const image = await createImage(dir, `replica${++serial}.${format}`, format, sizeBytes);
  const manifestFile = await createImage(dir, `manifest${serial}`, 'raw', manifestFileBytes(sizeBytes));
  const servers = [
    await qemuNbd(t, dir, image, '-f', format),
    await qemuNbd(t, dir, manifestFile, '-f', 'raw'),
  ] as const;
  const [replica, store] = [await device(t, servers[0]), await device(t, servers[1])];
  const end = async (): Promise<void> => {
    await Promise.all([replica.close(), store.close()]);
    await Promise.all(servers.map((server) => server.end()));
  };
  return { image, manifestFile, replica, store, manifest: new Manifest(store, sizeBytes), end };
}

/** A manifest in memory. */
export function memoryManifest(diskSizeBytes: number): Manifest {
  return new Manifest(new MemoryDisk(manifestFileBytes(diskSizeBytes)), diskSizeBytes);
}

/** Bytes that look random and are the same for the same seed (xorshift32). */
export function noise(bytes: number, seed: number): Buffer {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  let x = (seed * 2_654_435_761) >>> 0 || 1;
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = x;
  }
  return Buffer.from(words.buffer, 0, bytes);
}

export async function readAll(disk: {
  sizeBytes: number;
  read(at: number, into: Buffer): Promise<void>;
}): Promise<Buffer> {
  const bytes = Buffer.alloc(disk.sizeBytes);
  for (let at = 0; at < bytes.length; at += MIB)
    await disk.read(at, bytes.subarray(at, Math.min(at + MIB, bytes.length)));
  return bytes;
}

/** `promise` fails as a VmferryError of that code, with a message that matches. */
export async function failsAs(
  promise: Promise<unknown>,
  code: ErrorCode,
  message: RegExp = /./,
): Promise<VmferryError> {
  const error = await promise.then(
    () => assert.fail(`it should have failed as ${code}`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof VmferryError, `not a VmferryError: ${String(error)}`);
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  return error;
}
