import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { deflateSync } from 'node:zlib';
import type { BlockReader } from '../../../src/blocks/index.js';
import { openChain } from '../../../src/platforms/files/image-chain.js';
import { openLocalFolder } from '../../../src/platforms/files/local-folder.js';
import { openStream } from '../../../src/platforms/files/stream-reader.js';
import { changed, withFooter } from './image-fixture.js';

const run = promisify(execFile);
const MIB = 2 ** 20;
const GRAIN = 64 * 1024;
// Data, a hole of more than a table, data up to an end within a grain.
const content = Buffer.alloc(70 * MIB + 1536);
randomBytes(3 * MIB + 12_345).copy(content, MIB);
content.write('at the end', content.length - 10);

let work: string;
let image: Buffer;
before(async () => {
  work = await mkdtemp(join(tmpdir(), 'vmferry-stream-test-'));
  await writeFile(join(work, 'content'), content);
  const [from, to] = [join(work, 'content'), join(work, 'made.vmdk')];
  await run('qemu-img', ['convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=streamOptimized', from, to]);
  image = await readFile(to);
});
after(() => rm(work, { recursive: true }));

async function opened(t: TestContext, bytes: Buffer, check = true): Promise<BlockReader | null> {
  await writeFile(join(work, 'web01.vmdk'), bytes);
  const chain = await openChain(await openLocalFolder(work), 'web01.vmdk', 'vmdk');
  t.after(() => chain.close());
  return await openStream(chain, check);
}

async function all(reader: BlockReader): Promise<Buffer> {
  const bytes = Buffer.alloc(reader.sizeBytes, 0xff);
  let at = 0;
  for await (const { offsetBytes, lengthBytes, kind } of reader.extents(0, reader.sizeBytes)) {
    assert.equal(offsetBytes, at);
    at += lengthBytes;
    if (kind === 'zero') bytes.fill(0, offsetBytes, at);
    else
      for (let piece = offsetBytes; piece < at; piece += MIB)
        await reader.read(piece, bytes.subarray(piece, Math.min(piece + MIB, at)));
  }
  assert.equal(at, reader.sizeBytes);
  return bytes;
}

const at = (offset: number) => image.readUInt32LE(offset);
/** Where the grain of a place of the disk lies, by the tables. */
const placeOf = (offset: number) => {
  const table = at(Number(image.readBigUInt64LE(56)) * 512 + Math.floor(offset / (512 * GRAIN)) * 4) * 512;
  return {
    entry: table + (Math.floor(offset / GRAIN) % 512) * 4,
    grain: at(table + (Math.floor(offset / GRAIN) % 512) * 4) * 512,
  };
};

test('every byte reads as what the image was made of, also within a grain, and holes are zeroes', async (t) => {
  for (const bytes of [image, withFooter(image)]) {
    const reader = (await opened(t, bytes))!;
    assert.ok((await all(reader)).equals(content));
    for (const [offset, length] of [
      [MIB - 5, 10],
      [MIB + GRAIN - 1, 2],
      [0, 3 * MIB],
      [content.length - 10, 10],
      [40 * MIB, 0],
    ] as const) {
      const buffer = Buffer.alloc(length, 0xff);
      await reader.read(offset, buffer);
      assert.ok(buffer.equals(content.subarray(offset, offset + length)), `${offset}`);
    }
    const kinds: string[] = [];
    for await (const { kind } of reader.extents(0, reader.sizeBytes)) if (kind !== kinds.at(-1)) kinds.push(kind);
    assert.deepEqual(kinds, ['zero', 'data', 'zero', 'data']);
  }
});

test('a grain that is damaged, stands for two places, is cut off or is a bomb is refused', async (t) => {
  const [first, second] = [placeOf(MIB), placeOf(MIB + GRAIN)];
  const bomb = deflateSync(Buffer.alloc(2 * GRAIN));
  for (const [change, message] of [
    [
      (copy: Buffer) => copy.writeUInt8(copy.readUInt8(first.grain + 5000) ^ 1, first.grain + 5000),
      /the grain at byte/,
    ],
    [(copy: Buffer) => copy.writeUInt32LE(first.grain / 512, second.entry), /stands for another place/],
    [(copy: Buffer) => copy.writeUInt32LE(0xffffffff, first.grain + 8), /absurd length/],
    [(copy: Buffer) => copy.writeUInt32LE(bomb.copy(copy, first.grain + 12), first.grain + 8), /the grain at byte/],
    [(copy: Buffer) => copy.writeUInt32LE(1, first.entry), /the grain at byte 512: /],
    [
      (copy: Buffer) => copy.writeUInt32LE(deflateSync('short').copy(copy, first.grain + 12), first.grain + 8),
      /less than/,
    ],
  ] as const) {
    const reader = (await opened(t, changed(image, change)))!;
    await assert.rejects(all(reader), { code: 'HostileInput', message });
  }
  await assert.rejects(opened(t, image.subarray(0, placeOf(content.length - 1).grain + 16)), { code: 'HostileInput' });
});

test('a directory of 64 TiB whose entries all point to one table is refused', { timeout: 30_000 }, async (t) => {
  const table = at(Number(image.readBigUInt64LE(56)) * 512);
  const entries = Buffer.alloc((64 * 2 ** 40) / ((512 * GRAIN) / 4));
  for (let entry = 0; entry < entries.length; entry += 4) entries.writeUInt32LE(table, entry);
  const start = Buffer.concat([image, Buffer.alloc((512 - (image.length % 512)) % 512)]);
  const bomb = changed(Buffer.concat([start, entries]), (copy) => {
    copy.writeBigUInt64LE(2n ** 46n / 512n, 12);
    copy.writeBigUInt64LE(BigInt(start.length / 512), 56);
  });
  await assert.rejects(opened(t, bomb), { code: 'HostileInput', message: /more tables than there is room for/ });
});

test('what is no such image is left to QEMU', async (t) => {
  await run('qemu-img', ['create', '-q', '-f', 'vmdk', join(work, 'plain.vmdk'), '1M']);
  assert.equal(await opened(t, await readFile(join(work, 'plain.vmdk'))), null);
});
