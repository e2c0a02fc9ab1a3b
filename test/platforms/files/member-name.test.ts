import assert from 'node:assert/strict';
import test from 'node:test';
import { safeName } from '../../../src/platforms/files/member-name.js';

const plain = [
  'disk.vmdk',
  'sub/disk-1.vmdk',
  'Größe 名前 (2).vmdk',
  '.hidden',
  'a..b',
  '...',
  'a/b:c',
  'é'.repeat(512),
];
for (const name of plain) {
  test(`the name ${JSON.stringify(name.slice(0, 30))} is allowed`, () => assert.equal(safeName(name), true));
}

const paths = ['', '/etc/passwd', '../x', 'a/../../x', 'a/..', './x', 'a/./b', 'a//b', 'a/', '..', '.', 'C:\\x', 'C:x'];
const tricks = ['\\\\host\\share', 'a\\b', 'json:{}', 'nbd:unix:/x', 'file:///x', 'http://x/y', 'my disk:1', '-rf'];
const characters = ['a\0b', 'a\nb', 'a\rb', 'a\u001bb', 'a\u007fb', 'a\u0085b', 'a\u2028b', 'a\ud800', 'é'.repeat(513)];
for (const name of [...paths, ...tricks, ...characters]) {
  test(`the name ${JSON.stringify(name.slice(0, 30))} is not allowed`, () => assert.equal(safeName(name), false));
}
