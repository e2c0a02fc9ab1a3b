import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { copyDisk, Manifest, verifyReplica } from '../../src/blocks/index.js';
import { MemoryDisk } from './memory-disk.js';
import {
  createImage,
  device,
  emptyReplica,
  failsAs,
  folder,
  memoryManifest,
  MIB,
  nbdkit,
  noise,
  qemuNbd,
  readAll,
  run,
} from './support.js';

test('a target that fills up stops the copy as NoSpace; with room made it goes on where it was', async (t) => {
  const bytes = noise(48 * MIB, 21);
  let dir = '';
  t.after(() => run('umount', ['-l', dir]));
  dir = await folder(t);
  await run('mount', ['-t', 'tmpfs', '-o', 'size=20M', 'vmferry-test', dir]);
  const image = await createImage(dir, 'replica.qcow2', 'qcow2', bytes.length);
  const replica = await device(t, await qemuNbd(t, dir, image, '-f', 'qcow2'));
  const manifest = memoryManifest(bytes.length);
  const options = {
    source: new MemoryDisk(bytes),
    replica,
    manifest,
    mode: 'unknown',
    inFlight: 2,
    atRiskBytes: 5 * MIB,
  } as const;
  const failure = await failsAs(copyDisk(options), 'NoSpace', /no space left on the device/);
  assert.equal(failure.cure, 'attention');
  const known = bytes.length - (await manifest.unknownBytes());
  assert.ok(known > 0, 'what fitted is kept');

  await run('mount', ['-o', 'remount,size=80M', dir]);
  const stats = await copyDisk(options);
  assert.equal(stats.resumedFromBytes, known);
  assert.ok((await readAll(replica)).equals(bytes));
});

test('a source that dies in mid-copy stops it as Unreachable, and another server of it serves the rest', async (t) => {
  const dir = await folder(t);
  const bytes = noise(64 * MIB, 22);
  await writeFile(join(dir, 'source.raw'), bytes);
  const { replica, manifest } = await emptyReplica(t, dir, bytes.length);
  const options = { replica, manifest, mode: 'unknown', inFlight: 4, commitEveryMs: 100 } as const;
  const dying = await nbdkit(t, dir, '--filter=delay', 'file', join(dir, 'source.raw'), 'rdelay=50ms');
  setTimeout(() => void dying.end('SIGKILL'), 400);
  await failsAs(copyDisk({ ...options, source: await device(t, dying) }), 'Unreachable');
  const source = await device(t, await qemuNbd(t, dir, join(dir, 'source.raw'), '-f', 'raw', '-r'));
  const stats = await copyDisk({ ...options, source });
  assert.ok(stats.resumedFromBytes > 0);
  assert.ok((await readAll(replica)).equals(bytes));
});

test('a target that dies in mid-copy stops it as Unreachable', async (t) => {
  const dir = await folder(t);
  const bytes = noise(64 * MIB, 23);
  const server = await nbdkit(t, dir, '--filter=delay', 'memory', '64M', 'wdelay=50ms');
  setTimeout(() => void server.end('SIGKILL'), 300);
  const [replica, manifest] = [await device(t, server), memoryManifest(bytes.length)];
  await failsAs(
    copyDisk({ source: new MemoryDisk(bytes), replica, manifest, mode: 'unknown', inFlight: 4 }),
    'Unreachable',
  );
});

test('a target that falls silent is given up, and a cancelled copy does not wait for it', async (t) => {
  const dir = await folder(t);
  const bytes = noise(32 * MIB, 24);
  const image = await createImage(dir, 'replica.raw', 'raw', bytes.length);
  const server = await qemuNbd(t, dir, image, '-f', 'raw');
  const replica = await device(t, server, { timeoutMs: 1_500 });
  process.kill(server.pid, 'SIGSTOP');
  const source = new MemoryDisk(bytes);
  const aborter = new AbortController();
  const manifest = memoryManifest(bytes.length);
  const cancelled = failsAs(
    copyDisk({ source, replica, manifest, mode: 'unknown', signal: aborter.signal }),
    'Cancelled',
  );
  await new Promise((resolve) => setTimeout(resolve, 200));
  const startedMs = performance.now();
  aborter.abort();
  await cancelled;
  assert.ok(performance.now() - startedMs < 1_000);
  await failsAs(copyDisk({ source, replica, manifest, mode: 'unknown' }), 'Timeout', /did not answer/);
});

test('one flipped byte in the replica is found, marked, and mended by the next copy', async (t) => {
  const dir = await folder(t);
  const bytes = noise(16 * MIB, 25);
  const { image, manifestFile, replica, manifest, end } = await emptyReplica(t, dir, bytes.length, 'raw');
  await copyDisk({ source: new MemoryDisk(bytes), replica, manifest, mode: 'unknown' });
  await end();
  await run('qemu-io', ['-f', 'raw', '-c', `write -P ${(bytes[5 * MIB + 77] ?? 0) ^ 1} ${5 * MIB + 77} 1`, image]);
  const past = await device(t, await qemuNbd(t, dir, image, '-f', 'raw', '-r', '--cache=none'));
  const store = await device(t, await qemuNbd(t, dir, manifestFile, '-f', 'raw'));
  const opened = new Manifest(store, bytes.length);

  const found = await verifyReplica({ replica: past, manifest: opened, markMismatches: true });
  assert.deepEqual([found.passed, found.mismatches, found.mismatching], [false, 1, [80]]);
  assert.equal(found.bytesRead, bytes.length);
  assert.equal(
    (await verifyReplica({ replica: past, manifest: opened, only: [{ first: 0, count: 80 }] })).passed,
    true,
  );
  const unknown = await verifyReplica({ replica: past, manifest: opened });
  assert.deepEqual([unknown.passed, unknown.unknown, unknown.mismatches], [false, 1, 0]);

  const server = await qemuNbd(t, dir, image, '-f', 'raw');
  const stats = await copyDisk({
    source: new MemoryDisk(bytes),
    replica: await device(t, server),
    manifest: opened,
    mode: 'unknown',
  });
  assert.equal(stats.leavesCopied, 1);
  assert.equal((await verifyReplica({ replica: past, manifest: opened })).passed, true);
});

test('a sparse disk of 256 GiB is seeded and verified in seconds, with bounded memory', async (t) => {
  const dir = await folder(t);
  const size = 256 * 2 ** 30;
  const image = await createImage(dir, 'source.qcow2', 'qcow2', size);
  await run('qemu-io', ['-f', 'qcow2', '-c', 'write -P 5 200G 1M', image]);
  const source = await device(t, await qemuNbd(t, dir, image, '-f', 'qcow2', '-r'));
  const { replica, manifest } = await emptyReplica(t, dir, size);
  const before = process.memoryUsage.rss();
  const stats = await copyDisk({ source, replica, manifest, mode: 'unknown' });
  const more = (process.memoryUsage.rss() - before) / MIB;
  assert.ok(more < 100, `${more} MiB more`);
  assert.deepEqual([stats.bytesRead, stats.bytesWritten, stats.totalBytes], [MIB, MIB, size]);
  const verified = await verifyReplica({ replica, manifest });
  assert.deepEqual([verified.passed, verified.bytesRead, verified.leavesChecked], [true, MIB, size / 65_536]);
});
