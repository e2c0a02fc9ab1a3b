import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { openNbd } from '../../../src/blocks/index.js';
import type { BlockStore } from '../../../src/blocks/block-device.js';
import { LocalHost } from '../../../src/exec/local.js';
import type { OpenReplica, ReplicaSpec } from '../../../src/platforms/platform.js';
import { removeReplica } from '../../../src/platforms/replica/remove.js';
import { ReplicaStore } from '../../../src/platforms/replica/store.js';

/** For tests of replicas: a store on this machine, with no hypervisor. */

export const MiB = 1024 * 1024;
export const ID = '0123456789ab';
export const OWNER = { migrationId: ID, workflowId: 'migrate web01', cluster: 'localhost:7233', namespace: 'default' };
export const host = new LocalHost();

export interface Bench {
  directory: string;
  store: ReplicaStore;
  spec: ReplicaSpec;
}

export async function bench(t: TestContext, format: 'qcow2' | 'raw' = 'qcow2'): Promise<Bench> {
  const directory = await mkdtemp(join(tmpdir(), 'vmferry-store-'));
  const store = storeIn(directory);
  const disk = { sizeBytes: 8 * MiB, format, storage: null };
  const spec: ReplicaSpec = {
    owner: OWNER,
    targetName: `web '01"`,
    disks: ['vda', 'vdb'].map((id) => ({ id, ...disk })),
  };
  t.after(async () => {
    await removeReplica(store, ID).catch(() => undefined);
    await rm(directory, { recursive: true, force: true });
  });
  return { directory, store, spec };
}

export function storeIn(directory: string): ReplicaStore {
  return new ReplicaStore({
    host,
    platform: 'libvirt',
    storageDir: (storage) => Promise.resolve(storage ?? directory),
    runtimeDir: join(directory, 'run'),
    openStore: openNbd,
    registry: join(directory, 'run', 'storages'),
  });
}

export const at = (replica: OpenReplica, index: number) => replica.disks[index]!;

export async function read(store: BlockStore, offsetBytes: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  await store.read(offsetBytes, buffer);
  return buffer;
}

/** One pass that writes `data` at `offsetBytes` of every disk, with a mark in the manifest. */
export async function pass(store: ReplicaStore, number: number, offsetBytes: number, data: Buffer): Promise<void> {
  const replica = await store.open(ID, number, 1);
  try {
    await replica.notePoint(`vmferry-${ID}-${number}`);
    for (const disk of replica.disks) {
      await disk.data.write(offsetBytes, data);
      await disk.manifest.write(0, Buffer.alloc(32, number));
    }
    await replica.noteMarked(`vmferry-${ID}-${number}`);
    await replica.seal({ pass: number, checkpoint: `vmferry-${ID}-${number}`, result: { bytes: data.length } });
  } finally {
    await replica.close();
  }
}

export async function contents(store: ReplicaStore, offsetBytes: number, length: number): Promise<Buffer[]> {
  const replica = await store.openForVerify(ID);
  try {
    return await Promise.all(replica.disks.map((disk) => read(disk.data, offsetBytes, length)));
  } finally {
    await replica.close();
  }
}

/** Ids of qemu-nbd processes that export something under `directory`. */
export async function exportsUnder(directory: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (line.startsWith('qemu-nbd') && line.includes(directory)) found.push(pid);
  }
  return found;
}

/** False where it has ended by itself meanwhile. */
export function killNow(pid: string): boolean {
  try {
    return process.kill(Number(pid), 'SIGKILL');
  } catch {
    return false;
  }
}

/** Ids of running `qemu-img commit` under `directory`. Synchronous, to be quicker than the merge on a busy machine. */
export function commitsUnder(directory: string): string[] {
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, 'utf8');
      return line.startsWith('qemu-img\0commit') && line.includes(directory);
    } catch {
      return false;
    }
  });
}
