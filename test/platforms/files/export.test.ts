import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { openArchive } from '../../../src/platforms/files/archive-folder.js';
import { exportChain } from '../../../src/platforms/files/export.js';
import type { ImageFormat } from '../../../src/platforms/files/foreign.js';
import { openChain } from '../../../src/platforms/files/image-chain.js';
import { openLocalFolder } from '../../../src/platforms/files/local-folder.js';
import { qemuImg, withFolder } from './image-fixture.js';

const run = promisify(execFile);
const SECTORS_BYTES = 196 * 512;
const CLUSTER_BYTES = 65_536;

test('an image that ends within a sector is read to its end, in an archive and from a server', async () => {
  await withFolder(async (folder) => {
    const content = Buffer.alloc(SECTORS_BYTES);
    // The same each time: packed, it must not happen to end with a sector.
    createHash('shake256', { outputLength: SECTORS_BYTES - 353 })
      .digest()
      .copy(content);
    await writeFile(join(folder, 'web01.raw'), content.subarray(0, -353));
    await qemuImg(folder, 'create', '-q', '-f', 'qcow2', 'web01.qcow2', `${SECTORS_BYTES}`);
    // One cluster after the other: the packed one has to be the last.
    await writeFile(join(folder, 'first'), content.subarray(0, CLUSTER_BYTES));
    await writeFile(join(folder, 'rest'), content.subarray(CLUSTER_BYTES));
    const first = `write -c -q -s first 0 ${CLUSTER_BYTES}`;
    const rest = `write -c -q -s rest ${CLUSTER_BYTES} ${SECTORS_BYTES - CLUSTER_BYTES}`;
    await run('qemu-io', ['-c', first, '-c', rest, 'web01.qcow2'], { cwd: folder });
    await run('tar', ['cf', 'web01.tar', 'web01.raw', 'web01.qcow2'], { cwd: folder });
    const archive = await openArchive((await (await openLocalFolder(folder)).open('web01.tar'))!);
    const remote = {
      ...archive,
      open: async (name: string) => ({ ...(await archive.open(name))!, location: null }),
    };
    try {
      for (const files of [archive, remote]) {
        for (const format of ['raw', 'qcow2'] satisfies ImageFormat[]) {
          const chain = await openChain(files, `web01.${format}`, format);
          assert.notEqual(chain.layers[0]!.member.sizeBytes % 512, 0);
          const exported = await exportChain(chain, true, { dir: folder, reserveBytes: 0 });
          try {
            const bytes = Buffer.alloc(exported.reader.sizeBytes);
            await exported.reader.read(0, bytes, AbortSignal.timeout(10_000));
            assert.ok(bytes.equals(content), format);
          } finally {
            await exported.close();
          }
        }
      }
    } finally {
      await archive.close();
    }
  });
});
