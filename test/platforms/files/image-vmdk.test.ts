import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { extentFiles } from '../../../src/platforms/files/image-vmdk.js';
import { inspectImage } from '../../../src/platforms/files/image.js';
import { changed, inMemory, qemuImg, sizeByQemu, withFolder, withFooter } from './image-fixture.js';

const descriptor = (...lines: string[]) =>
  ['# Disk DescriptorFile', 'version=1', 'CID=12345678', 'parentCID=ffffffff', 'createType="vmfs"', ...lines].join(
    '\n',
  );

const inspect = async (text: string) => {
  const header = await inspectImage(inMemory(Buffer.from(text)), 'vmdk');
  return { ...header, ids: header.findings.map((finding) => finding.id) };
};

async function make(options: string): Promise<Buffer> {
  return await withFolder(async (folder) => {
    await writeFile(join(folder, 'content'), Buffer.alloc(2 ** 20, 'content'));
    await qemuImg(folder, 'convert', '-f', 'raw', '-O', 'vmdk', '-o', options, 'content', 'disk');
    return await readFile(join(folder, 'disk'));
  });
}

test('the extents of a descriptor are its references, and make its size', async () => {
  const header = await inspect(
    descriptor('RW 4096 VMFS "vm-flat.vmdk"', 'RW 2048 FLAT "größe.vmdk" 0', 'RW 8 SESPARSE "/etc/shadow"'),
  );
  assert.deepEqual([header.variant, header.sizeBytes, header.ids], ['vmfs', 6152 * 512, []]);
  assert.deepEqual(
    header.references.map((each) => each.name),
    ['vm-flat.vmdk', 'größe.vmdk', '/etc/shadow'],
  );
});

test('no way of writing a line that QEMU takes for an extent is overlooked', () => {
  const names = (text: string) => extentFiles(text).extents.map((each) => each.name);
  assert.deepEqual(names('  RW\n\n 5\nSPARSE\r\n "a'), ['a']);
  assert.deepEqual(names('RW 1\nRW 5 FLAT "b" 0'), ['b']);
  assert.deepEqual(names('RW 1 RW\nRW +5SPARSE"c"'), ['c']);
  assert.deepEqual(names('RW 5 VMFSSPARSE "d"\tRW 5 FLAT "e" 0'), ['d']);
  assert.deepEqual(names('x\r\n\tRW 1 FLAT "f" 0\n# RW 1 FLAT "g" 0'), ['f']);
});

test('white space without end does not take time without end', () => {
  const started = performance.now();
  for (const piece of ['\n', ' ', '\r', 'RW\n', 'RW 1 ', '1', 'RW 1 A\n', '"', 'RW 1 ZERO \n']) {
    extentFiles(`RW 1 ${piece.repeat(2 ** 20 / piece.length)}`);
  }
  assert.ok(performance.now() - started < 3000);
});

test('parts of a disk that QEMU leaves out are blocking', async () => {
  for (const line of ['RW 100 ZERO', 'RDONLY 100 FLAT "a.vmdk" 0', 'RW 100 VMFSRDM "a.vmdk"']) {
    const header = await inspect(descriptor('RW 10 VMFS "b.vmdk"', line));
    assert.deepEqual([header.sizeBytes, header.ids], [5120, ['disk.extent-not-read']], line);
  }
  const kind = await inspect(descriptor('RW 10 VMFS "b.vmdk"').replace('"vmfs"', '"vmfsRawDeviceMap"'));
  assert.deepEqual(kind.ids, ['disk.kind-not-read']);
});

