import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import type { ImageFormat } from '../../../src/platforms/files/foreign.js';
import type { ImageHeader } from '../../../src/platforms/files/image-header.js';
import { inspectImage, sniffFormat } from '../../../src/platforms/files/image.js';
import { openFile } from '../../../src/platforms/files/local-file.js';
import { fromBuffer } from '../../../src/platforms/files/random-access.js';
import { MIB, changed, counting, inMemory, qemuImg, sizeByQemu, withFolder } from './image-fixture.js';

const ids = (header: ImageHeader) => header.findings.map((finding) => finding.id);

async function inspect(folder: string, format: ImageFormat, name: string): Promise<ImageHeader> {
  const file = await openFile(join(folder, name));
  try {
    const counted = counting(file);
    const header = await inspectImage(counted, format);
    // Of a VHD the table of all blocks is read, as QEMU's tools do not look through it.
    const most = format === 'vpc' ? 4.5 * 2 ** 20 : 300_000;
    assert.ok(counted.readBytes < most && counted.reads < 40, `${counted.readBytes} bytes in ${counted.reads} reads`);
    return header;
  } finally {
    await file.close();
  }
}

/** Format, options, what it is called; all are made in odd and even sizes. */
const KINDS: [ImageFormat, string | null, string][] = [
  ['raw', null, 'raw'],
  ['qcow', null, 'v1'],
  ['qcow2', 'compat=0.10', 'v2'],
  ['qcow2', 'compat=1.1', 'v3'],
  ['qcow2', 'cluster_size=512', 'v3'],
  ['qcow2', 'cluster_size=2M,extended_l2=on,compression_type=zstd', 'v3'],
  ['vmdk', 'subformat=monolithicSparse', 'monolithicSparse'],
  ['vmdk', 'subformat=streamOptimized', 'streamOptimized'],
  ['vmdk', 'subformat=monolithicFlat', 'monolithicFlat'],
  ['vmdk', 'subformat=twoGbMaxExtentSparse', 'twoGbMaxExtentSparse'],
  ['vmdk', 'subformat=twoGbMaxExtentFlat', 'twoGbMaxExtentFlat'],
  ['vpc', 'subformat=dynamic', 'dynamic'],
  ['vpc', 'subformat=fixed', 'fixed'],
  ['vpc', 'subformat=dynamic,force_size=on', 'dynamic'],
  ['vpc', 'subformat=fixed,force_size=on', 'fixed'],
  ['vhdx', 'subformat=dynamic', 'dynamic'],
  ['vhdx', 'subformat=fixed', 'fixed'],
  ['vdi', 'static=off', 'dynamic'],
  ['vdi', 'static=on', 'static'],
];

test('images of every kind have the size that QEMU shows, whatever the size', async () => {
  await withFolder(async (folder) => {
    for (const bytes of [MIB, 3 * MIB + 512, 5 * MIB + 123 * 512]) {
      await writeFile(join(folder, 'content'), Buffer.alloc(bytes, 'content'));
      for (const [format, options, variant] of KINDS) {
        const what = `${format} ${options} ${bytes}`;
        await qemuImg(
          folder,
          ...['convert', '-q', '-f', 'raw', '-O', format, ...(options ? ['-o', options] : []), 'content', 'disk'],
        );
        const header = await inspect(folder, format, 'disk');
        assert.equal(header.sizeBytes, await sizeByQemu(folder, format, 'disk'), what);
        assert.equal(header.variant, variant, what);
        assert.equal(header.compressed, variant === 'streamOptimized', what);
        assert.deepEqual([header.format, header.encrypted, header.snapshots], [format, false, 0], what);
        const doubt = ids(header).filter((id) => id !== 'disk.size-doubt' || !options?.includes('force_size'));
        assert.deepEqual(doubt, [], what);
        const sniffed = await sniffFormat(fromBuffer(await readFile(join(folder, 'disk')), what));
        assert.equal(sniffed, format === 'raw' ? null : format, what);
      }
    }
  });
});

