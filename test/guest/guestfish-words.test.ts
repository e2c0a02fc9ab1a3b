import assert from 'node:assert/strict';
import test from 'node:test';
import { VmferryError } from '../../src/errors.js';
import { LocalHost } from '../../src/exec/local.js';
import { commandLine } from '../../src/guest/guestfish-words.js';

const NASTY = [
  '',
  ' ',
  '/plain/path',
  '-a',
  '~root',
  '#x',
  '!id',
  '| id',
  '$(id) `id` $HOME',
  'two\nlines\r\tand\x01\x7f',
  `"double" 'single'`,
  "'",
  "''",
  "a'b",
  '\\',
  '\\\\',
  "a\\'b\\",
  "\\'",
  'ümläut 漢字 😀',
  '/dev/sda:x,y=z',
];

test('guestfish takes words and lists as they were meant, whatever they hold', async () => {
  // These two need no appliance: one word, and a list of words that is printed one a line.
  const single = NASTY.filter((word) => !word.includes('\n'));
  const lines = [
    ...NASTY.map((word) => commandLine(['echo', `<${word}>`, 'x'])),
    ...single
      .map((word) => commandLine(['set-backend-settings', [word, 'end', word]]))
      .flatMap((line) => [line, '-get-backend-settings']),
  ];
  const { stdout, stderr } = await new LocalHost().run('guestfish', [], { input: `${lines.join('\n')}\n` });
  assert.equal(stderr, '');
  const expected = [...NASTY.map((word) => `<${word}> x`), ...single.flatMap((word) => [word, 'end', word])];
  assert.equal(stdout, `${expected.join('\n')}\n`);
});

test('what guestfish cannot be told is refused', () => {
  for (const word of ['a\0b', 'win:c:\\x', 'WIN:x', 'x'.repeat(9000)]) {
    assert.throws(
      () => commandLine(['cat', word]),
      (error) => error instanceof VmferryError && error.code === 'GuestUnreadable',
    );
  }
  assert.throws(() => commandLine(['echo', ...Array<string>(64).fill('x')]), /too many words/);
  assert.throws(() => commandLine(['!id']), /cannot ask guestfish for !id/);
});
