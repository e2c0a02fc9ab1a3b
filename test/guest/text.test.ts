import assert from 'node:assert/strict';
import test from 'node:test';
import { uuidFstab } from '../../src/guest/fstab.js';
import { bytesOf, readable, textOf } from '../../src/guest/text.js';
import { memoryTree } from '../../src/guest/tree.js';

const latin1 = (text: string) => Buffer.from(text, 'latin1');
const UUID = '3c1f0c6e-5a43-4b1f-9b50-0d0f6f1d3a10';

test('every file comes back with the bytes that it had', () => {
  const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  const files = [
    all,
    latin1('Datentr\xe4ger'),
    Buffer.from('\ufeffBüro 💾 \ud83d\udc80 �'),
    Buffer.from([0xed, 0xb2, 0x80]),
  ];
  for (const bytes of [...files, Buffer.concat(files), Buffer.alloc(0)]) {
    assert.ok(bytesOf(textOf(bytes)).equals(bytes), bytes.toString('hex'));
  }
  assert.equal(textOf(Buffer.from('Büro 💾')), 'Büro 💾');
  // Beside what is not UTF-8, what is written in it stays so.
  assert.equal(bytesOf(`${textOf(latin1('B\xfcro'))} Büro`).toString('hex'), '42fc726f2042c3bc726f');
});

test('what is said of such a file is proper text', () => {
  assert.equal(readable(textOf(latin1('/srv/B\xfcro \xff'))), '/srv/Büro ÿ');
  assert.equal(readable('/srv/Büro \ud83d\udc80'), '/srv/Büro \ud83d\udc80');
});

test('a table in Latin-1 is changed where a disk is named, and nowhere else', async () => {
  const before = latin1(
    '# Datentr\xe4ger f\xfcr das B\xfcro\n/dev/sda1 / ext3 defaults 1 1\n/dev/sdb1 /srv/B\xfcro vfat defaults 0 0\n/dev/sr0 /B\xfccher iso9660 ro 0 0\n',
  );
  const devices = [{ path: '/dev/sda1', uuid: UUID, label: null }];
  const { edits, findings } = await uuidFstab(memoryTree({ '/etc/fstab': textOf(before) }), devices);
  const after = bytesOf(edits[0]?.text ?? '').toString('latin1');
  assert.equal(after, before.toString('latin1').replace('/dev/sda1', `UUID=${UUID}`));
  assert.match(findings[1]?.message ?? '', /at "\/Bücher"/);
});
