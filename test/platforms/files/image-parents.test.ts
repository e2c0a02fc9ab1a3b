import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import type { ImageFormat } from '../../../src/platforms/files/foreign.js';
import { crc32c } from '../../../src/platforms/files/image-crc32c.js';
import { inspectImage } from '../../../src/platforms/files/image.js';
import {
  changed,
  inMemory,
  qemuImg,
  sealVhd,
  sealVhdHeader,
  sealVhdx,
  sizeByQemu,
  withFolder,
} from './image-fixture.js';

/** VHD, VHDX and VDI in the states that `qemu-img` does not make: from images that it made. */

const ITEM = { fileParameters: '3767a1ca36fa434db3b633f0aa44e76b', logicalSector: '1dbf41816fa90947ba47f233a8faab5f' };

async function make(format: ImageFormat, options: string, size = '8M'): Promise<Buffer> {
  return await withFolder(async (folder) => {
    await qemuImg(folder, 'create', '-q', '-f', format, ...(options ? ['-o', options] : []), 'disk', size);
    return await readFile(join(folder, 'disk'));
  });
}

async function inspect(bytes: Buffer, format: ImageFormat) {
  const header = await inspectImage(inMemory(bytes), format);
  return { ...header, ids: header.findings.map((finding) => finding.id) };
}

test("the size of a VHD is its creator's, and another one by its geometry is told", async () => {
  await withFolder(async (folder) => {
    const fixed = await make('vpc', 'subformat=fixed,force_size=on');
    for (const creator of ['vpc ', 'vs  ', 'vbox', 'qemu', 'win ', 'qem2', 'd2v ', 'tap\0', 'tapx', 'CTXS']) {
      const bytes = changed(fixed, (copy) => {
        const footer = copy.subarray(-512);
        footer.write(creator, 28, 'latin1');
        footer.writeUInt32BE(0x00640411, 56);
        sealVhd(footer);
      });
      await writeFile(join(folder, 'disk'), bytes);
      const header = await inspect(bytes, 'vpc');
      // Of VirtualBox's, QEMU would leave the end out; it is told the size (see source.test.ts).
      const size = creator === 'vbox' ? 8 * 2 ** 20 : await sizeByQemu(folder, 'vpc', 'disk');
      assert.equal(header.sizeBytes, size, creator);
      const severity = header.sizeBytes === 8 * 2 ** 20 ? 'info' : 'warning';
      assert.deepEqual(
        header.findings.map((each) => [each.id, each.severity]),
        [['disk.size-doubt', severity]],
        creator,
      );
    }
    const largest = changed(fixed, (copy) => {
      const footer = copy.subarray(-512);
      footer.write('vpc ', 28, 'latin1');
      footer.writeUInt16BE(65535, 56);
      footer.writeUInt16BE(0x10ff, 58);
      sealVhd(footer);
    });
    await writeFile(join(folder, 'disk'), largest);
    assert.equal((await inspect(largest, 'vpc')).sizeBytes, await sizeByQemu(folder, 'vpc', 'disk'));
  });
});

test('a differencing VHD names its parent in every way that it is written', async () => {
  const bytes = changed(await make('vpc', ''), (copy) => {
    copy.writeUInt32BE(4, 60);
    sealVhd(copy);
    const header = copy.subarray(512, 512 + 1024);
    Buffer.from('parent.vhd', 'utf16le').swap16().copy(header, 64);
    const relative = Buffer.from('.\\parent.vhd', 'utf16le');
    relative.copy(copy, 1100 * 2);
    header.write('W2ru', 576);
    header.writeUInt32BE(relative.length, 576 + 8);
    header.writeBigUInt64BE(2200n, 576 + 16);
    sealVhdHeader(header);
  });
  const header = await inspect(bytes, 'vpc');
  assert.deepEqual(header.references, [
    { kind: 'parent', name: 'parent.vhd', format: 'vpc' },
    { kind: 'parent', name: '.\\parent.vhd', format: 'vpc' },
  ]);
  assert.deepEqual([header.variant, header.ids], ['differencing', ['disk.differencing']]);
});

test('a VHD with wrong checksums is refused, and one without its footer is told', async () => {
  const dynamic = await make('vpc', '');
  const damage = async (at: number) =>
    await inspect(
      changed(dynamic, (copy) => copy.writeUInt8(99, at)),
      'vpc',
    );
  await assert.rejects(damage(30), { code: 'HostileInput', message: /checksum of its footer/ });
  await assert.rejects(damage(512 + 1000), { code: 'HostileInput', message: /checksum of its dynamic header/ });
  assert.deepEqual((await inspect(Buffer.concat([dynamic, Buffer.alloc(512)]), 'vpc')).ids, ['disk.footer-missing']);
});

