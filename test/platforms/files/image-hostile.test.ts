import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { before } from 'node:test';
import { VmferryError } from '../../../src/errors.js';
import type { ImageFormat } from '../../../src/platforms/files/foreign.js';
import { MAX_DISK_BYTES } from '../../../src/platforms/files/image-header.js';
import { inspectImage, sniffFormat } from '../../../src/platforms/files/image.js';
import {
  MIB,
  changed,
  inMemory,
  qemuImg,
  sealVhd,
  sealVhdHeader,
  sealVhdx,
  withFolder,
  withFooter,
} from './image-fixture.js';

interface Made {
  format: ImageFormat;
  bytes: Buffer;
  /** Stretches that are read. */
  parts: [number, number][];
  seal: (copy: Buffer) => void;
}

const made = new Map<string, Made>();
const nothing = () => {};

before(async () => {
  await withFolder(async (folder) => {
    await writeFile(join(folder, 'content'), Buffer.alloc(MIB, 'content'));
    const convert = async (
      format: ImageFormat,
      options: string | null,
      parts: [number, number][],
      seal: (copy: Buffer) => void = nothing,
    ) => {
      const more = options ? ['-o', options] : [];
      await qemuImg(folder, 'convert', '-q', '-f', 'raw', '-O', format, ...more, 'content', 'disk');
      made.set(`${format} ${options ?? ''}`.trim(), {
        format,
        bytes: await readFile(join(folder, 'disk')),
        parts,
        seal,
      });
    };
    await convert('raw', null, [[0, 512]]);
    await convert('qcow2', null, [[0, 512]]);
    await convert('qcow2', 'compat=0.10', [[0, 256]]);
    await convert('qcow', null, [[0, 48]]);
    await convert('vmdk', 'subformat=monolithicSparse', [[0, 1024]]);
    await convert('vmdk', 'subformat=monolithicFlat', [[0, 400]]);
    await convert('vmdk', 'subformat=streamOptimized', [
      [0, 1024],
      [-1536, 1536],
    ]);
    const stream = of('vmdk subformat=streamOptimized');
    stream.bytes = withFooter(stream.bytes);
    await convert(
      'vpc',
      'subformat=fixed',
      [[-512, 512]],
      (copy) => copy.length >= 512 && sealVhd(copy.subarray(-512)),
    );
    await convert('vpc', 'subformat=dynamic', [[0, 1536]], (copy) => {
      sealVhd(copy);
      sealVhdHeader(copy.subarray(512));
    });
    await convert(
      'vhdx',
      null,
      [65536, 131072, 196608].map((at) => [at, 240]),
      sealVhdx,
    );
    const vhdx = of('vhdx');
    const table = vhdx.bytes.indexOf('metadata');
    vhdx.parts.push([table, 240], [table + 65536, 64]);
    await convert('vdi', null, [[0, 512]]);
    await qemuImg(folder, 'create', '-q', '-f', 'qcow2', '-b', 'content', '-F', 'raw', 'disk');
    made.set('qcow2 backing', {
      format: 'qcow2',
      bytes: await readFile(join(folder, 'disk')),
      parts: [[0, 700]],
      seal: nothing,
    });
  });
});

const of = (name: string): Made => {
  const found = made.get(name);
  assert.ok(found);
  return found;
};

/** Reads it, which may fail in one way only; and reads little. */
async function survives(format: ImageFormat, bytes: Buffer, what: string): Promise<boolean> {
  const image = inMemory(bytes, 'disk');
  try {
    const header = await inspectImage(image, format);
    assert.ok(header.sizeBytes >= 0 && header.sizeBytes <= MAX_DISK_BYTES && header.sizeBytes % 512 === 0, what);
    const { readBytes, reads } = image;
    const whole = header.checkTables?.() ?? Promise.resolve();
    await whole.catch((error: unknown) =>
      assert.ok(error instanceof VmferryError && error.code === 'HostileInput', what),
    );
    Object.assign(image, { readBytes, reads });
    return true;
  } catch (error) {
    if (!(error instanceof VmferryError) || error.code !== 'HostileInput') throw error;
    assert.match(error.message, /^\[files\] cannot read disk: /, what);
    assert.ok(error.message.length < 300, error.message);
    return false;
  } finally {
    assert.ok(
      image.readBytes <= 4 * MIB && image.reads < 200,
      `${what}: ${image.readBytes} bytes, ${image.reads} reads`,
    );
  }
}

