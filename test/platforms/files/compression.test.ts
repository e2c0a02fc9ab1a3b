import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, open, readFile, readdir, readlink, rm, stat, writeFile, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { constants, gzipSync } from 'node:zlib';
import { compressionOf, compressionOfName, unpack } from '../../../src/platforms/files/compression.js';
import { COMPRESSIONS, type Compression } from '../../../src/platforms/files/foreign.js';
import { memberStream } from '../../../src/platforms/files/member-stream.js';
import { fromBuffer, type RandomAccess } from '../../../src/platforms/files/random-access.js';

const MIB = 1024 * 1024;
let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vmferry-unpack-'));
});
after(() => rm(folder, { recursive: true }));

/** Enough for a third read of it. */
const RANDOM = randomBytes(4 * MIB + 99);

/** The most that this process ever held. */
const peakBytes = () => process.resourceUsage().maxRSS * 1024;

const TOOLS = { gzip: 'gzip', bzip2: 'bzip2', xz: 'xz', zstd: 'zstd' };

function packed(how: Compression, bytes: Buffer): Buffer {
  const { stdout, status } = spawnSync(TOOLS[how], ['-1', '-c'], { input: bytes, maxBuffer: 64 * MIB });
  assert.equal(status, 0);
  return stdout;
}

async function withFile<T>(work: (into: FileHandle, path: string) => Promise<T>): Promise<T> {
  const path = join(folder, randomBytes(6).toString('hex'));
  const into = await open(path, 'w+');
  try {
    return await work(into, path);
  } finally {
    await into.close();
    await rm(path);
  }
}

const named = (bytes: Buffer) => fromBuffer(bytes, 'disk.img.z');

async function refused(bytes: Buffer, how: Compression, message: RegExp, maxBytes = 64 * MIB): Promise<void> {
  const unpacked = withFile((into) => unpack(named(bytes), how, into, { maxBytes }));
  await assert.rejects(unpacked, (error: Error & { code?: string }) => {
    assert.equal(error.code, 'HostileInput', String(error));
    assert.match(error.message, /cannot unpack disk\.img\.z: /);
    assert.match(error.message, message);
    return true;
  });
}

/** Programs that this process started and that still run. */
async function children(): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    const parent = /\) \S (\d+) /.exec(line)?.[1];
    if (parent === `${process.pid}`) found.push(await readlink(`/proc/${pid}/exe`).catch(() => `${pid}, which ends`));
  }
  return found;
}

const sparse = () => {
  const bytes = Buffer.alloc(9 * MIB + 777);
  randomBytes(100).copy(bytes, 3 * MIB - 50);
  randomBytes(MIB).copy(bytes, 5 * MIB + 1);
  return bytes;
};
const contents: Record<string, () => Buffer> = {
  'random data': () => RANDOM,
  'data with holes': sparse,
  'nothing but zeroes': () => Buffer.alloc(2 * MIB),
  'nothing at all': () => Buffer.alloc(0),
  'one byte': () => Buffer.from('x'),
};

