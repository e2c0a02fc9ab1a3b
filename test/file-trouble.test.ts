import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { makeFolder, whyFile } from '../src/file-trouble.js';

test('what the operating system says of a file is said in words, and anything else as it is', () => {
  const failed = (code: string) => Object.assign(new Error(`${code}: raw, open '/x'`), { code });
  assert.equal(whyFile(failed('EACCES')), 'permission is denied');
  assert.equal(whyFile(failed('ENOENT')), 'there is no such file');
  assert.equal(whyFile(failed('ENOENT'), 'there is no such folder'), 'there is no such folder');
  assert.equal(whyFile(failed('ENOSPC')), 'the disk is full');
  assert.equal(whyFile(failed('EXDEV')), "EXDEV: raw, open '/x'");
  assert.equal(whyFile('odd'), 'odd');
});

test('folders are made with those above them, and where none can be, it is told at once', async (t) => {
  const work = await mkdtemp(join(tmpdir(), 'vmferry-folders-test-'));
  t.after(() => rm(work, { recursive: true }));
  for (const path of [join(work, 'a/b/c'), join(work, 'a/b/c'), join(work, 'a/d')]) {
    await makeFolder(path);
    assert.ok((await stat(path)).isDirectory());
  }
  await writeFile(join(work, 'file'), '');
  await assert.rejects(makeFolder(join(work, 'file')), { code: 'EEXIST' });
  await assert.rejects(makeFolder(join(work, 'file/below')), { code: 'ENOTDIR' });
  await assert.rejects(makeFolder('/proc/vmferry/report'), { code: 'ENOENT' });
});
