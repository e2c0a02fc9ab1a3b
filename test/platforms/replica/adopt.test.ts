import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { openNbd } from '../../../src/blocks/index.js';
import { LocalHost } from '../../../src/exec/local.js';
import type { ReplicaSpec } from '../../../src/platforms/platform.js';
import { adoptReplica, whyNotAdopt } from '../../../src/platforms/replica/adopt.js';
import { makeOverlays } from '../../../src/platforms/replica/overlays.js';
import { removeLeftReplica, removeReplica } from '../../../src/platforms/replica/remove.js';
import { ReplicaStore } from '../../../src/platforms/replica/store.js';

const MIB = 1024 * 1024;
const [KEPT, NEW] = ['0123456789ab', 'ba9876543210'];
const host = new LocalHost();

interface Bench {
  directory: string;
  store: ReplicaStore;
  spec: (migrationId: string, change?: Partial<ReplicaSpec>) => ReplicaSpec;
}

async function bench(t: TestContext): Promise<Bench> {
  const directory = await mkdtemp(join(tmpdir(), 'vmferry-adopt-'));
  const storageDir = (storage: string | null) => Promise.resolve(join(directory, storage ?? 'default'));
  for (const name of ['default', 'fast']) await host.run('mkdir', ['-p', join(directory, name)]);
  const store = new ReplicaStore({
    host,
    platform: 'libvirt',
    storageDir,
    runtimeDir: join(directory, 'run'),
    registry: join(directory, 'run', 'storages'),
    openStore: openNbd,
  });
  t.after(async () => {
    for (const id of [KEPT, NEW]) await removeReplica(store, id).catch(() => undefined);
    await rm(directory, { recursive: true, force: true });
  });
  const spec = (migrationId: string, change: Partial<ReplicaSpec> = {}): ReplicaSpec => ({
    owner: { migrationId, workflowId: `migrate-${migrationId}`, cluster: 'c1', namespace: 'default' },
    targetName: 'web01',
    source: { site: 'dc-old', vm: 'web01', uuid: '11111111-2222-4333-8444-555555555555' },
    disks: [
      { id: 'vda', sizeBytes: 8 * MIB, format: 'qcow2', storage: null },
      { id: 'vdb', sizeBytes: 4 * MIB, format: 'raw', storage: 'fast' },
    ],
    ...change,
  });
  return { directory, store, spec };
}

async function pass(store: ReplicaStore, id: string, number: number, data: Buffer): Promise<void> {
  const replica = await store.open(id, number, 1);
  try {
    await replica.notePoint(`vmferry-${id}-${number}`);
    for (const disk of replica.disks) await disk.data.write(number * data.length, data);
    await replica.seal({ pass: number, checkpoint: `vmferry-${id}-${number}`, result: null });
  } finally {
    await replica.close();
  }
}

async function holds(store: ReplicaStore, id: string, offset: number, data: Buffer): Promise<void> {
  const replica = await store.openForVerify(id);
  try {
    for (const disk of replica.disks) {
      const buffer = Buffer.alloc(data.length);
      await disk.data.read(offset, buffer);
      assert.ok(buffer.equals(data), disk.id);
    }
  } finally {
    await replica.close();
  }
}

test("a kept replica with a layer becomes the new migration's own, as whole at no known point and not verified", async (t) => {
  const { directory, store, spec } = await bench(t);
  await store.create(spec(KEPT));
  const [one, two] = [randomBytes(MIB), randomBytes(MIB)];
  await pass(store, KEPT, 0, one);
  await pass(store, KEPT, 1, two);
  await store.noteVerified(KEPT, 1);
  const state = await adoptReplica(store, KEPT, spec(NEW));
  assert.equal(state.owner.migrationId, NEW);
  assert.deepEqual(state.whole, { pass: 0, checkpoint: '', result: null });
  assert.equal(state.verifiedPass, -1);
  assert.deepEqual(await store.read(NEW), state);
  assert.equal(await store.read(KEPT), null);
  for (const name of ['default', 'fast'])
    assert.ok(!(await readdir(join(directory, name))).includes(`.vmferry-${KEPT}`), name);
  await holds(store, NEW, 0, one);
  await holds(store, NEW, MIB, two);
  assert.deepEqual(await adoptReplica(store, KEPT, spec(NEW)), state, 'a second try finds it done');
  await pass(store, NEW, 1, randomBytes(MIB));
  await store.merge(NEW);
  await removeReplica(store, NEW);
  assert.deepEqual(await readdir(join(directory, 'default')), []);
  assert.deepEqual(await readdir(join(directory, 'fast')), []);
});

