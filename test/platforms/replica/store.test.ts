import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { VmferryError } from '../../../src/errors.js';
import { defineCutover, forbidCutover, makeOverlays, removeOverlays } from '../../../src/platforms/replica/overlays.js';
import { ReplicaStore } from '../../../src/platforms/replica/store.js';
import { removeReplica } from '../../../src/platforms/replica/remove.js';
import { MiB, ID, host, bench, pass, contents } from './bench.js';

test('an overlay needs a verified pass, holds up merges, and is not seen by the replica', async (t) => {
  const { store, spec } = await bench(t);
  await store.create(spec);
  await pass(store, 1, 0, Buffer.alloc(MiB, 1));
  await assert.rejects(makeOverlays(store, ID, 'rehearsal'), { code: 'Unsafe' });
  await store.noteVerified(ID, 1);
  const overlays = await makeOverlays(store, ID, 'rehearsal');
  assert.deepEqual(await makeOverlays(store, ID, 'rehearsal'), overlays);
  await host.run('qemu-io', ['-f', 'qcow2', '-c', 'write -P 99 0 64k', overlays.get('vda')!]);
  await pass(store, 2, 0, Buffer.alloc(MiB, 2));
  await store.merge(ID);
  assert.equal((await store.read(ID))?.layers.length, 1, 'the layer waits');
  await host.run('qemu-io', ['-f', 'qcow2', '-c', 'read -P 99 0 64k', '-c', 'read -P 1 64k 64k', overlays.get('vda')!]);
  await removeOverlays(store, ID, 'rehearsal');
  await store.merge(ID);
  assert.equal((await store.read(ID))?.layers.length, 0);
  assert.equal((await contents(store, 0, 16))[0]![0], 2);
});

test('a foreign file of the same name is a conflict and stays; removing leaves nothing', async (t) => {
  const { store, spec, directory } = await bench(t);
  const path = join(directory, `web__01_-vda-${ID}.qcow2`);
  await writeFile(path, 'somebody else');
  await assert.rejects(store.create(spec), { code: 'Conflict' });
  assert.equal(await readFile(path, 'utf8'), 'somebody else');
  await rm(path);
  await store.create(spec);
  assert.ok(existsSync(path));
  await pass(store, 1, 0, Buffer.alloc(MiB, 1));
  await pass(store, 2, 0, Buffer.alloc(MiB, 2));
  const open = await store.open(ID, 3, 1);
  await removeReplica(store, ID);
  await removeReplica(store, ID);
  await open.close();
  assert.deepEqual(await readdir(directory), ['run']);
  assert.equal(await store.read(ID), null);
});

test('a cutover that was undone gets no overlay any more, of whatever try, and leaves rehearsals alone', async (t) => {
  const { store, spec } = await bench(t);
  await store.create(spec);
  await pass(store, 1, 0, Buffer.alloc(MiB, 1));
  await store.noteVerified(ID, 1);
  await makeOverlays(store, ID, 'cutover');
  await Promise.all([forbidCutover(store, ID), forbidCutover(store, ID)]);
  await removeOverlays(store, ID, 'cutover');
  await assert.rejects(makeOverlays(store, ID, 'cutover'), { code: 'Superseded' });
  await assert.rejects(defineCutover(store, ID, '<domain/>', 'test:///default'), { code: 'Superseded' });
  await makeOverlays(store, ID, 'rehearsal');
  await removeOverlays(store, ID, 'rehearsal');
  await store.merge(ID);
});

test('a replica is found where it was put, though the default storage is another by now, and removed whole', async (t) => {
  const { store, spec, directory } = await bench(t);
  const [data, elsewhere, other] = ['data disks', 'elsewhere', 'other'].map((name) => join(directory, name));
  for (const each of [data, elsewhere, other]) await mkdir(each!);
  const disks = spec.disks.map((disk, index) => ({ ...disk, storage: index === 0 ? data! : null }));
  await new ReplicaStore({ ...store.options, storageDir: (storage) => Promise.resolve(storage ?? elsewhere!) }).create({
    ...spec,
    disks,
  });
  const gone = () => Promise.reject(new VmferryError('NotFound', 'that pool is gone'));
  for (const storageDir of [
    (storage: string | null) => store.options.storageDir(storage),
    () => Promise.resolve(other!),
    gone,
  ]) {
    const later = new ReplicaStore({ ...store.options, storageDir });
    assert.equal((await later.read(ID))?.owner.workflowId, spec.owner.workflowId);
  }
  await pass(store, 1, 0, Buffer.alloc(MiB, 1));
  await removeReplica(store, ID);
  for (const each of [data, elsewhere]) assert.deepEqual(await readdir(each!), []);
  assert.equal(await store.read(ID), null);
});
