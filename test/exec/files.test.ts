import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { createText, writeText } from '../../src/exec/files.js';
import type { Host, RunOptions } from '../../src/exec/host.js';
import { LocalHost } from '../../src/exec/local.js';

/** A host whose caller dies after half of what it had to write: the command sees the end of its input. */
function cutShort(): Host {
  const local = new LocalHost();
  const half = (options: RunOptions = {}) => ({ ...options, input: String(options.input).slice(0, 3) });
  return Object.assign(Object.create(local) as Host, {
    run: (command: string, args: readonly string[], options?: RunOptions) => local.run(command, args, half(options)),
  });
}

test('a text that is cut off is never installed, and what was there stays', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-files-'));
  try {
    const path = join(folder, 'state.json');
    await writeText(new LocalHost(), path, 'grün\n');
    await assert.rejects(writeText(cutShort(), path, 'other text'), /cut off/);
    assert.equal(await readFile(path, 'utf8'), 'grün\n');
    await assert.rejects(createText(cutShort(), join(folder, 'claim.json'), 'mine it is'), /cut off/);
    assert.deepEqual(await readdir(folder), ['state.json']);
    assert.equal(await createText(new LocalHost(), join(folder, 'claim.json'), 'mine'), true);
    assert.equal(await createText(new LocalHost(), join(folder, 'claim.json'), 'yours'), false);
    assert.equal(await readFile(join(folder, 'claim.json'), 'utf8'), 'mine');
  } finally {
    await rm(folder, { recursive: true });
  }
});
