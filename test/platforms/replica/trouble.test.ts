import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ReplicaSpec } from '../../../src/platforms/platform.js';
import { removeReplica } from '../../../src/platforms/replica/remove.js';
import {
  MiB,
  ID,
  OWNER,
  host,
  bench,
  storeIn,
  at,
  read,
  pass,
  contents,
  exportsUnder,
  killNow,
  commitsUnder,
} from './bench.js';

test('a newer attempt ends the exports of an older one, which then can neither write nor seal', async (t) => {
  const { store, spec } = await bench(t);
  await store.create(spec);
  const old = await store.open(ID, 1, 1);
  await old.notePoint('point-a');
  const fresh = await store.open(ID, 1, 2);
  await assert.rejects(old.disks[0]!.data.write(0, Buffer.alloc(4096, 1)));
  await assert.rejects(old.noteMarked('point-a'), { code: 'Superseded' });
  await assert.rejects(old.seal({ pass: 1, checkpoint: 'point-a', result: null }));
  await assert.rejects(storeIn((await store.folder(ID)).replace(/\/\.vmferry.*/, '')).open(ID, 1, 1), {
    code: 'Superseded',
  });
  await old.close();
  await at(fresh, 0).data.write(0, Buffer.alloc(4096, 7));
  await fresh.seal({ pass: 1, checkpoint: 'point-a', result: null });
  await fresh.close();
  assert.equal((await contents(store, 0, 16))[0]![0], 7);
  await assert.rejects(store.open(ID, 1, 3), { code: 'Superseded' }, 'a whole pass is not opened again');
});

test('of two attempts at once one holds the replica at the end', async (t) => {
  const { store, spec } = await bench(t);
  await Promise.all([store.create(spec), store.create(spec)]);
  const opened = await Promise.allSettled([store.open(ID, 1, 1), store.open(ID, 1, 2)]);
  const sealed = await Promise.allSettled(
    opened.map(async (each) => {
      assert.equal(each.status, 'fulfilled');
      await each.value.notePoint('point-a');
      await each.value.seal({ pass: 1, checkpoint: 'point-a', result: null });
    }),
  );
  assert.equal(sealed.filter((each) => each.status === 'fulfilled').length, 1);
  for (const each of opened) if (each.status === 'fulfilled') await each.value.close();
});

