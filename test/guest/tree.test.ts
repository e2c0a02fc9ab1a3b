import assert from 'node:assert/strict';
import test from 'node:test';
import { ConfigFiles } from '../../src/guest/config-files.js';
import { expandGlob, matchesGlob } from '../../src/guest/glob.js';
import { memoryTree, withEdits } from '../../src/guest/tree.js';

test('a tree with edits reads and lists as it will be', async () => {
  const tree = memoryTree({ '/etc/a': '1', '/etc/d/b': '2', '/c': '3' });
  assert.deepEqual((await tree.list('/')).sort(), ['c', 'etc']);
  assert.deepEqual(await tree.list('/etc/a'), []);
  assert.equal(await tree.read('/etc/d/../a'), '1');
  assert.equal(await tree.read('/etc'), null);
  const after = withEdits(tree, [
    { path: '/etc/a', text: null },
    { path: '/etc/d/n', text: '4' },
    { path: '/c', text: '5' },
  ]);
  assert.deepEqual(
    [await after.read('/etc/a'), await after.read('/etc/d/n'), await after.read('/c')],
    [null, '4', '5'],
  );
  assert.deepEqual([await after.list('/etc'), await after.list('/etc/d')], [['d'], ['b', 'n']]);
});

test('patterns match as in the shell', () => {
  const cases: [string, string, boolean][] = [
    ['*', '', true],
    ['en*', 'ens3', true],
    ['en?', 'ens3', false],
    ['*.y*ml', 'a.b.yaml', true],
    ['*a*b', 'aab a', false],
    ['e[nt]h[0-3]', 'eth2', true],
    ['e[!t]h0', 'eth0', false],
    ['[]]', ']', true],
    ['[', '[', true],
    ['a.c', 'abc', false],
  ];
  for (const [pattern, text, expected] of cases)
    assert.equal(matchesGlob(pattern, text), expected, `${pattern} ${text}`);
});

test('patterns of paths stay within the tree and leave out hidden files', async () => {
  const files = new ConfigFiles(memoryTree({ '/etc/x/.h': '', '/etc/x/a': '', '/etc/y/a': '', '/etc/z': '' }));
  assert.deepEqual(await expandGlob(files, '/../../etc/*/*'), ['/etc/x/a', '/etc/y/a']);
  assert.deepEqual(await expandGlob(files, '/etc/x/.*'), ['/etc/x/.h']);
  const strange = new ConfigFiles({
    read: () => Promise.resolve(null),
    list: () => Promise.resolve(['..', '.', 'a/b', 'ok']),
  });
  assert.deepEqual(await expandGlob(strange, '/*'), ['/ok']);
});
