import assert from 'node:assert/strict';
import test from 'node:test';
import { Progress } from '../../activities/progress.js';
import { verifyDisks } from '../../activities/verify-disks.js';
import { copyDisk, LEAF_BYTES, Manifest, manifestFileBytes, RateLimiter } from '../../src/blocks/index.js';
import type { TargetSite } from '../../src/platforms/platform.js';
import { MemoryDisk } from '../blocks/memory-disk.js';
import { noise } from '../blocks/support.js';

const SIZE = 10 * LEAF_BYTES + 1024;

/** A whole replica of one disk in memory, at a target of which only what verifying needs is there. */
async function world(): Promise<{ target: TargetSite; verified: number[] }> {
  const source = new MemoryDisk(noise(SIZE, 1));
  const [data, manifest] = [new MemoryDisk(SIZE), new MemoryDisk(manifestFileBytes(SIZE))];
  await copyDisk({ source, replica: data, manifest: new Manifest(manifest, SIZE), mode: 'unknown' });
  const verified: number[] = [];
  const target = {
    readReplica: () =>
      Promise.resolve({ disks: [{ id: 'vda', sizeBytes: SIZE }], whole: { pass: 2 }, verifiedPass: 1 }),
    openForVerify: () => Promise.resolve({ disks: [{ id: 'vda', data, manifest }], close: () => Promise.resolve() }),
    noteVerified: (_id: string, pass: number) => Promise.resolve(void verified.push(pass)),
  } as unknown as TargetSite;
  return { target, verified };
}

test('the progress of reading back what a pass wrote counts that alone, and is done at the end', async () => {
  const { target, verified } = await world();
  const progress = new Progress();
  const plan = { limiter: new RateLimiter(null), progress, signal: new AbortController().signal, roots: false };
  // The last leaf of the disk is a short one.
  const ranges = {
    vda: [
      { first: 2, count: 3 },
      { first: 10, count: 1 },
    ],
  };
  assert.equal((await verifyDisks(target, '0123456789ab', { ...plan, ranges })).failure, null);
  const [part] = progress.list();
  assert.deepEqual([part?.doneBytes, part?.totalBytes], [3 * LEAF_BYTES + 1024, 3 * LEAF_BYTES + 1024]);
  assert.deepEqual(verified, [2]);

  await verifyDisks(target, '0123456789ab', { ...plan, ranges: null });
  const [all] = progress.list();
  assert.deepEqual([all?.doneBytes, all?.totalBytes], [SIZE, SIZE]);
});