test('a VHDX with something in its log is blocked', async () => {
  const image = await make('vhdx', '');
  const newer = image.readBigUInt64LE(65536 + 8) > image.readBigUInt64LE(131072 + 8) ? 65536 : 131072;
  const withLog = (at: number) =>
    changed(image, (copy) => {
      copy.fill(7, at + 48, at + 64);
      sealVhdx(copy);
    });
  const header = await inspect(withLog(newer), 'vhdx');
  assert.deepEqual([header.ids, header.findings[0]?.severity], [['disk.log-not-replayed'], 'blocking']);
  assert.deepEqual((await inspect(withLog(newer === 65536 ? 131072 : 65536), 'vhdx')).ids, []);
});

test('a VHDX with one damaged header is read, and with two refused', async () => {
  const image = await make('vhdx', '');
  const one = changed(image, (copy) => copy.writeUInt8(99, 65536 + 100));
  assert.deepEqual((await inspect(one, 'vhdx')).ids, []);
  const two = changed(one, (copy) => copy.writeUInt8(99, 131072 + 100));
  await assert.rejects(inspect(two, 'vhdx'), { code: 'HostileInput', message: /neither of its headers/ });
  const regions = changed(image, (copy) => copy.writeUInt8(99, 196608 + 60000));
  await assert.rejects(inspect(regions, 'vhdx'), { code: 'HostileInput', message: /table of regions/ });
});

/** Where the table of metadata says that an item lies. */
function itemAt(image: Buffer, id: string): number {
  const table = image.indexOf('metadata');
  const entry = image.indexOf(Buffer.from(id, 'hex'), table);
  assert.ok(table > 0 && entry > 0);
  return table + image.readUInt32LE(entry + 16);
}

test('a VHDX with sectors of 4096 bytes is blocked', async () => {
  const bytes = changed(await make('vhdx', ''), (copy) => {
    copy.writeUInt32LE(4096, itemAt(copy, ITEM.logicalSector));
  });
  const header = await inspect(bytes, 'vhdx');
  assert.deepEqual([header.sizeBytes, header.ids], [8 * 2 ** 20, ['disk.sector-size']]);
});

test('a differencing VHDX names its parent', async () => {
  const image = await make('vhdx', '');
  const noNames = changed(image, (copy) => {
    copy.writeUInt32LE(2, itemAt(copy, ITEM.fileParameters) + 4);
  });
  await assert.rejects(inspect(noNames, 'vhdx'), { code: 'HostileInput', message: /which it does not name/ });
  const table = image.indexOf('metadata');
  const bytes = changed(noNames, (copy) => {
    const count = copy.readUInt16LE(table + 10);
    copy.writeUInt16LE(count + 1, table + 10);
    const entry = table + 32 + count * 32;
    Buffer.from('2d5fd3a80bb34d45abf7d3d84834ab0c', 'hex').copy(copy, entry);
    copy.writeUInt32LE(0x20000, entry + 16);
    copy.writeUInt32LE(200, entry + 20);
    const at = table + 0x20000;
    const key = Buffer.from('relative_path', 'utf16le');
    const value = Buffer.from('..\\secret.vhdx', 'utf16le');
    copy.writeUInt16LE(1, at + 18);
    copy.writeUInt32LE(40, at + 20);
    copy.writeUInt32LE(100, at + 24);
    copy.writeUInt16LE(key.length, at + 28);
    copy.writeUInt16LE(value.length, at + 30);
    key.copy(copy, at + 40);
    value.copy(copy, at + 100);
  });
  const header = await inspect(bytes, 'vhdx');
  assert.deepEqual(header.references, [{ kind: 'parent', name: '..\\secret.vhdx', format: 'vhdx' }]);
  assert.deepEqual([header.variant, header.ids], ['differencing', ['disk.differencing']]);
});

test('a differencing VDI names its parent by UUID', async () => {
  const bytes = changed(await make('vdi', ''), (copy) => {
    copy.writeUInt32LE(4, 0x4c);
    Buffer.from('78563412bc9af0de1122334455667788', 'hex').copy(copy, 0x1a8);
  });
  const header = await inspect(bytes, 'vdi');
  assert.deepEqual(header.references, [{ kind: 'parent', name: '12345678-9abc-def0-1122-334455667788', format: null }]);
  assert.deepEqual([header.variant, header.ids], ['differencing', ['disk.differencing']]);
});

test('CRC-32C gives the check value of its definition', () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
});