/** A generator of numbers that are the same in every run (Park and Miller's). */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48271) % 0x7fffffff;
    return state % below;
  };
}

test('a header that ends anywhere is refused, or read', async () => {
  for (const [name, { format, bytes }] of made) {
    const ends = [
      ...Array.from({ length: 1025 }, (_, at) => at),
      ...Array.from({ length: 64 }, (_, part) => Math.floor((bytes.length * part) / 64) + (part % 3)),
    ].filter((end) => end < bytes.length);
    for (const end of ends) {
      await survives(format, bytes.subarray(0, end), `${name} until ${end}`);
      await sniffFormat(inMemory(bytes.subarray(0, end)));
    }
    assert.equal(await survives(format, bytes, name), true, name);
  }
});

test('bytes changed at random are refused, or read', async () => {
  const below = random(20240229);
  let read = 0;
  let refused = 0;
  for (const [name, { format, bytes, parts, seal }] of made) {
    for (let round = 0; round < 400; round++) {
      const places: string[] = [];
      const copy = changed(bytes, (all) => {
        for (let count = 1 + below(3); count > 0; count--) {
          const anywhere: [number, number] = [0, all.length];
          const [start, length] = round % 5 === 0 ? anywhere : parts[below(parts.length)]!;
          const at = (start < 0 ? all.length + start : start) + below(length);
          const value = [0, 255, 128, below(256)][below(4)] ?? 0;
          all.writeUInt8(value, at);
          places.push(`${at}=${value}`);
        }
        if (round % 4 > 0) seal(all);
      });
      if (await survives(format, copy, `${name} with ${places.join(' ')}`)) read++;
      else refused++;
    }
  }
  assert.ok(read > 200 && refused > 200, `${read} read, ${refused} refused`);
});