test('a large empty image costs no more than a small one', async () => {
  await withFolder(async (folder) => {
    for (const format of ['qcow2', 'vmdk', 'vhdx', 'vdi'] as const) {
      await qemuImg(folder, 'create', '-q', '-f', format, 'large', '1900G');
      assert.equal((await inspect(folder, format, 'large')).sizeBytes, 1900 * 2 ** 30, format);
    }
    await qemuImg(folder, 'create', '-q', '-f', 'vpc', '-o', 'force_size=on', 'large', '1900G');
    assert.equal((await inspect(folder, 'vpc', 'large')).sizeBytes, 1900 * 2 ** 30);
  });
});

test('a size that is no whole number of sectors is rounded as QEMU does, and told', async () => {
  await withFolder(async (folder) => {
    await writeFile(join(folder, 'raw'), Buffer.alloc(1000));
    await qemuImg(folder, 'create', '-q', '-f', 'qcow2', 'qcow2', '1M');
    await qemuImg(folder, 'create', '-q', '-f', 'qcow', 'qcow', '1M');
    await qemuImg(folder, 'create', '-q', '-f', 'vdi', 'vdi', '2M');
    for (const [format, at, little] of [
      ['qcow2', 24, false],
      ['qcow', 24, false],
      ['vdi', 0x170, true],
    ] as const) {
      const bytes = await readFile(join(folder, format));
      if (little) bytes.writeBigUInt64LE(1_000_001n, at);
      else bytes.writeBigUInt64BE(1_000_001n, at);
      await writeFile(join(folder, format), bytes);
    }
    for (const format of ['raw', 'qcow2', 'qcow', 'vdi'] as const) {
      const header = await inspect(folder, format, format);
      assert.equal(header.sizeBytes, await sizeByQemu(folder, format, format), format);
      assert.deepEqual(ids(header), ['disk.unaligned'], format);
    }
  });
});

test('what an image refers to is told as written', async () => {
  await withFolder(async (folder) => {
    await writeFile(join(folder, 'base.raw'), Buffer.alloc(MIB));
    await qemuImg(folder, 'create', '-q', '-f', 'qcow2', '-b', 'base.raw', '-F', 'raw', 'child');
    await qemuImg(
      folder,
      'create',
      '-q',
      '-f',
      'qcow2',
      '-u',
      '-b',
      'json:{"driver":"nbd"}',
      '-F',
      'raw',
      'guess',
      '1M',
    );
    const unsaid = await readFile(join(folder, 'guess'));
    unsaid.writeUInt32BE(0x12345678, 112);
    await writeFile(join(folder, 'guess'), unsaid);
    await qemuImg(folder, 'create', '-q', '-f', 'qcow', '-u', '-b', '../base', '-F', 'raw', 'old', '1M');
    await qemuImg(folder, 'create', '-q', '-f', 'qcow2', '-o', 'data_file=data.raw', 'outside', '1M');
    await qemuImg(folder, 'create', '-q', '-f', 'vmdk', 'base.vmdk', '1M');
    await qemuImg(folder, 'create', '-q', '-f', 'vmdk', '-b', 'base.vmdk', '-F', 'vmdk', 'delta.vmdk');
    await qemuImg(folder, 'create', '-q', '-f', 'vmdk', '-o', 'subformat=twoGbMaxExtentSparse', 'split.vmdk', '3G');
    const references = async (format: ImageFormat, name: string) => (await inspect(folder, format, name)).references;
    assert.deepEqual(await references('qcow2', 'child'), [{ kind: 'backing', name: 'base.raw', format: 'raw' }]);
    assert.deepEqual(await references('qcow', 'old'), [{ kind: 'backing', name: '../base', format: null }]);
    assert.deepEqual(await references('qcow2', 'outside'), [{ kind: 'data-file', name: 'data.raw', format: null }]);
    assert.deepEqual(await references('vmdk', 'base.vmdk'), []);
    assert.deepEqual(await references('vmdk', 'delta.vmdk'), [{ kind: 'parent', name: 'base.vmdk', format: 'vmdk' }]);
    assert.deepEqual(await references('vmdk', 'split.vmdk'), [
      { kind: 'extent', name: 'split-s001.vmdk', format: 'vmdk' },
      { kind: 'extent', name: 'split-s002.vmdk', format: 'vmdk' },
    ]);
    const extent = await inspect(folder, 'vmdk', 'split-s002.vmdk');
    assert.deepEqual([extent.variant, extent.sizeBytes, extent.references], ['sparse', 2 ** 30, []]);

    const child = await inspect(folder, 'qcow2', 'child');
    const guess = await inspect(folder, 'qcow2', 'guess');
    assert.deepEqual([ids(child), ids(guess)], [[], ['disk.backing-format']]);
  });
});

