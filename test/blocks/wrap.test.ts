import assert from 'node:assert/strict';
import test from 'node:test';
import {
  counting,
  faulty,
  interceptReader,
  interceptStore,
  RateLimiter,
  throttled,
  timed,
} from '../../src/blocks/index.js';
import { MemoryDisk } from './memory-disk.js';
import { failsAs, LEAF, MIB } from './support.js';

test('counting counts what succeeded, by kind', async () => {
  const { counts, around } = counting();
  const disk = interceptStore(new MemoryDisk(MIB), around);
  await disk.write(0, Buffer.alloc(100));
  await disk.read(0, Buffer.alloc(40));
  await disk.read(0, Buffer.alloc(2));
  await disk.zero(0, 7);
  await disk.flush();
  await assert.rejects(disk.write(MIB, Buffer.alloc(1)));
  assert.deepEqual(counts, {
    read: { calls: 2, bytes: 42 },
    write: { calls: 1, bytes: 100 },
    zero: { calls: 1, bytes: 7 },
    flush: { calls: 1, bytes: 0 },
  });
});

test('faulty fails, delays or drops the calls it is told to', async () => {
  const memory = new MemoryDisk(MIB);
  const failing = interceptReader(memory, faulty({ on: ['read'], nth: 2, what: new Error('bad sector') }));
  await failing.read(0, Buffer.alloc(1));
  await assert.rejects(failing.read(0, Buffer.alloc(1)), /bad sector/);
  await failing.read(0, Buffer.alloc(1));
  const dropping = interceptStore(memory, faulty({ on: ['write'], what: 'drop' }));
  await dropping.write(0, Buffer.alloc(1, 1));
  assert.equal(memory.bytes[0], 0);
  const slow = interceptStore(memory, faulty({ what: 60 }));
  const startedMs = performance.now();
  await slow.flush();
  assert.ok(performance.now() - startedMs >= 59);
});

test('timed gives up a call that takes too long', async () => {
  const slow = interceptReader(new MemoryDisk(MIB), faulty({ what: 500 }));
  await failsAs(
    interceptReader(slow, timed(50)).read(0, Buffer.alloc(1)),
    'Timeout',
    /cannot read 1 bytes at 0: no answer for 0.05 s/,
  );
});

test('a limit is shared by several disks', async () => {
  const limiter = new RateLimiter(2 * MIB);
  const disks = [1, 2, 3].map(() => interceptReader(new MemoryDisk(MIB), throttled(limiter)));
  const startedMs = performance.now();
  await Promise.all(
    disks.map(async (disk) => {
      for (let at = 0; at < MIB / 2; at += LEAF) await disk.read(at, Buffer.alloc(LEAF));
    }),
  );
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs > 600 && tookMs < 1_200, `1.5 MiB at 2 MiB/s took ${tookMs} ms`);
});

test('a changed rate counts at once for who waits, and waiting ends when cancelled', async () => {
  const limiter = new RateLimiter(1_000);
  const slow = limiter.take(60_000);
  setTimeout(() => limiter.setRate(1_000_000), 50);
  const startedMs = performance.now();
  await slow;
  assert.ok(performance.now() - startedMs < 500);
  const aborter = new AbortController();
  setTimeout(() => aborter.abort(), 50);
  await failsAs(limiter.take(100_000_000, aborter.signal), 'Cancelled');
  assert.equal(limiter.bytesPerSecond, 1_000_000);
});