/** What is changed in an image, and what is said of it then. */
const HOSTILE: [string, string, (bytes: Buffer) => void, RegExp][] = [
  ['an absurd size', 'qcow2', (all) => all.writeBigUInt64BE(2n ** 47n, 24), /absurd size/],
  ['a size beyond all numbers', 'qcow2', (all) => all.writeBigUInt64BE(2n ** 64n - 1n, 24), /absurd/],
  ['a size that its table cannot hold', 'qcow2', (all) => all.writeBigUInt64BE(2n ** 45n, 24), /L1 table is too short/],
  ['a giant L1 table', 'qcow2', (all) => all.writeUInt32BE(0xffffffff, 36), /L1 table of .* too long/],
  ['an L1 table outside', 'qcow2', (all) => all.writeBigUInt64BE(2n ** 40n, 40), /L1 table .* beyond its end/],
  ['a giant refcount table', 'qcow2', (all) => all.writeUInt32BE(0xffffffff, 56), /refcount table of .* too long/],
  [
    'snapshots without end',
    'qcow2',
    (all) => all.writeUInt32BE(0xffffffff, 60),
    /absurd number of 4294967295 snapshots/,
  ],
  ['a name beyond the end', 'qcow2 backing', (all) => all.writeBigUInt64BE(2n ** 32n, 8), /not in its first cluster/],
  ['a giant name', 'qcow2 backing', (all) => all.writeUInt32BE(0x7fffffff, 16), /name of 2147483647 bytes/],
  ['giant clusters', 'qcow2', (all) => all.writeUInt32BE(63, 20), /cluster size of 2\^63/],
  [
    'unknown features',
    'qcow2',
    (all) => all.writeBigUInt64BE(1n << 40n, 72),
    /unknown features \(bits 0x10000000000\)/,
  ],
  ['a data file without a name', 'qcow2', (all) => all.writeBigUInt64BE(4n, 72), /which it does not name/],
  ['an extension without end', 'qcow2', (all) => all.writeUInt32BE(0xfffffff8, 116), /extensions is too long/],
  ['an absurd size', 'qcow', (all) => all.writeBigUInt64BE(2n ** 60n, 24), /absurd/],
  [
    'a name beyond the end',
    'qcow',
    (all) => (all.writeBigUInt64BE(2n ** 40n, 8), all.writeUInt32BE(9, 16)),
    /beyond its end/,
  ],
  ['an absurd size', 'vmdk subformat=monolithicSparse', (all) => all.writeBigUInt64LE(2n ** 50n, 12), /absurd size/],
  ['giant grains', 'vmdk subformat=monolithicSparse', (all) => all.writeBigUInt64LE(2n ** 40n, 20), /grain size/],
  [
    'a giant descriptor',
    'vmdk subformat=monolithicSparse',
    (all) => all.writeBigUInt64LE(2n ** 20n, 36),
    /longer than 1 MiB/,
  ],
  [
    'a descriptor outside',
    'vmdk subformat=monolithicSparse',
    (all) => all.writeBigUInt64LE(2n ** 40n, 28),
    /beyond its end/,
  ],
  [
    'a directory outside',
    'vmdk subformat=monolithicSparse',
    (all) => all.writeBigUInt64LE(2n ** 40n, 56),
    /beyond its end/,
  ],
  [
    'another size at its end',
    'vmdk subformat=streamOptimized',
    (all) => all.writeBigUInt64LE(2n, all.length - 1012),
    /another size/,
  ],
  [
    'an absurd extent',
    'vmdk subformat=monolithicFlat',
    (all) => all.write('RW 99999999999999 FLAT "a" 0\n#', all.indexOf('RW ')),
    /the size of the extent/,
  ],
  ['an absurd size', 'vpc subformat=dynamic', (all) => all.writeBigUInt64BE(2n ** 62n, 48), /absurd/],
  ['a giant table', 'vpc subformat=dynamic', (all) => all.writeUInt32BE(0xffffffff, 512 + 28), /table is absurd/],
  ['a table outside', 'vpc subformat=dynamic', (all) => all.writeBigUInt64BE(2n ** 40n, 512 + 16), /beyond its end/],
  ['a header outside', 'vpc subformat=dynamic', (all) => all.writeBigUInt64BE(2n ** 40n, 16), /beyond its end/],
  [
    'a size beyond its end',
    'vpc subformat=fixed',
    (all) => all.writeUInt16BE(60000, all.length - 456),
    /beyond its end/,
  ],
  [
    'regions without end',
    'vhdx',
    (all) => all.writeUInt32LE(0xffffffff, 196608 + 8),
    /absurd number of 4294967295 regions/,
  ],
  ['a region outside', 'vhdx', (all) => all.writeBigUInt64LE(2n ** 40n, 196608 + 32), /beyond its end/],
  ['an absurd size', 'vdi', (all) => all.writeBigUInt64LE(2n ** 60n, 0x170), /absurd/],
  ['a giant map', 'vdi', (all) => all.writeUInt32LE(0xffffffff, 0x180), /block map .* beyond its end/],
  ['more blocks than its map', 'vdi', (all) => all.writeUInt32LE(1000, 0x184), /more blocks/],
];

for (const [what, name, change, message] of HOSTILE) {
  test(`${name} with ${what} is refused`, async () => {
    const { format, bytes, seal } = of(name);
    const copy = changed(bytes, (all) => {
      change(all);
      seal(all);
    });
    const image = inMemory(copy, 'disk');
    await assert.rejects(inspectImage(image, format), { code: 'HostileInput', message });
    assert.ok(image.readBytes < 300_000, `${image.readBytes}`);
  });
}

test('an image that is asked for with a signal passes it on', async () => {
  const { bytes } = of('qcow2');
  const controller = new AbortController();
  const seen = new Set<AbortSignal | undefined>();
  const image = inMemory(bytes);
  const read = image.read.bind(image);
  image.read = async (at, length, signal) => {
    seen.add(signal);
    return await read(at, length, signal);
  };
  await inspectImage(image, 'qcow2', controller.signal);
  assert.deepEqual([...seen], [controller.signal]);
});