test('a try that died between the new state and the new folders is finished by the next', async (t) => {
  const { store, spec } = await bench(t);
  await store.create(spec(KEPT));
  const one = randomBytes(MIB);
  await pass(store, KEPT, 0, one);
  const real = store.transact.bind(store);
  let died = false;
  store.transact = (id, folder, rest) => {
    if (!rest.steps.some(([step]) => step === 'move') || died) return real(id, folder, rest);
    died = true;
    // Only as far as the state file.
    return real(id, folder, {
      ...rest,
      steps: [...rest.steps.filter(([step]) => step !== 'move'), ['need', '/nowhere']],
    });
  };
  const state = await adoptReplica(store, KEPT, spec(NEW));
  assert.ok(died);
  assert.deepEqual(await store.read(NEW), state);
  assert.equal(await store.read(KEPT), null);
  await holds(store, NEW, 0, one);
});

test('another VM, other disks, another cluster, a replica that is not whole: each is refused with the reason', async (t) => {
  const { store, spec } = await bench(t);
  await store.create(spec(KEPT));
  assert.equal(await whyNotAdopt(store, KEPT, spec(NEW)), 'no pass of it is whole');
  await pass(store, KEPT, 0, randomBytes(MIB));
  assert.equal(await whyNotAdopt(store, KEPT, spec(NEW)), null);
  const { source, disks, owner } = spec(NEW);
  const grown = disks.map((disk) => ({ ...disk, sizeBytes: 2 * disk.sizeBytes }));
  const wrong: [Partial<ReplicaSpec>, RegExp][] = [
    [
      { source: { ...source!, uuid: '99999999-2222-4333-8444-555555555555' } },
      /a copy of web01 \(1111.*not of web01 \(9999/,
    ],
    [{ disks: grown }, /it has vda: 8388608 bytes.*wanted are vda: 16777216/],
    [{ disks: disks.slice(0, 1) }, /it has vda.*vdb.*wanted are vda/],
    [{ disks: disks.map((disk) => ({ ...disk, storage: null })) }, /in .*fast.*wanted are/],
    [{ owner: { ...owner, cluster: 'c2' } }, /another Temporal cluster \(c1\)/],
    [{ owner: { ...owner, namespace: 'other' } }, /the namespace "default"/],
  ];
  for (const [change, reason] of wrong) {
    assert.match((await whyNotAdopt(store, KEPT, spec(NEW, change))) ?? 'it fits', reason);
    await assert.rejects(adoptReplica(store, KEPT, spec(NEW, change)), { code: 'Conflict' });
  }
  assert.equal(await whyNotAdopt(store, 'ffffffffffff', spec(NEW)), 'there is none at this site');
  assert.equal((await store.read(KEPT))?.owner.migrationId, KEPT);
});

test('a replica that a guest stands on, or whose file is open, is neither adopted nor removed', async (t) => {
  const { store, spec } = await bench(t);
  await store.create(spec(KEPT));
  await pass(store, KEPT, 0, randomBytes(MIB));
  await store.noteVerified(KEPT, 0);
  const overlays = await makeOverlays(store, KEPT, 'rehearsal');
  await assert.rejects(adoptReplica(store, KEPT, spec(NEW)), /a VM stands on it/);
  // As QEMU has it open: a shared lock on bytes of the file.
  const reader = host.run('qemu-io', ['-r', '-f', 'qcow2', '-c', 'sleep 3000', overlays.get('vda')!]);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await assert.rejects(removeLeftReplica(store, spec(KEPT).owner), /something has its files open/);
  await reader;
  assert.ok(await store.read(KEPT));
  await removeLeftReplica(store, spec(KEPT).owner);
  assert.equal(await store.read(KEPT), null);
});

test('what another migration has adopted meanwhile is not removed with the one that kept it', async (t) => {
  const { directory, store, spec } = await bench(t);
  await store.create(spec(KEPT));
  await pass(store, KEPT, 0, randomBytes(MIB));
  await adoptReplica(store, KEPT, spec(NEW));
  await removeLeftReplica(store, spec(KEPT).owner);
  assert.ok(await store.read(NEW));
  const other = { ...spec(NEW).owner, cluster: 'c2' };
  await assert.rejects(removeLeftReplica(store, other), { code: 'Superseded' });
  await removeLeftReplica(store, spec(NEW).owner);
  assert.deepEqual(await readdir(join(directory, 'fast')), []);
});