test('a parent is a reference, also where only QEMU would see it', async () => {
  const parent = [{ kind: 'parent', name: 'json:{}', format: 'vmdk' }];
  const inText = await inspect(descriptor('# parentFileNameHint="json:{}"'));
  assert.deepEqual(inText.references, parent);

  const image = await make('subformat=monolithicSparse');
  const moved = changed(image, (copy) => {
    copy.writeBigUInt64LE(BigInt(image.length / 512), 28);
    copy.fill(0, 512, 512 + 20 * 512);
    copy.write('CID=1\nparentCID=2\nparentFileNameHint="json:{}"\n', 512);
  });
  const header = await inspectImage(inMemory(Buffer.concat([moved, image.subarray(512, 512 + 20 * 512)])), 'vmdk');
  assert.deepEqual([header.variant, header.references], ['monolithicSparse', parent]);
  await assert.rejects(inspect(descriptor('parentFileNameHint = "a"')), { message: /name of its parent is damaged/ });
});

test('a snapshot whose parent is not named is blocking', async () => {
  assert.deepEqual((await inspect(descriptor().replace('ffffffff', '0000abcd'))).ids, ['disk.differencing']);
});

test('a sparse file without a capacity is what its descriptor says', async () => {
  const image = changed(await make('subformat=monolithicSparse'), (copy) => {
    copy.writeBigUInt64LE(0n, 12);
    copy.fill(0, 512, 512 + 20 * 512);
    copy.write(descriptor('RW 10 FLAT "/etc/shadow" 0'), 512);
  });
  const header = await inspectImage(inMemory(image), 'vmdk');
  assert.deepEqual([header.variant, header.sizeBytes], ['vmfs', 5120]);
  assert.deepEqual(header.references, [{ kind: 'extent', name: '/etc/shadow', format: 'raw' }]);
});

test('a stream-optimized disk with a footer is read', async () => {
  await withFolder(async (folder) => {
    const image = withFooter(await make('subformat=streamOptimized'));
    await writeFile(join(folder, 'disk'), image);
    const header = await inspectImage(inMemory(image), 'vmdk');
    assert.equal(header.sizeBytes, await sizeByQemu(folder, 'vmdk', 'disk'));
    assert.deepEqual([header.variant, header.compressed], ['streamOptimized', true]);
  });
});

test('a stream-optimized disk that is cut off or was copied as text is refused', async () => {
  const image = withFooter(await make('subformat=streamOptimized'));
  const cut = image.subarray(0, -1024);
  await assert.rejects(inspectImage(inMemory(cut), 'vmdk'), { code: 'HostileInput', message: /may be cut off/ });
  const asText = changed(image, (copy) => copy.write('\n \n\n', 73));
  await assert.rejects(inspectImage(inMemory(asText), 'vmdk'), { code: 'HostileInput', message: /copied as text/ });
});

test('an encrypted VMDK is told', async () => {
  assert.equal((await inspect(descriptor('encryptionKeys="vmware:key/list/x"'))).encrypted, true);
  assert.equal((await inspect(descriptor('encoding="UTF-8"'))).encrypted, false);
});

test('the sparse files of ESXi are read', async () => {
  const cowd = Buffer.alloc(4096);
  cowd.write('COWD');
  [1, 3, 100, 1, 4, 8].forEach((value, index) => cowd.writeUInt32LE(value, 4 + index * 4));
  const old = await inspectImage(inMemory(cowd), 'vmdk');
  assert.deepEqual([old.variant, old.sizeBytes], ['vmfsSparse', 51200]);

  const sparse = Buffer.alloc(8192);
  const fields = {
    0: 0xcafebaben,
    8: 0x200000001n,
    16: 2048n,
    24: 8n,
    32: 64n,
    80: 1n,
    128: 2n,
    136: 1n,
    512: 0xcafecafen,
  };
  for (const [at, value] of Object.entries(fields)) sparse.writeBigUInt64LE(value, Number(at));
  const header = await inspectImage(inMemory(sparse), 'vmdk');
  assert.deepEqual([header.variant, header.sizeBytes, header.findings], ['seSparse', 2 ** 20, []]);
  sparse.writeBigUInt64LE(1n, 512 + 24);
  const [finding] = (await inspectImage(inMemory(sparse), 'vmdk')).findings;
  assert.deepEqual([finding?.id, finding?.severity], ['disk.log-not-replayed', 'blocking']);
});
