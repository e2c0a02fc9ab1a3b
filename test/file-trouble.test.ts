import assert from 'node:assert/strict';
import test from 'node:test';
import { whyFile } from '../src/file-trouble.js';

test('what the operating system says of a file is said in words, and anything else as it is', () => {
  const failed = (code: string) => Object.assign(new Error(`${code}: raw, open '/x'`), { code });
  assert.equal(whyFile(failed('EACCES')), 'permission is denied');
  assert.equal(whyFile(failed('ENOENT')), 'there is no such file');
  assert.equal(whyFile(failed('ENOENT'), 'there is no such folder'), 'there is no such folder');
  assert.equal(whyFile(failed('ENOSPC')), 'the disk is full');
  assert.equal(whyFile(failed('EXDEV')), "EXDEV: raw, open '/x'");
  assert.equal(whyFile('odd'), 'odd');
});