for (const how of COMPRESSIONS) {
  for (const [what, make] of Object.entries(contents)) {
    test(`${what}, compressed by ${how}, comes out as it was`, async () => {
      const bytes = make();
      const from = named(packed(how, bytes));
      assert.equal(await compressionOf(from), how);
      await withFile(async (into, path) => {
        await writeFile(path, randomBytes(12 * MIB));
        const told: number[] = [];
        const options = { onProgress: (readBytes: number) => told.push(readBytes) };
        assert.equal(await unpack(from, how, into, { maxBytes: bytes.length }, options), bytes.length);
        assert.ok((await readFile(path)).equals(bytes));
        assert.equal(told.at(-1), from.sizeBytes);
        if (what === 'data with holes') {
          const { blocks } = await stat(path);
          assert.ok(blocks * 512 < 2 * MIB, `${blocks * 512} bytes are taken on the disk`);
        }
      });
    });
  }

  test(`two streams of ${how}, one after the other, are one`, async () => {
    const [one, two] = [randomBytes(MIB), randomBytes(99)];
    await withFile(async (into, path) => {
      await unpack(named(Buffer.concat([packed(how, one), packed(how, two)])), how, into, { maxBytes: 2 * MIB });
      assert.ok((await readFile(path)).equals(Buffer.concat([one, two])));
    });
  });

  test(`${how} that is cut off, damaged, or followed by something else is refused`, async () => {
    const whole = packed(how, randomBytes(2 * MIB + 5));
    for (const cut of [20, 1000, MIB, whole.length - 9, whole.length - 1])
      await refused(whole.subarray(0, cut), how, /./);
    const damaged = Buffer.from(whole);
    damaged[MIB] = (damaged[MIB] ?? 0) ^ 1;
    await refused(damaged, how, /./);
    await refused(Buffer.concat([whole, Buffer.from('something else')]), how, /./);
    await refused(Buffer.concat([whole, randomBytes(3 * MIB)]), how, /./);
  });

  test(`something that is not ${how} is refused`, async () => {
    for (const other of COMPRESSIONS.filter((each) => each !== how)) {
      await refused(packed(other, Buffer.from('x')), how, new RegExp(`it does not begin as ${how} does`));
    }
    await refused(Buffer.alloc(0), how, /it does not begin/);
  });

  test(`one byte more than is allowed out of ${how} is refused`, () =>
    refused(packed(how, randomBytes(MIB)), how, /more than the 1048575 bytes/, MIB - 1));

  test(`unpacking ${how} stops when it is cancelled, and no program is left`, async () => {
    const bytes = packed(how, RANDOM);
    const stop = new AbortController();
    let reads = 0;
    const slow: RandomAccess = {
      ...named(bytes),
      read: async (at, length, signal) => {
        if (++reads > 2) await sleep(20_000, undefined, { signal });
        return bytes.subarray(at, at + length);
      },
    };
    setTimeout(() => stop.abort(new Error('enough')), 300);
    const begun = Date.now();
    await withFile(async (into) => {
      await assert.rejects(unpack(slow, how, into, { maxBytes: 64 * MIB }, { signal: stop.signal }), /enough/);
    });
    assert.ok(Date.now() - begun < 10_000);
    assert.deepEqual(await children(), []);
  });

  test(`an error of the reader, or of who looks for room, ends ${how} as it is, and no program is left`, async () => {
    const bytes = packed(how, RANDOM);
    const broken: RandomAccess = {
      ...named(bytes),
      read: (at, length) =>
        at > MIB ? Promise.reject(new Error('lost')) : Promise.resolve(bytes.subarray(at, at + length)),
    };
    const maxBytes = 64 * MIB;
    await withFile((into) => assert.rejects(unpack(broken, how, into, { maxBytes }), /^Error: lost$/));
    const reserveBytes = () => Promise.reject(new Error('no room'));
    const crowded = (into: FileHandle) => unpack(named(bytes), how, into, { maxBytes, reserveBytes });
    await withFile((into) => assert.rejects(crowded(into), /^Error: no room$/));
    assert.deepEqual(await children(), []);
  });
}

test('a bomb is refused early, with little memory', async () => {
  const bomb = Buffer.concat(Array<Buffer>(64).fill(gzipSync(Buffer.alloc(16 * MIB), { level: 9 })));
  assert.ok(bomb.length < 1.1 * MIB);
  const [begun, before] = [Date.now(), peakBytes()];
  await refused(bomb, 'gzip', /more than the 10485760 bytes that are allowed come out/, 10 * MIB);
  assert.ok(Date.now() - begun < 5_000, `${Date.now() - begun} ms`);
  assert.ok(peakBytes() - before < 100 * MIB, `${(peakBytes() - before) / MIB} MiB`);
});

