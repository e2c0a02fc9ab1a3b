import assert from 'node:assert/strict';
import test from 'node:test';
import { compareDisks } from '../../src/blocks/index.js';
import { MemoryDisk } from './memory-disk.js';
import { MIB, noise } from './support.js';

const LEAF = 65_536;

/** Data, then nothing, then a last block that is short. */
function content(): Buffer {
  return Buffer.concat([noise(2 * MIB, 5), Buffer.alloc(10 * MIB), noise(700, 6)]);
}

test('two disks are compared whole: what differs is counted in blocks of 64 KiB, wherever only one has data', async () => {
  const one = content();
  const other = content();
  assert.equal(await compareDisks(new MemoryDisk(one), new MemoryDisk(other)), 0);
  // Twice in one block, at a border, in what is a hole in the other, and in the last byte.
  for (const at of [10, 20, LEAF * 7 - 1, LEAF * 7, 5 * MIB + 3, other.length - 1]) other[at]! ^= 1;
  assert.equal(await compareDisks(new MemoryDisk(one), new MemoryDisk(other)), 5);
  assert.equal(await compareDisks(new MemoryDisk(other), new MemoryDisk(one)), 5);
});

test('a comparison tells how far it is, and can be cancelled', async () => {
  const told: number[] = [];
  const bytes = content();
  const onProgress = ({ doneBytes }: { doneBytes: number }) => void told.push(doneBytes);
  await compareDisks(new MemoryDisk(bytes), new MemoryDisk(bytes), { onProgress });
  assert.equal(told.at(-1), bytes.length);
  const stop = new AbortController();
  const slow = new MemoryDisk(bytes);
  slow.read = (_offset, _buffer) => {
    stop.abort();
    return Promise.reject(new Error('cut off'));
  };
  await assert.rejects(compareDisks(slow, new MemoryDisk(bytes), { signal: stop.signal }), { code: 'Cancelled' });
});