test('exports of a dead worker end by themselves, and those that nobody used are ended by the next try', async (t) => {
  const { store, spec, directory } = await bench(t);
  await store.create(spec);
  const code = `
    import { openNbd } from '${new URL('../../../src/blocks/index.js', import.meta.url).href}';
    import { LocalHost } from '${new URL('../../../src/exec/local.js', import.meta.url).href}';
    import { ReplicaStore } from '${new URL('../../../src/platforms/replica/store.js', import.meta.url).href}';
    const directory = process.argv[1];
    const store = new ReplicaStore({ host: new LocalHost(), platform: 'libvirt', storageDir: async () => directory, runtimeDir: directory + '/run', registry: directory + '/run/storages', openStore: openNbd });
    const replica = await store.open('${ID}', 1, 1);
    await replica.disks[0].data.write(0, Buffer.alloc(65536, 5));
    await replica.disks[0].data.flush();
    console.log('open'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  assert.equal((await exportsUnder(directory)).length, 4);
  child.kill('SIGKILL');
  for (let i = 0; i < 100 && (await exportsUnder(directory)).length > 0; i++) await sleep(50);
  assert.deepEqual(await exportsUnder(directory), []);
  const next = await store.open(ID, 1, 1);
  assert.equal((await read(at(next, 0).data, 0, 16))[0], 5);
  await next.close();
});

test('a merge killed at any moment is cured by merging again', async (t) => {
  const { store, spec, directory } = await bench(t);
  await store.create({ ...spec, disks: spec.disks.map((disk) => ({ ...disk, sizeBytes: 256 * MiB })) });
  await pass(store, 1, 0, Buffer.alloc(MiB, 1));
  const data = randomBytes(16 * MiB);
  for (let number = 2; number <= 5; number++) {
    const replica = await store.open(ID, number, 1);
    for (const disk of replica.disks) {
      for (let part = 0; part < 4; part++) await disk.data.write(part * 32 * MiB + number * MiB, data);
      await disk.manifest.write(0, Buffer.alloc(32, number));
    }
    await replica.seal({ pass: number, checkpoint: `c${number}`, result: null });
    await replica.close();
  }
  const before = await contents(store, 0, 128 * MiB);
  let killed = 0;
  for (const hit of [1, 2, 3, 4]) {
    let merging = true;
    const merge = store.merge(ID).catch(() => undefined);
    void merge.then(() => (merging = false));
    // The n-th commit that is seen at work, so that data and manifests of both disks are hit.
    for (const seen = new Set<string>(); merging && seen.size < hit; await sleep(1)) {
      for (const pid of commitsUnder(directory)) {
        seen.add(pid);
        if (seen.size < hit) continue;
        killed += killNow(pid) ? 1 : 0;
      }
    }
    await merge;
    const now = await contents(store, 0, 128 * MiB);
    assert.ok(now.every((each, index) => each.equals(before[index]!)));
  }
  assert.ok(killed > 0, 'no merge was hit');
  await store.merge(ID);
  assert.deepEqual((await store.read(ID))?.layers, []);
  const after = await contents(store, 0, 128 * MiB);
  assert.ok(after.every((each, index) => each.equals(before[index]!)));
});

test('a state file that was cut off on its way is not taken', async (t) => {
  const { store, spec, directory } = await bench(t);
  await store.create(spec);
  const file = join(directory, `.vmferry-${ID}`, 'replica.json');
  const text = await readFile(file, 'utf8');
  const { transact } = await import('../../../src/platforms/replica/script.js');
  const folder = join(directory, `.vmferry-${ID}`);
  const cut = { platform: 'libvirt', folder, runtimeDir: join(directory, 'run'), seen: null };
  await assert.rejects(transact(host, { ...cut, steps: [['put', 'f'.repeat(64)]], state: '' }), { code: 'ToolFailed' });
  assert.equal(await readFile(file, 'utf8'), text);
});

test('a full disk is told as NoSpace and destroys nothing; with room again the pass goes on', async (t) => {
  const small = await mkdtemp(join(tmpdir(), 'vmferry-store-'));
  await host.run('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'vmferry-test', small]);
  t.after(async () => {
    await removeReplica(storeIn(small), ID);
    await host.run('umount', [small]);
    await rm(small, { recursive: true });
  });
  const store = storeIn(small);
  const spec: ReplicaSpec = {
    owner: OWNER,
    targetName: 'full',
    disks: [{ id: 'vda', sizeBytes: 16 * MiB, format: 'qcow2', storage: null }],
  };
  await store.create(spec);
  await pass(store, 1, 0, randomBytes(MiB));
  const data = randomBytes(MiB);
  const replica = await store.open(ID, 2, 1);
  await replica.notePoint('point-a');
  await assert.rejects(
    async () => {
      for (let part = 0; part < 12; part++) await at(replica, 0).data.write(part * MiB, data);
      await at(replica, 0).data.flush();
    },
    { code: 'NoSpace' },
  );
  await replica.close();
  await writeFile(join(small, 'filler'), Buffer.alloc(8 * MiB)).catch(() => undefined);
  await assert.rejects(store.noteVerified(ID, 1), { code: 'NoSpace' });
  await rm(join(small, 'filler'));
  await host.run('mount', ['-o', 'remount,size=64m', small]);
  const again = await store.open(ID, 2, 2);
  for (let part = 0; part < 12; part++) await at(again, 0).data.write(part * MiB, data);
  await again.seal({ pass: 2, checkpoint: 'point-a', result: null });
  await again.close();
  const verify = await store.openForVerify(ID);
  assert.ok((await read(at(verify, 0).data, 11 * MiB, MiB)).equals(data));
  await verify.close();
  await removeReplica(store, ID);
  assert.deepEqual(
    (await readdir(small)).filter((name) => name !== 'run'),
    [],
  );
});
