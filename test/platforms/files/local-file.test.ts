import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';
import { openFile } from '../../../src/platforms/files/local-file.js';
import { withFolder } from './image-fixture.js';

test('a file is read by offset, and not beyond its end', async () => {
  await withFolder(async (folder) => {
    const path = join(folder, 'file');
    await writeFile(path, 'abcdef');
    const file = await openFile(path);
    try {
      assert.deepEqual([file.name, file.sizeBytes], [path, 6]);
      assert.equal((await file.read(2, 3)).toString(), 'cde');
      assert.equal((await file.read(6, 0)).length, 0);
      for (const [at, length] of [
        [4, 3],
        [7, 0],
        [-1, 2],
        [0, -1],
      ] as const) {
        await assert.rejects(file.read(at, length), { code: 'HostileInput' });
      }
      await assert.rejects(file.read(0, 1, AbortSignal.abort()), { name: 'AbortError' });
      await truncate(path, 3);
      await assert.rejects(file.read(2, 3), { code: 'HostileInput', message: /ends at byte 3/ });
    } finally {
      await file.close();
    }
  });
});

test('what is no regular file is refused, and does not hang', async () => {
  await withFolder(async (folder) => {
    const at = (name: string) => join(folder, name);
    await writeFile(at('file'), 'secret');
    await symlink('file', at('link'));
    await mkdir(at('folder'));
    await promisify(execFile)('mkfifo', [at('pipe')]);
    for (const path of [at('link'), at('folder'), at('pipe'), '/dev/null']) {
      await assert.rejects(openFile(path, { blockDevice: true }), { code: 'HostileInput', message: /no regular file/ });
    }
    await assert.rejects(openFile(at('none')), { code: 'NotFound', message: /cannot read .*none/ });
  });
});
