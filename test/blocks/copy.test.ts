import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import {
  copyDisk,
  counting,
  faulty,
  interceptReader,
  interceptStore,
  RateLimiter,
  verifyReplica,
  type Progress,
} from '../../src/blocks/index.js';
import { VmferryError } from '../../src/errors.js';
import { MemoryDisk } from './memory-disk.js';
import {
  device,
  emptyReplica,
  failsAs,
  folder,
  LEAF,
  memoryManifest,
  MIB,
  nbdkit,
  noise,
  qemuNbd,
  readAll,
} from './support.js';

/** Data, a hole, zeroes that are stored, data up to the end. */
function content(sizeBytes: number): Buffer {
  const bytes = noise(sizeBytes, 1);
  bytes.fill(0, 3 * MIB, 9 * MIB);
  bytes.fill(0, 10 * MIB, 10 * MIB + LEAF);
  return bytes;
}

for (const [format, sizeBytes] of [
  ['qcow2', 20 * MIB],
  ['raw', 20 * MIB],
  ['qcow2', 20 * MIB - 512],
  ['raw', 13 * MIB + 51_200],
] as const) {
  test(`a seed to ${format} of ${sizeBytes} bytes is the source, byte for byte, and verifies`, async (t) => {
    const dir = await folder(t);
    const bytes = content(sizeBytes);
    await writeFile(join(dir, 'source.raw'), bytes);
    const source = await device(t, await qemuNbd(t, dir, join(dir, 'source.raw'), '-f', 'raw', '-r'));
    const { replica, manifest } = await emptyReplica(t, dir, sizeBytes, format);

    const stats = await copyDisk({ source, replica, manifest, mode: 'unknown' });

    assert.ok((await readAll(replica)).equals(bytes));
    assert.equal(stats.totalBytes, sizeBytes);
    assert.equal(stats.resumedFromBytes, 0);
    assert.equal(stats.leavesCopied, manifest.leafCount);
    assert.equal(stats.bytesWritten + stats.bytesZeroed, sizeBytes);
    assert.equal(stats.bytesZeroed, 6 * MIB + LEAF);
    const verified = await verifyReplica({ replica, manifest });
    assert.equal(verified.passed, true);
    assert.equal(verified.leavesChecked, manifest.leafCount);
    const reference = memoryManifest(sizeBytes);
    await copyDisk({
      source: new MemoryDisk(bytes),
      replica: new MemoryDisk(sizeBytes),
      manifest: reference,
      mode: 'unknown',
    });
    assert.equal(await manifest.rootDigest(), await reference.rootDigest());
  });
}

test('a disk whose size is no multiple of 512 is copied to its last byte', async (t) => {
  const dir = await folder(t);
  const bytes = content(11 * MIB + 777);
  await writeFile(join(dir, 'source.raw'), bytes);
  const source = await device(t, await nbdkit(t, dir, 'file', join(dir, 'source.raw')));
  assert.equal(source.sizeBytes, bytes.length);
  const { replica, manifest } = await emptyReplica(t, dir, 11 * MIB + 1024);
  await failsAs(copyDisk({ source, replica, manifest, mode: 'unknown' }), 'Drift', /it has 11535113 bytes/);

  const own = memoryManifest(bytes.length);
  await copyDisk({ source, replica, manifest: own, mode: 'unknown' });

  const copied = await readAll(replica);
  assert.ok(copied.subarray(0, bytes.length).equals(bytes));
  assert.ok(copied.subarray(bytes.length).every((byte) => byte === 0));
  assert.equal((await verifyReplica({ replica, manifest: own })).passed, true);
});

test('zeroes are neither read nor written to a replica that reads as zeroes', async () => {
  const bytes = content(20 * MIB);
  const [reads, writes] = [counting(), counting()];
  const replica = new MemoryDisk(bytes.length);
  await copyDisk({
    source: interceptReader(new MemoryDisk(bytes), reads.around),
    replica: interceptStore(replica, writes.around),
    manifest: memoryManifest(bytes.length),
    mode: 'unknown',
  });
  assert.ok(replica.bytes.equals(bytes));
  assert.equal(reads.counts.read.bytes, 14 * MIB - LEAF);
  assert.equal(writes.counts.write.bytes, 14 * MIB - LEAF);
  assert.equal(writes.counts.zero.calls, 0);
});

