import assert from 'node:assert/strict';
import test from 'node:test';
import { blake3 } from '@napi-rs/blake-hash';
import {
  copyDisk,
  counting,
  interceptStore,
  Manifest,
  manifestFileBytes,
  type LeafRange,
} from '../../src/blocks/index.js';
import { MemoryDisk } from './memory-disk.js';
import { createImage, device, failsAs, folder, LEAF, memoryManifest, MIB, noise, qemuNbd } from './support.js';

async function unknown(manifest: Manifest): Promise<LeafRange[]> {
  const ranges: LeafRange[] = [];
  for await (const { first, count } of manifest.unknown()) {
    const last = ranges.at(-1);
    if (last && last.first + last.count === first) last.count += count;
    else ranges.push({ first, count });
  }
  return ranges;
}

test('leaves are unknown until they are set, and again when they are marked', async () => {
  const manifest = memoryManifest(10 * LEAF + 5);
  assert.equal(manifest.leafCount, 11);
  assert.deepEqual(await unknown(manifest), [{ first: 0, count: 11 }]);
  await manifest.set(2, noise(3 * 32, 1));
  assert.ok((await manifest.get(2, 3)).equals(noise(3 * 32, 1)));
  await manifest.markUnknown({ first: 3, count: 1 });
  await manifest.fill({ first: 7, count: 4 }, noise(32, 2));
  assert.deepEqual(await unknown(manifest), [
    { first: 0, count: 2 },
    { first: 3, count: 1 },
    { first: 5, count: 2 },
  ]);
  assert.equal(await manifest.unknownBytes(), 5 * LEAF);
  await manifest.markUnknown({ first: 10, count: 1 });
  assert.equal(await manifest.unknownBytes(), 5 * LEAF + 5);
});

test('what was flushed is there when the manifest is opened again', async () => {
  const size = 600 * MIB;
  const disk = new MemoryDisk(manifestFileBytes(size));
  const manifest = new Manifest(disk, size, 2);
  const digests = noise(9_600 * 32, 3);
  await manifest.set(0, digests);
  await manifest.markUnknown({ first: 100, count: 9_000 });
  await manifest.flush();
  const again = new Manifest(disk, size);
  assert.deepEqual(await unknown(again), [{ first: 100, count: 9_000 }]);
  assert.ok((await again.get(9_100, 500)).equals(digests.subarray(9_100 * 32)));
});

test('a manifest of a disk of 16 TiB is listed without being read where it was never written', async (t) => {
  const dir = await folder(t);
  const size = 16 * 2 ** 40;
  const image = await createImage(dir, 'manifest.qcow2', 'qcow2', manifestFileBytes(size));
  const opened = await device(t, await qemuNbd(t, dir, image, '-f', 'qcow2'));
  const { counts, around } = counting();
  const manifest = new Manifest(interceptStore(opened, around), size);
  await manifest.set(200_000_000, noise(32, 4));
  await manifest.flush();
  assert.deepEqual(await unknown(manifest), [
    { first: 0, count: 200_000_000 },
    { first: 200_000_001, count: manifest.leafCount - 200_000_001 },
  ]);
  assert.ok(counts.read.bytes < 4 * MIB, `${counts.read.bytes} bytes read`);
});

test('a manifest file that is too small is refused', () => {
  assert.throws(() => new Manifest(new MemoryDisk(4096), 129 * LEAF), /cannot use a manifest of 4096 bytes/);
});

test('the root digest depends on version, size and leaves in order, as docs/manifest.md says', async () => {
  // The test vector of docs/manifest.md: 65,537 bytes, byte i is i mod 251.
  const bytes = Buffer.from(Uint8Array.from({ length: 65_537 }, (_, i) => i % 251));
  const manifest = memoryManifest(bytes.length);
  await failsAs(manifest.rootDigest(), 'VerifyFailed', /leaf 0 is not known/);
  await copyDisk({ source: new MemoryDisk(bytes), replica: new MemoryDisk(bytes.length), manifest, mode: 'unknown' });
  const header = Buffer.alloc(32);
  header.write('vmferry root v1\n', 'latin1');
  header.writeBigUInt64LE(65_537n, 16);
  header.writeBigUInt64LE(65_536n, 24);
  const leaves = [blake3(bytes.subarray(0, 65_536)), blake3(bytes.subarray(65_536))];
  const root = await manifest.rootDigest();
  assert.equal(root, blake3(Buffer.concat([header, ...leaves])).toString('hex'));
  assert.equal(root, 'baf4555f3fa587f8465ea77cfdf600c9ccfa8e136ed730d435827ca196d0c943');
  const longer = memoryManifest(bytes.length + 1);
  await longer.set(0, await manifest.get(0, 2));
  assert.notEqual(await longer.rootDigest(), root, 'the size counts');
});
