import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { copyDisk, Manifest, manifestFileBytes, verifyReplica } from '../../src/blocks/index.js';
import { MemoryDisk } from './memory-disk.js';
import { createImage, device, folder, memoryManifest, MIB, noise, qemuNbd, readAll } from './support.js';

const SIZE = 200 * MIB;

for (const killedAfterMs of [60, 200, 450]) {
  test(`kill -9 of the copying process after ${killedAfterMs} ms: at most 64 MiB are copied again, and nothing is wrong`, async (t) => {
    const dir = await folder(t);
    const bytes = noise(SIZE, killedAfterMs);
    await writeFile(join(dir, 'source.raw'), bytes);
    const image = await createImage(dir, 'replica.qcow2', 'qcow2', SIZE);
    const manifestFile = await createImage(dir, 'manifest', 'raw', manifestFileBytes(SIZE));
    const servers = [
      await qemuNbd(t, dir, join(dir, 'source.raw'), '-f', 'raw', '-r'),
      await qemuNbd(t, dir, image, '-f', 'qcow2'),
      await qemuNbd(t, dir, manifestFile, '-f', 'raw'),
    ] as const;
    const args = [...servers.map(({ socketPath }) => socketPath), String(SIZE)];
    const child = fork(fileURLToPath(import.meta.resolve('./copy-child.js')), args);
    const exited = once(child, 'exit');
    await once(child, 'message');
    await new Promise((resolve) => setTimeout(resolve, killedAfterMs));
    child.kill('SIGKILL');
    const [, killedBy] = (await exited) as [number | null, string | null];
    assert.equal(killedBy, 'SIGKILL', 'the copy was still going on');

    const [source, replica] = [await device(t, servers[0]), await device(t, servers[1])];
    const manifest = new Manifest(await device(t, servers[2]), SIZE);
    let written = 0;
    const torn = await readAll(replica);
    for (let at = 0; at < SIZE; at += 65_536) {
      if (torn.subarray(at, at + 65_536).equals(bytes.subarray(at, at + 65_536))) written += 65_536;
    }
    const stats = await copyDisk({ source, replica, manifest, mode: 'unknown' });

    const again = written - stats.resumedFromBytes;
    assert.ok(again >= 0, 'nothing is recorded that is not there');
    assert.ok(again <= 64 * MIB, `${again / MIB} MiB copied again`);
    assert.equal(stats.bytesRead, SIZE - stats.resumedFromBytes);
    assert.equal((await verifyReplica({ replica, manifest })).passed, true);
    const reference = memoryManifest(SIZE);
    await copyDisk({
      source: new MemoryDisk(bytes),
      replica: new MemoryDisk(SIZE),
      manifest: reference,
      mode: 'unknown',
    });
    assert.equal(await manifest.rootDigest(), await reference.rootDigest());
  });
}