test('encryption, snapshots and the marks of a damaged qcow2 are told', async () => {
  await withFolder(async (folder) => {
    const secret = ['--object', 'secret,id=key,data=secret'];
    const aes = 'encrypt.format=aes,encrypt.key-secret=key';
    await qemuImg(folder, 'create', '-q', ...secret, '-f', 'qcow2', '-o', aes, 'aes', '1M');
    // Making one with LUKS measures the processor for seconds, and fails on a busy one; its header differs in this.
    const luks = changed(await readFile(join(folder, 'aes')), (copy) => copy.writeUInt32BE(2, 32));
    for (const encrypted of [await inspect(folder, 'qcow2', 'aes'), await inspectImage(inMemory(luks), 'qcow2')]) {
      assert.deepEqual([encrypted.encrypted, ids(encrypted)], [true, ['disk.encrypted']]);
    }

    await qemuImg(folder, 'create', '-q', '-f', 'qcow2', 'disk', '1M');
    await qemuImg(folder, 'snapshot', '-c', 'one', 'disk');
    await qemuImg(folder, 'snapshot', '-c', 'two', 'disk');
    const kept = await inspect(folder, 'qcow2', 'disk');
    assert.deepEqual([kept.snapshots, ids(kept)], [2, ['disk.snapshots']]);

    const bytes = await readFile(join(folder, 'disk'));
    bytes.writeUInt32BE(0, 60);
    bytes.writeBigUInt64BE(3n, 72);
    assert.deepEqual(ids(await inspectImage(inMemory(bytes), 'qcow2')), ['disk.dirty', 'disk.corrupt']);
  });
});

test('a VDI and a static one tell what they take', async () => {
  await withFolder(async (folder) => {
    await writeFile(join(folder, 'content'), Buffer.concat([Buffer.alloc(MIB, 1), Buffer.alloc(3 * MIB)]));
    for (const [option, allocatedBytes] of [
      ['static=off', MIB],
      ['static=on', 4 * MIB],
    ] as const) {
      await qemuImg(folder, 'convert', '-f', 'raw', '-O', 'vdi', '-o', option, 'content', 'disk');
      assert.equal((await inspect(folder, 'vdi', 'disk')).allocatedBytes, allocatedBytes);
      assert.ok((await stat(join(folder, 'disk'))).size >= allocatedBytes);
    }
  });
});

test('an image is never read as another format than the declared one', async () => {
  await withFolder(async (folder) => {
    await qemuImg(folder, 'create', '-q', '-f', 'qcow2', '-u', '-b', '/etc/shadow', '-F', 'raw', 'disk', '1M');
    const header = await inspect(folder, 'raw', 'disk');
    assert.equal(header.sizeBytes, await sizeByQemu(folder, 'raw', 'disk'));
    assert.deepEqual([header.references, ids(header)], [[], ['disk.format-doubt', 'disk.unaligned']]);
    for (const format of ['qcow', 'vmdk', 'vpc', 'vhdx', 'vdi'] as const) {
      await assert.rejects(inspect(folder, format, 'disk'), {
        code: 'HostileInput',
        message: new RegExp(`declared as ${format}, but its content is qcow2`),
      });
      await assert.rejects(inspectImage(inMemory(Buffer.alloc(4096)), format), { code: 'HostileInput' }, format);
    }
    assert.deepEqual(ids(await inspectImage(inMemory(Buffer.alloc(0)), 'raw')), ['disk.no-size']);
  });
});

test('a fixed VHD stays one, whatever its guest wrote to its first sector', async () => {
  await withFolder(async (folder) => {
    await qemuImg(folder, 'create', '-q', '-f', 'qcow2', 'inner', '1M');
    await qemuImg(folder, 'convert', '-f', 'raw', '-O', 'vpc', '-o', 'subformat=fixed', 'inner', 'disk');
    const header = await inspect(folder, 'vpc', 'disk');
    assert.equal(header.sizeBytes, await sizeByQemu(folder, 'vpc', 'disk'));
    assert.deepEqual([header.variant, header.references, ids(header)], ['fixed', [], ['disk.format-doubt']]);
  });
});
