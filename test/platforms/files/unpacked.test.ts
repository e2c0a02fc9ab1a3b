import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const MIB = 2 ** 20;

test('a copy for which the last piece does not fit is refused, not cut off', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'vmferry-unpacked-test-'));
  try {
    const from = (file: string) => JSON.stringify(new URL(`../../../src/platforms/files/${file}`, import.meta.url));
    const program = `
      import { copiedMember } from ${from('unpacked.js')};
      import { fromBuffer } from ${from('random-access.js')};
      const bytes = fromBuffer(Buffer.alloc(${MIB + 1}, 7), 'disk.vmdk');
      const member = { ...bytes, location: null, stamp: '', close: () => Promise.resolve() };
      await copiedMember(member, { dir: ${JSON.stringify(dir)}, reserveBytes: 0 });
    `;
    const args = [`--fsize=${MIB}`, process.execPath, '--input-type=module', '--eval', program];
    await assert.rejects(promisify(execFile)('prlimit', args), /EFBIG/);
    assert.deepEqual(await readdir(dir), []);
  } finally {
    await rm(dir, { recursive: true });
  }
});
