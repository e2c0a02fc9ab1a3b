import assert from 'node:assert/strict';
import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { LocalHost } from '../../../src/exec/local.js';
import { checkImage } from '../../../src/platforms/files/image-check.js';
import { openChain } from '../../../src/platforms/files/image-chain.js';
import { openLocalFolder } from '../../../src/platforms/files/local-folder.js';
import { qemuImg, withFolder } from './image-fixture.js';

/** Counts what is started. */
class CountingHost extends LocalHost {
  started = 0;

  override run(...args: Parameters<LocalHost['run']>): ReturnType<LocalHost['run']> {
    this.started += 1;
    return super.run(...args);
  }
}

test('qemu-img does not count the clusters of a file that only claims to be large', async () => {
  await withFolder(async (folder) => {
    await qemuImg(folder, 'create', '-q', '-f', 'qcow2', '-o', 'cluster_size=512', 'web01.qcow2', '1G');
    const started = async () => {
      const host = new CountingHost();
      const chain = await openChain(await openLocalFolder(folder), 'web01.qcow2', 'qcow2');
      try {
        const file = { driver: 'file', filename: join(folder, 'web01.qcow2') };
        await checkImage(host, chain.layers[0]!, { driver: 'qcow2', file });
        await chain.layers[0]!.header.checkTables?.();
      } finally {
        await chain.close();
      }
      return host.started;
    };
    assert.equal(await started(), 1);
    // It would take 1.6 GiB for it.
    await truncate(join(folder, 'web01.qcow2'), 400 * 2 ** 30);
    assert.equal(await started(), 0);
  });
});
