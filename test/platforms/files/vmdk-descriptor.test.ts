import assert from 'node:assert/strict';
import test from 'node:test';
import { parseVmdkDescriptor } from '../../../src/platforms/files/vmdk-descriptor.js';

const HEAD = '# Disk DescriptorFile\nversion=1\nencoding="UTF-8"\nCID=fffffffe\nparentCID=ffffffff\n';
const DDB = '\n# The Disk Data Base\n#DDB\n\nddb.adapterType = "lsilogic"\nddb.virtualHWVersion = "19"\n';

const descriptor = (createType: string, extents: string, more = '') =>
  `${HEAD}createType="${createType}"\n${more}\n# Extent description\n${extents}\n${DDB}`;
const parse = (text: string) => parseVmdkDescriptor(text, 'a.vmdk');
test('a flat disk of ESXi is read', () => {
  const text = descriptor('vmfs', 'RW 33554432 VMFS "db-flat.vmdk"');
  assert.deepEqual(parse(text), {
    ...{ version: 1, cid: 'fffffffe', parentCid: null, createType: 'vmfs', parentFileNameHint: null },
    extents: [{ access: 'RW', sectors: 33554432, type: 'VMFS', file: 'db-flat.vmdk', offsetSectors: 0 }],
    sizeBytes: 16 * 2 ** 30,
  });
  assert.deepEqual(parse(text.replaceAll('\n', '\r\n')), parse(text));
});

test('a disk of Workstation in several files is as large as all of them', () => {
  const extents = 'RW 8323072 SPARSE "a-s001.vmdk"\nRW 8323072 SPARSE "a-s002.vmdk"\nRW 131072 SPARSE "a-s003.vmdk"';
  const read = parse(descriptor('twoGbMaxExtentSparse', extents));
  assert.deepEqual([read.sizeBytes, read.extents.length], [8 * 2 ** 30, 3]);
  const flat = parse(descriptor('twoGbMaxExtentFlat', 'RW 63 FLAT "a-f001.vmdk" 0\nRW 100 FLAT "a-f001.vmdk" 63'));
  assert.deepEqual(
    flat.extents.map(({ offsetSectors }) => offsetSectors),
    [0, 63],
  );
});

test('a descriptor inside an image, filled up with NULs, is read', () => {
  const text = descriptor('streamOptimized', 'RW 2048 SPARSE "a.vmdk"');
  assert.deepEqual(parse(text + '\0'.repeat(4000)), parse(text));
});

test('a layer over another disk names it', () => {
  const over = (hint: string) =>
    descriptor('vmfsSparse', 'RW 2048 VMFSSPARSE "a-000001-delta.vmdk"', hint).replace(
      'parentCID=ffffffff',
      'parentCID=1234ABC',
    );
  const read = parse(over('parentFileNameHint="../base/a.vmdk"'));
  assert.deepEqual([read.parentCid, read.parentFileNameHint], ['01234abc', '../base/a.vmdk']);
});

const good = descriptor('monolithicFlat', 'RW 10 FLAT "a" 0');
for (const [what, text] of [
  ['no extents', good.replace(/RW.*/, '')],
  ['no kind', good.replace(/createType.*/, '')],
  ['no version', good.replace(/version=1/, '')],
  ['no CID', good.replace(/\nCID=.*/, '')],
  ['a CID that is none', good.replace('CID=fffffffe', 'CID=zz')],
  ['a size that is none', good.replace('RW 10', 'RW 1e308')],
  ['a size of nothing', good.replace('RW 10', 'RW 0')],
  ['a negative size', good.replace('RW 10', 'RW -10')],
  ['a size beyond all disks', good.replace('RW 10', 'RW 9007199254740993')],
  [
    'sizes that add up beyond all disks',
    descriptor(
      'vmfs',
      Array(3)
        .fill(`RW ${2 ** 42} VMFS "a"`)
        .join('\n'),
    ),
  ],
  ['a flat extent without an offset', good.replace('"a" 0', '"a"')],
  ['an extent without a file', good.replace('"a" 0', '')],
  ['a quote that does not end', good.replace('"a" 0', '"a 0')],
  ['an extent over two lines', good.replace('RW 10 ', 'RW\n10 ')],
  ['a NUL in a name', good.replace('"a"', '"a\0b"')],
  ['a line end in a name', good.replace('"a"', '"a\rb"')],
  ['two kinds', `${good}createType="vmfs"\n`],
  ['a kind in a comment, which QEMU would take', `# createType="vmfs"\n${good}`],
  ['two values for one name', `${good}ddb.adapterType = "ide"\n`],
  ['a line that says nothing', `${good}hello\n`],
  ['too many extents', descriptor('vmfs', Array(4097).fill('RW 1 VMFS "a"').join('\n'))],
  ['too many settings', good + [...Array(1001).keys()].map((number) => `k${number}=1`).join('\n')],
  ['a line of 10 MiB', `${good}ddb.comment = "${'x'.repeat(10 * 2 ** 20)}"`],
  ['nothing in it', ''],
] as const) {
  test(`a descriptor with ${what} is refused`, () => {
    assert.throws(() => parse(text), { name: 'HostileInput', message: /^\[files\] cannot read a\.vmdk: .{1,300}$/ });
  });
}

test('names that objects have are settings as any other', () => {
  const read = parse(`${good}__proto__ = "x"\nconstructor = "y"\n`);
  assert.equal(read.createType, 'monolithicFlat');
});

test('4096 extents are read', () => {
  assert.equal(parse(descriptor('vmfs', Array(4096).fill('RW 1 VMFS "a"').join('\n'))).sizeBytes, 4096 * 512);
});