test('much that comes out of little takes little memory, and is asked room for', async () => {
  const member = gzipSync(Buffer.alloc(64 * MIB));
  const [asked, before] = [[] as number[], peakBytes()];
  const from = named(Buffer.concat(Array<Buffer>(5).fill(member)));
  await withFile(async (into) => {
    const reserveBytes = async () => void asked.push((await into.stat()).size);
    assert.equal(await unpack(from, 'gzip', into, { maxBytes: 400 * MIB, reserveBytes }), 320 * MIB);
    assert.equal((await into.stat()).size, 320 * MIB);
  });
  assert.equal(asked.length, 5);
  assert.ok(peakBytes() - before < 100 * MIB, `${(peakBytes() - before) / MIB} MiB`);
});

test('a member of gzip that ends where a piece of the file does is not the last', async () => {
  const stored = (lengthBytes: number) => gzipSync(randomBytes(lengthBytes), { level: constants.Z_NO_COMPRESSION });
  const overhead = stored(2 * MIB - 1000).length - (2 * MIB - 1000);
  const first = stored(2 * MIB - overhead);
  assert.equal(first.length, 2 * MIB);
  await withFile(async (into) => {
    const from = named(Buffer.concat([first, gzipSync(Buffer.from('the end'))]));
    assert.equal(await unpack(from, 'gzip', into, { maxBytes: 4 * MIB }), 2 * MIB - overhead + 7);
  });
});

test('zeroes that fill up a gzip file are no matter, but what hides behind them is', async () => {
  const one = gzipSync(Buffer.from('one'));
  await withFile(async (into) => {
    const filled = named(Buffer.concat([one, Buffer.alloc(5 * MIB)]));
    assert.equal(await unpack(filled, 'gzip', into, { maxBytes: 100 }), 3);
  });
  for (const zeroes of [1, 512, 2 * MIB - one.length, 5 * MIB]) {
    await refused(Buffer.concat([one, Buffer.alloc(zeroes), one]), 'gzip', /something else follows|incorrect header/);
  }
});

test('an xz file that asks for more memory than is sensible is refused', async () => {
  const { stdout } = spawnSync('xz', ['-c', '--lzma2=preset=0,dict=512MiB'], {
    input: Buffer.from('x'),
    maxBuffer: MIB,
  });
  await refused(stdout, 'xz', /[Mm]emory/);
});

test('a disk that is full is no fault of the file', async () => {
  const from = named(packed('zstd', randomBytes(2 * MIB)));
  await withFile(async (into) => {
    const full = { truncate: (size: number) => into.truncate(size), write: () => Promise.reject(noRoom) };
    const noRoom = Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
    await assert.rejects(unpack(from, 'zstd', full as unknown as FileHandle, { maxBytes: 4 * MIB }), {
      code: 'NoSpace',
    });
  });
});

test('how a file is compressed is seen by its first bytes, or by its name', async () => {
  const begins = (bytes: Buffer | string) => compressionOf(named(Buffer.from(bytes)));
  for (const bytes of ['', 'B', 'BZh', 'BZh9 is no block', 'QFI\xfb', Buffer.from('1f8b', 'hex'), Buffer.alloc(20)]) {
    assert.equal(await begins(bytes), null);
  }
  assert.equal(await begins(Buffer.from('28b52ffd', 'hex')), 'zstd');
  const names = [
    'a.GZ',
    'a.tgz',
    'vm.ova.gz',
    'a.bz2',
    'a.tbz2',
    'a.tar.xz',
    'a.txz',
    'a.zst',
    'a.vmdk',
    'gz',
    'a.gz.vmdk',
  ];
  const expected = ['gzip', 'gzip', 'gzip', 'bzip2', 'bzip2', 'xz', 'xz', 'zstd', null, null, null];
  assert.deepEqual(names.map(compressionOfName), expected);
});

test('a stream reads one piece ahead and no more, and all reads have ended when it is left', async () => {
  let [begun, ended] = [0, 0];
  const from: RandomAccess = {
    name: 'slow',
    sizeBytes: 20 * MIB,
    read: async (_at, length) => {
      begun++;
      await sleep(20);
      ended++;
      return Buffer.alloc(length);
    },
  };
  for await (const chunk of memberStream(from)) {
    assert.equal(chunk.length, 2 * MIB);
    assert.deepEqual([begun, ended], [2, 1]);
    break;
  }
  assert.deepEqual([begun, ended], [2, 2]);
});
