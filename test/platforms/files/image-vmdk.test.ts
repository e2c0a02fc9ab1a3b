import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { inspectImage } from '../../../src/platforms/files/image.js';
import { changed, inMemory, qemuImg, sizeByQemu, withFolder, withFooter } from './image-fixture.js';

const descriptor = (...lines: string[]) =>
  ['# Disk DescriptorFile', 'version=1', 'CID=12345678', 'parentCID=ffffffff', 'createType="vmfs"', ...lines].join(
    '\n',
  );

const EXTENT = 'RW 10 VMFS "b.vmdk"';

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

test('a line that QEMU could take for another extent than we do is refused', async () => {
  const plain = 'RW 10 VMFS "b.vmdk"';
  for (const lines of [
    '  RW\n\n 5\nSPARSE\r\n "a"',
    'RW 1\nRW 5 FLAT "b" 0',
    'RW 1 RW\nRW +5SPARSE"c"',
    'RW 5 VMFSSPARSE "d"\tRW 5 FLAT "e" 0',
    'RW 5 FLAT "f\n" 0',
    'RW 5 FLAT "f',
  ]) {
    await assert.rejects(inspect(descriptor(plain, lines)), { code: 'HostileInput' }, lines);
  }
  const { references } = await inspect(descriptor(`\t${plain}\r`, '# RW 1 FLAT "g" 0'));
  assert.deepEqual(references, [{ kind: 'extent', name: 'b.vmdk', format: 'raw' }]);
});

test('white space without end does not take time without end', async () => {
  const started = performance.now();
  for (const piece of ['\n', ' ', '\r', 'RW\n', 'RW 1 ', '1', 'RW 1 A\n', '"', 'RW 1 ZERO \n']) {
    const text = descriptor(`RW 1 ${piece.repeat(1_000_000 / piece.length)}`);
    await inspect(text).catch((error: unknown) => assert.equal((error as { code?: string }).code, 'HostileInput'));
  }
  assert.ok(performance.now() - started < 5000);
});

test('parts of a disk that QEMU leaves out are blocking', async () => {
  for (const line of [
    'RW 100 ZERO',
    'RDONLY 100 FLAT "a.vmdk" 0',
    'NOACCESS 100 FLAT "a" 0',
    'RW 100 VSANSPARSE "a"',
  ]) {
    const header = await inspect(descriptor('RW 10 VMFS "b.vmdk"', line));
    assert.deepEqual([header.sizeBytes, header.ids], [5120, ['disk.extent-not-read']], line);
  }
  const kind = await inspect(descriptor('RW 10 VMFS "b.vmdk"').replace('"vmfs"', '"constructor"'));
  assert.deepEqual(kind.ids, ['disk.kind-not-read']);
});

test('a device of a host is told, and never opened', async () => {
  for (const [kind, line] of [
    ['vmfsPassthroughRawDeviceMap', 'RW 1048 VMFSRDM "5-rdmp.vmdk"'],
    ['vmfsRaw', 'RW 1048 VMFSRAW "vmhba1:0:0"'],
    ['fullDevice', 'RW 1048 FLAT "\\\\.\\PhysicalDrive0" 0'],
    ['monolithicFlat', 'RW 1048 FLAT "/dev/sda" 0 partitionUUID /dev/sda1'],
  ] as const) {
    const header = await inspect(descriptor(line).replace('"vmfs"', `"${kind}"`));
    assert.deepEqual([header.sizeBytes, header.references, header.ids], [1048 * 512, [], ['disk.raw-device']], kind);
  }
});

test('a parent is a reference, also where only QEMU would see it', async () => {
  const parent = [{ kind: 'parent', name: 'json:{}', format: 'vmdk' }];
  const inText = await inspect(descriptor(EXTENT, '# parentFileNameHint="json:{}"'));
  assert.deepEqual(inText.references.slice(1), parent);

  const image = await make('subformat=monolithicSparse');
  const moved = changed(image, (copy) => {
    copy.writeBigUInt64LE(BigInt(image.length / 512), 28);
    copy.fill(0, 512, 512 + 20 * 512);
    copy.write('CID=1\nparentCID=2\nparentFileNameHint="json:{}"\n', 512);
  });
  const header = await inspectImage(inMemory(Buffer.concat([moved, image.subarray(512, 512 + 20 * 512)])), 'vmdk');
  assert.deepEqual([header.variant, header.references], ['monolithicSparse', parent]);
  await assert.rejects(inspect(descriptor(EXTENT, 'parentFileNameHint = "a"')), {
    message: /name of its parent is damaged/,
  });
});

test('a snapshot whose parent is not named is blocking', async () => {
  assert.deepEqual((await inspect(descriptor(EXTENT).replace('ffffffff', '0000abcd'))).ids, ['disk.differencing']);
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
  const encrypted = async (line: string) => (await inspect(descriptor(EXTENT, line))).encrypted;
  assert.equal(await encrypted('encryptionKeys="vmware:key/list/x"'), true);
  assert.equal(await encrypted('ddb.iofilters = "vmwarevmcrypt"'), true);
  assert.equal(await encrypted('encryption.keySafe = ""'), false);
  assert.equal(await encrypted('encoding="UTF-8"'), false);
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
  assert.deepEqual([header.variant, header.sizeBytes], ['seSparse', 2 ** 20]);
  // By itself; with the text that names it, it is a disk.
  const alone = [...header.findings, ...old.findings].map(({ id, severity }) => `${severity} ${id}`);
  assert.deepEqual(alone, ['blocking disk.kind-not-read', 'blocking disk.kind-not-read']);
  sparse.writeBigUInt64LE(1n, 512 + 24);
  const [finding] = (await inspectImage(inMemory(sparse), 'vmdk')).findings;
  assert.deepEqual([finding?.id, finding?.severity], ['disk.log-not-replayed', 'blocking']);
});