test('what a torn try left under zeroes of the source is overwritten', async () => {
  const bytes = content(20 * MIB);
  const replica = new MemoryDisk(noise(bytes.length, 9));
  await copyDisk({ source: new MemoryDisk(bytes), replica, manifest: memoryManifest(bytes.length), mode: 'unknown' });
  assert.ok(replica.bytes.equals(bytes));
});

test('no digest is recorded before the data under it was flushed', async () => {
  const bytes = noise(8 * MIB, 3);
  const manifest = memoryManifest(bytes.length);
  const replica = interceptStore(
    new MemoryDisk(bytes.length),
    faulty({ on: ['flush'], what: new VmferryError('Unreachable', 'gone'), times: 100 }),
  );
  const copy = copyDisk({ source: new MemoryDisk(bytes), replica, manifest, mode: 'unknown', atRiskBytes: 17 * MIB });
  await failsAs(copy, 'Unreachable');
  assert.equal(await manifest.unknownBytes(), bytes.length);
});

test('an error of the source stops the copy with that error, and what was recorded is kept', async () => {
  const bytes = noise(40 * MIB, 4);
  const manifest = memoryManifest(bytes.length);
  const replica = new MemoryDisk(bytes.length);
  const fault = faulty({ on: ['read'], nth: 65, what: new VmferryError('ToolFailed', 'cannot read: bad sector') });
  const options = { replica, manifest, mode: 'unknown', inFlight: 2, atRiskBytes: 6 * MIB } as const;
  await failsAs(
    copyDisk({ ...options, source: interceptReader(new MemoryDisk(bytes), fault) }),
    'ToolFailed',
    /bad sector/,
  );
  const unknown = await manifest.unknownBytes();
  assert.ok(unknown <= 14 * MIB, `${unknown} bytes unknown`);
  const stats = await copyDisk({ ...options, source: new MemoryDisk(bytes) });
  assert.equal(stats.resumedFromBytes, 40 * MIB - unknown);
  assert.equal(stats.bytesRead, unknown);
  assert.ok(replica.bytes.equals(bytes));
});

test('a copy stops within a second of being cancelled and goes on where it was', async (t) => {
  const dir = await folder(t);
  const bytes = noise(64 * MIB, 5);
  await writeFile(join(dir, 'source.raw'), bytes);
  const slow = await nbdkit(t, dir, '--filter=delay', 'file', join(dir, 'source.raw'), 'rdelay=10');
  const source = await device(t, slow);
  const { replica, manifest } = await emptyReplica(t, dir, bytes.length);
  const aborter = new AbortController();
  let cancelledMs = 0;
  setTimeout(() => {
    cancelledMs = performance.now();
    aborter.abort();
  }, 1_500);
  await failsAs(
    copyDisk({ source, replica, manifest, mode: 'unknown', inFlight: 4, commitEveryMs: 200, signal: aborter.signal }),
    'Cancelled',
  );
  assert.ok(performance.now() - cancelledMs < 1_000);
  await slow.end('SIGKILL');
  const again = await device(t, await qemuNbd(t, dir, join(dir, 'source.raw'), '-f', 'raw', '-r'));
  const known = bytes.length - (await manifest.unknownBytes());
  const stats = await copyDisk({ source: again, replica, manifest, mode: 'unknown' });
  assert.equal(stats.resumedFromBytes, known);
  assert.ok((await readAll(replica)).equals(bytes));
});

test('a copy keeps to the limit, which can be changed while it runs, and tells how far it is', async () => {
  const bytes = noise(12 * MIB, 6);
  const limiter = new RateLimiter(4 * MIB);
  const told: Progress[] = [];
  const startedMs = performance.now();
  setTimeout(() => limiter.setRate(null), 1_200);
  const stats = await copyDisk({
    source: new MemoryDisk(bytes),
    replica: new MemoryDisk(bytes.length),
    manifest: memoryManifest(bytes.length),
    mode: 'unknown',
    limiter,
    onProgress: (progress) => told.push(progress),
  });
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs > 1_000 && tookMs < 2_500, `${tookMs} ms`);
  assert.equal(stats.bytesRead, bytes.length);
  const [early] = told;
  assert.ok(early && early.doneBytes < 6 * MIB && early.rateBytesPerSecond < 8 * MIB, JSON.stringify(told));
  assert.deepEqual([told.at(-1)?.doneBytes, told.at(-1)?.totalBytes], [bytes.length, bytes.length]);
});
