import { createHash } from 'node:crypto';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { filesSite } from '../../../../src/config.js';
import { copyDisk, FileStore, Manifest } from '../../../../src/blocks/index.js';
import { LocalHost } from '../../../../src/exec/local.js';
import type { VmDescription } from '../../../../src/model/vm.js';
import type { FilesConnection } from '../../../../src/platforms/files/connect.js';
import type { SourceSite, TargetSite, TargetVm } from '../../../../src/platforms/platform.js';
import { openSite } from '../../../../src/platforms/registry.js';
import { DISK, VM } from '../../libvirt/vm-fixture.js';

/** A directory as a target, with a verified replica of a machine whose disks hold known content. */

export const MIB = 2 ** 20;
export const ID = '0123456789ab';
export const OWNER = { migrationId: ID, workflowId: 'migrate web01', cluster: 'localhost:7233', namespace: 'default' };
export const host = new LocalHost();
export const work = { onProgress: () => undefined };

export interface FilesBench {
  directory: string;
  site: SourceSite & TargetSite;
  vm: TargetVm;
  /** A raw image of what each disk holds, by id. */
  contents: Map<string, string>;
}

export async function bench(t: TestContext, change: Partial<VmDescription> = {}): Promise<FilesBench> {
  const root = await mkdtemp(join(tmpdir(), 'vmferry-out-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const directory = join(root, 'exports');
  await host.run('mkdir', [directory]);
  const site = openSite('exports', siteConfig(directory, join(root, 'state')));
  // The last ends within a grain, a cluster and a leaf.
  const sizes = { vda: 24 * MIB, vdb: 5 * MIB + 512 * 7 };
  const disks = Object.entries(sizes).map(([id, sizeBytes], order) => ({ ...DISK, id, sizeBytes, order }));
  const description: VmDescription = { ...structuredClone(VM), disks, ...change };
  const vm: TargetVm = { owner: OWNER, name: 'web01', description, networks: { lan: 'VM Network' } };
  const contents = new Map<string, string>();
  for (const { id, sizeBytes } of description.disks) {
    const path = join(root, `${id}.raw`);
    await writeContent(path, sizeBytes);
    contents.set(id, path);
  }
  await replicate(site, vm, contents);
  return { directory, site, vm, contents };
}

export function siteConfig(path: string, stateDir: string): FilesConnection['config'] {
  return filesSite.parse({ platform: 'files', path, scratchDir: tmpdir(), scratchReserve: '1MiB', stateDir });
}

/** Some data that does not compress, some that does, and much of nothing. */
async function writeContent(path: string, sizeBytes: number): Promise<void> {
  await writeFile(path, '');
  const file = await open(path, 'r+');
  await file.truncate(sizeBytes);
  const noise = Buffer.concat(
    Array.from({ length: 4096 }, (_, n) =>
      createHash('sha256')
        .update(`${path.slice(-7)} ${n}`)
        .digest(),
    ),
  );
  await file.write(noise, 0, noise.length, 0);
  await file.write(Buffer.alloc(256 * 1024, 'text '), 0, 256 * 1024, 2 * MIB + 4096);
  await file.write(noise, 0, 1000, sizeBytes - 1000);
  await file.close();
}

async function replicate(site: TargetSite, vm: TargetVm, contents: ReadonlyMap<string, string>): Promise<void> {
  const disks = vm.description.disks.map(({ id, sizeBytes }) => ({
    ...{ id, sizeBytes, format: 'qcow2' as const, storage: null },
  }));
  await site.createReplica({ owner: OWNER, targetName: vm.name, disks });
  const replica = await site.openReplica(ID, 1, 1);
  await replica.notePoint('c1');
  for (const { id, data, manifest: store } of replica.disks) {
    const source = await FileStore.open(contents.get(id)!, { readOnly: true });
    const manifest = new Manifest(store, source.sizeBytes);
    await copyDisk({ source, replica: data, manifest, mode: 'unknown' });
    await source.close();
  }
  await replica.seal({ pass: 1, checkpoint: 'c1', result: null });
  await replica.close();
  await site.noteVerified(ID, 1);
}
