import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import {
  changedLeaves,
  copyDisk,
  faulty,
  FileStore,
  interceptReader,
  interceptStore,
  Manifest,
  verifyReplica,
  type LeafRange,
} from '../../src/blocks/index.js';
import { MemoryDisk } from './memory-disk.js';
import {
  device,
  emptyReplica,
  failsAs,
  folder,
  LEAF,
  memoryManifest,
  MIB,
  noise,
  qemuNbd,
  readAll,
  run,
} from './support.js';

const SIZE = 24 * MIB + 512;

/** A qcow2 source with content, seeded to a replica, a bitmap added, then written to as a guest would. */
async function seeded(
  t: TestContext,
  dir: string,
): Promise<Awaited<ReturnType<typeof emptyReplica>> & { source: string }> {
  const raw = join(dir, 'content.raw');
  const bytes = noise(SIZE, 11);
  bytes.fill(0, 5 * MIB, 8 * MIB);
  await writeFile(raw, bytes);
  const source = join(dir, 'source.qcow2');
  await run('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, source]);
  const target = await emptyReplica(t, dir, SIZE);
  const server = await qemuNbd(t, dir, source, '-f', 'qcow2', '-r');
  await copyDisk({
    source: await device(t, server),
    replica: target.replica,
    manifest: target.manifest,
    mode: 'unknown',
  });
  await server.end();
  await run('qemu-img', ['bitmap', '--add', '-g', '4096', source, 'cp1']);
  return { ...target, source };
}

/** Writes, as `qemu-io` commands. */
function guestWrites(source: string, ...commands: string[]): Promise<unknown> {
  return run('qemu-io', ['-f', 'qcow2', ...commands.flatMap((command) => ['-c', command]), source]);
}

const WRITES = ['write -P 1 1M 4k', 'write -P 2 6M 200k', 'write -z -u 10M 256k', `write -P 3 ${SIZE - 512} 512`];
/** The same as whole leaves: 1 + 4 (200 KiB at 6 MiB) + 4 + 1 (short: 512 bytes). */
const CHANGED_LEAVES = 10;

test('a dirty bitmap is told as changed extents beside data and zeroes', async (t) => {
  const dir = await folder(t);
  const { source } = await seeded(t, dir);
  await guestWrites(source, ...WRITES);
  const server = await qemuNbd(t, dir, source, '-f', 'qcow2', '-r', '-B', 'cp1');
  const reader = await device(t, server, { dirtyBitmap: 'cp1' });
  assert.equal(reader.tracksChanges, true);
  const leaves: LeafRange[] = [];
  for await (const range of changedLeaves(reader)) leaves.push(range);
  const count = leaves.reduce((sum, range) => sum + range.count, 0);
  assert.equal(count, CHANGED_LEAVES);
  const zero = [];
  for await (const extent of reader.extents(10 * MIB, 256 * 1024)) zero.push(extent);
  assert.deepEqual(zero, [{ offsetBytes: 10 * MIB, lengthBytes: 256 * 1024, kind: 'zero', changed: true }]);
  const other = await device(t, server, { dirtyBitmap: 'cp2' });
  assert.equal(other.tracksChanges, false, 'a bitmap that is not there is not tracked');
});

test('a delta reads the dirty extents rounded to 64 KiB and no more, and gives the root of a full copy', async (t) => {
  const dir = await folder(t);
  const { source, replica, manifest } = await seeded(t, dir);
  await guestWrites(source, ...WRITES);
  const reader = await device(t, await qemuNbd(t, dir, source, '-f', 'qcow2', '-r', '-B', 'cp1'), {
    dirtyBitmap: 'cp1',
  });
  let unknownWhenMarked = 0;
  const stats = await copyDisk({
    source: reader,
    replica,
    manifest,
    mode: 'changed',
    onMarked: async () => {
      unknownWhenMarked = await manifest.unknownBytes();
    },
  });

  const changedBytes = (CHANGED_LEAVES - 1) * LEAF + 512;
  assert.equal(unknownWhenMarked, changedBytes);
  assert.equal(stats.totalBytes, changedBytes);
  assert.equal(stats.bytesRead, 5 * LEAF + 512);
  assert.equal(stats.bytesZeroed, 4 * LEAF);
  const bytes = await readAll(reader);
  assert.ok((await readAll(replica)).equals(bytes));
  const full = memoryManifest(SIZE);
  await copyDisk({ source: reader, replica: new MemoryDisk(SIZE), manifest: full, mode: 'unknown' });
  assert.equal(await manifest.rootDigest(), await full.rootDigest());
});

test('a delta that was torn after marking copies only what is still unknown', async () => {
  const before = noise(8 * MIB, 12);
  const after = Buffer.from(before);
  noise(2 * MIB, 13).copy(after, 3 * MIB);
  const [replica, manifest] = [new MemoryDisk(before.length), memoryManifest(before.length)];
  await copyDisk({ source: new MemoryDisk(before), replica, manifest, mode: 'unknown' });
  const changed = [{ offsetBytes: 3 * MIB, lengthBytes: 2 * MIB }];
  const source = new MemoryDisk(after, { changed });
  const dies = { onMarked: () => Promise.reject(new Error('killed')) };
  await assert.rejects(copyDisk({ source, replica, manifest, mode: 'changed', ...dies }), /killed/);
  assert.equal(await manifest.unknownBytes(), 2 * MIB);
  after.copy(replica.bytes, 3 * MIB, 3 * MIB, 4 * MIB);
  const rest = await copyDisk({ source: new MemoryDisk(after), replica, manifest, mode: 'unknown' });
  assert.equal(rest.bytesRead, 2 * MIB);
  assert.ok(replica.bytes.equals(after));

  await manifest.markUnknown({ first: 48, count: 4 });
  const marked = await copyDisk({ source, replica, manifest, mode: 'changed', marked: true });
  assert.deepEqual(
    [marked.totalBytes, marked.resumedFromBytes, marked.bytesRead],
    [2 * MIB, 2 * MIB - 4 * LEAF, 4 * LEAF],
  );
});

test('a torn seed goes on at a newer point in time and ends as the newer source', async () => {
  const old = noise(8 * MIB, 14);
  const newer = Buffer.from(old);
  noise(MIB, 15).copy(newer, MIB);
  noise(MIB, 16).copy(newer, 6 * MIB);
  const [replica, manifest] = [new MemoryDisk(old.length), memoryManifest(old.length)];
  await copyDisk({ source: new MemoryDisk(old), replica, manifest, mode: 'unknown' });
  await manifest.markUnknown({ first: 64, count: 64 }); // the seed was torn half-way: the upper half is not known
  noise(4 * MIB, 17).copy(replica.bytes, 4 * MIB);
  const changed = [
    { offsetBytes: MIB, lengthBytes: MIB },
    { offsetBytes: 6 * MIB, lengthBytes: MIB },
  ];
  await copyDisk({ source: new MemoryDisk(newer, { changed }), replica, manifest, mode: 'changed' });
  assert.ok(replica.bytes.equals(newer));
  assert.equal((await verifyReplica({ replica, manifest })).passed, true);
});

test('mode changed is refused where the source does not track changes', async () => {
  const copy = copyDisk({
    source: new MemoryDisk(MIB),
    replica: new MemoryDisk(MIB),
    manifest: memoryManifest(MIB),
    mode: 'changed',
  });
  await failsAs(copy, 'NotSupported', /does not track changes/);
});

test('compare reads everything and writes only the leaves that differ', async (t) => {
  const dir = await folder(t);
  const { source, replica, manifest } = await seeded(t, dir);
  await guestWrites(source, ...WRITES);
  const reader = await device(t, await qemuNbd(t, dir, source, '-f', 'qcow2', '-r'));
  const stats = await copyDisk({ source: reader, replica, manifest, mode: 'compare' });
  assert.equal(stats.totalBytes, SIZE);
  assert.equal(stats.leavesCopied, CHANGED_LEAVES);
  assert.equal(stats.bytesWritten, 5 * LEAF + 512);
  assert.equal(stats.bytesZeroed, 4 * LEAF);
  assert.ok((await readAll(replica)).equals(await readAll(reader)));
  assert.equal((await verifyReplica({ replica, manifest })).passed, true);
  const again = await copyDisk({ source: reader, replica, manifest, mode: 'compare' });
  assert.deepEqual([again.leavesCopied, again.bytesWritten], [0, 0]);
});

test('compare marks a leaf unknown before it overwrites it', async () => {
  const before = noise(4 * MIB, 18);
  const after = Buffer.from(before);
  after.fill(7, MIB, MIB + 10);
  const [replica, manifest] = [new MemoryDisk(before.length), memoryManifest(before.length)];
  await copyDisk({ source: new MemoryDisk(before), replica, manifest, mode: 'unknown' });
  const dying = interceptStore(replica, faulty({ on: ['write'], what: new Error('killed') }));
  const source = new MemoryDisk(after);
  await assert.rejects(copyDisk({ source, replica: dying, manifest, mode: 'compare' }), /killed/);
  assert.equal(await manifest.unknownBytes(), LEAF);
});

test('a pass in a layer, verified by what the layer holds, then merged, gives the root of a full copy', async (t) => {
  const dir = await folder(t);
  const { source, image, manifestFile, manifest, end } = await seeded(t, dir);
  const seedRoot = await manifest.rootDigest();
  await end();
  await guestWrites(source, ...WRITES);
  const [layer, manifestLayer] = [join(dir, 'layer.qcow2'), join(dir, 'layer.manifest.qcow2')];
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', image, '-F', 'qcow2', layer]);
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', manifestFile, '-F', 'raw', manifestLayer]);
  const layerServer = await qemuNbd(t, dir, layer, '-f', 'qcow2', '--allocation-depth');
  const manifestServer = await qemuNbd(t, dir, manifestLayer, '-f', 'qcow2');
  const replica = await device(t, layerServer, { ownLayer: true });
  const layered = new Manifest(await device(t, manifestServer), SIZE);
  const bitmap = await qemuNbd(t, dir, source, '-f', 'qcow2', '-r', '-B', 'cp1');
  const reader = await device(t, bitmap, { dirtyBitmap: 'cp1' });
  await copyDisk({ source: reader, replica, manifest: layered, mode: 'changed' });

  const base = await FileStore.open(manifestFile);
  t.after(() => base.close());
  assert.equal(await new Manifest(base, SIZE).rootDigest(), seedRoot, 'the base is untouched');
  const verified = await verifyReplica({ replica, manifest: layered, only: changedLeaves(replica) });
  assert.equal(verified.passed, true);
  assert.equal(verified.leavesChecked, CHANGED_LEAVES);
  const full = memoryManifest(SIZE);
  await copyDisk({ source: reader, replica: new MemoryDisk(SIZE), manifest: full, mode: 'unknown' });
  assert.equal(await layered.rootDigest(), await full.rootDigest());

  await Promise.all([layerServer.end(), manifestServer.end()]);
  for (const file of [layer, manifestLayer]) await run('qemu-img', ['commit', '-q', '-f', 'qcow2', file]);
  assert.equal(await new Manifest(base, SIZE).rootDigest(), await full.rootDigest());
  const merged = await device(t, await qemuNbd(t, dir, image, '-f', 'qcow2', '-r'));
  assert.equal((await verifyReplica({ replica: merged, manifest: new Manifest(base, SIZE) })).passed, true);
});

test('scattered ranges of a disk cost few questions about extents', async () => {
  const bytes = noise(8 * MIB, 19);
  bytes.fill(0, 2 * MIB, 3 * MIB);
  const memory = new MemoryDisk(bytes);
  let questions = 0;
  const asked = Object.assign(
    interceptReader(memory, (_, read) => read()),
    {
      extents: (at: number, length: number) => {
        questions += 1;
        return memory.extents(at, length);
      },
    },
  );
  const [replica, manifest] = [new MemoryDisk(bytes.length), memoryManifest(bytes.length)];
  await copyDisk({ source: memory, replica, manifest, mode: 'unknown' });
  for (let first = 0; first < 128; first += 3) await manifest.markUnknown({ first, count: 1 });
  replica.bytes.fill(1);
  const stats = await copyDisk({ source: asked, replica, manifest, mode: 'unknown' });
  assert.equal(stats.leavesCopied, 43);
  assert.equal(questions, 1);
  for (let first = 0; first < 128; first += 3) {
    assert.ok(
      replica.bytes
        .subarray(first * LEAF, first * LEAF + LEAF)
        .equals(bytes.subarray(first * LEAF, first * LEAF + LEAF)),
    );
  }
});
