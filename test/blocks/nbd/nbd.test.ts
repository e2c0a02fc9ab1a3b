import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { openNbd, type Extent } from '../../../src/blocks/index.js';
import { createImage, device, failsAs, folder, LEAF, MIB, nbdkit, noise, qemuNbd, readAll, run } from '../support.js';

async function extentsOf(
  disk: { extents(at: number, bytes: number): AsyncIterable<Extent> },
  at: number,
  bytes: number,
): Promise<Extent[]> {
  const all: Extent[] = [];
  for await (const extent of disk.extents(at, bytes)) all.push(extent);
  return all;
}

for (const format of ['qcow2', 'raw'] as const) {
  test(`what is written to a ${format} image is read back, and its extents are told`, async (t) => {
    const dir = await folder(t);
    const server = await qemuNbd(t, dir, await createImage(dir, 'disk', format, 16 * MIB), '-f', format);
    const disk = await device(t, server);
    assert.equal(disk.sizeBytes, 16 * MIB);
    // qemu-img allocates the first block of a raw file.
    assert.deepEqual(await extentsOf(disk, LEAF, 8 * MIB), [{ offsetBytes: LEAF, lengthBytes: 8 * MIB, kind: 'zero' }]);
    const bytes = noise(3 * MIB, 1);
    await Promise.all(
      Array.from({ length: 48 }, (_, i) => disk.write(MIB + i * LEAF, bytes.subarray(i * LEAF, (i + 1) * LEAF))),
    );
    await disk.flush();
    await disk.zero(2 * MIB, LEAF);
    bytes.fill(0, MIB, MIB + LEAF);
    const other = await device(t, server);
    const read = Buffer.alloc(3 * MIB);
    await other.read(MIB, read);
    assert.ok(read.equals(bytes));
    const odd = Buffer.alloc(1_001);
    await other.read(MIB + 333, odd);
    assert.ok(odd.equals(bytes.subarray(333, 1_334)));
    assert.deepEqual(await extentsOf(disk, MIB + LEAF, 2 * MIB), [
      { offsetBytes: MIB + LEAF, lengthBytes: MIB - LEAF, kind: 'data' },
      { offsetBytes: 2 * MIB, lengthBytes: LEAF, kind: 'zero' },
      { offsetBytes: 2 * MIB + LEAF, lengthBytes: MIB, kind: 'data' },
    ]);
  });
}

test('several connections are used where the server allows it, and one where not', async (t) => {
  const dir = await folder(t);
  const path = join(dir, 'disk.raw');
  await writeFile(path, noise(9 * MIB, 2));
  const many = await device(t, await qemuNbd(t, dir, path, '-f', 'raw', '-r'), { connections: 4 });
  assert.ok((await readAll(many)).equals(noise(9 * MIB, 2)));
  const one = await device(t, await nbdkit(t, dir, '--filter=multi-conn', 'file', path, 'multi-conn-mode=disable'), {
    connections: 4,
  });
  assert.ok((await readAll(one)).equals(noise(9 * MIB, 2)));
});

test('a request larger than the server takes is sent in pieces', async (t) => {
  const dir = await folder(t);
  const server = await nbdkit(
    t,
    dir,
    '--filter=blocksize-policy',
    'memory',
    '16M',
    'blocksize-minimum=512',
    'blocksize-preferred=4096',
    'blocksize-maximum=65536',
    'blocksize-error-policy=error',
  );
  const disk = await device(t, server);
  assert.equal(disk.alignmentBytes, 512);
  const bytes = noise(5 * MIB, 3);
  await disk.write(MIB, bytes);
  const read = Buffer.alloc(5 * MIB - 7);
  await disk.read(MIB + 5, read);
  assert.ok(read.equals(bytes.subarray(5, 5 * MIB - 2)));
});

test('extents of a sparse disk of many TiB are told in one go', async (t) => {
  const dir = await folder(t);
  const size = 40 * 2 ** 40;
  const image = await createImage(dir, 'huge.qcow2', 'qcow2', size);
  await run('qemu-io', ['-f', 'qcow2', '-c', 'write -P 1 30T 64k', image]);
  const disk = await device(t, await qemuNbd(t, dir, image, '-f', 'qcow2', '-r'));
  const data = (await extentsOf(disk, 0, size)).filter(({ kind }) => kind === 'data');
  assert.deepEqual(data, [{ offsetBytes: 30 * 2 ** 40, lengthBytes: LEAF, kind: 'data' }]);
});

test('a disk without block status counts as data, without zeroing is zeroed by writing', async (t) => {
  const dir = await folder(t);
  const disk = await device(t, await nbdkit(t, dir, '--no-sr', '--filter=nozero', 'memory', '4M'));
  await disk.write(0, noise(4 * MIB, 4));
  await disk.zero(100, 2 * MIB);
  const expected = noise(4 * MIB, 4);
  expected.fill(0, 100, 100 + 2 * MIB);
  assert.ok((await readAll(disk)).equals(expected));
  assert.deepEqual(await extentsOf(disk, 0, 4 * MIB), [{ offsetBytes: 0, lengthBytes: 4 * MIB, kind: 'data' }]);
});

test('an export that is not there is NotFound, and a socket that nobody listens on Unreachable', async (t) => {
  const dir = await folder(t);
  const server = await qemuNbd(t, dir, await createImage(dir, 'disk', 'raw', MIB), '-f', 'raw', '-x', 'vda');
  await failsAs(
    openNbd({ socketPath: server.socketPath, exportName: 'vdb' }),
    'NotFound',
    /NBD export "vdb".*no such export/,
  );
  const disk = await device(t, server, { exportName: 'vda' });
  assert.equal(disk.sizeBytes, MIB);
  await failsAs(openNbd({ socketPath: join(dir, 'nobody.sock') }), 'Unreachable', /ENOENT/);
});

test('a server that is full fails a write as NoSpace, one with a bad sector as ToolFailed, and goes on', async (t) => {
  const dir = await folder(t);
  const full = await device(
    t,
    await nbdkit(t, dir, '--filter=error', 'memory', '1M', 'error-pwrite=ENOSPC', 'error-pwrite-rate=100%'),
  );
  const failure = await failsAs(
    full.write(0, Buffer.alloc(512, 1)),
    'NoSpace',
    /cannot write 512 bytes at 0 of NBD export "" at .*no space left/,
  );
  assert.match(failure.remedy ?? '', /Make room/);
  const bad = await device(
    t,
    await nbdkit(t, dir, '--filter=error', 'memory', '1M', 'error-pread=EIO', 'error-pread-rate=100%'),
  );
  await failsAs(bad.read(0, Buffer.alloc(512)), 'ToolFailed', /input\/output error/);
  await bad.write(0, Buffer.alloc(512));
});

test('a read-only export refuses writes before they are sent', async (t) => {
  const dir = await folder(t);
  const disk = await device(t, await qemuNbd(t, dir, await createImage(dir, 'disk', 'raw', MIB), '-f', 'raw', '-r'));
  assert.equal(disk.readOnly, true);
  await failsAs(disk.write(0, Buffer.alloc(512)), 'Denied', /read-only/);
  await failsAs(disk.read(MIB, Buffer.alloc(1)), 'Internal', /it has 1048576/);
});

test('a server that dies fails all requests under way as Unreachable', async (t) => {
  const dir = await folder(t);
  const server = await nbdkit(t, dir, '--filter=delay', 'memory', '64M', 'rdelay=30');
  const disk = await device(t, server);
  const reads = Array.from({ length: 8 }, (_, i) =>
    failsAs(disk.read(i * MIB, Buffer.alloc(MIB)), 'Unreachable', /closed|ECONNRESET/),
  );
  setTimeout(() => void server.end('SIGKILL'), 100);
  await Promise.all(reads);
  await failsAs(disk.read(0, Buffer.alloc(512)), 'Unreachable');
});

test('a server that falls silent is given up after the timeout', async (t) => {
  const dir = await folder(t);
  const server = await qemuNbd(t, dir, await createImage(dir, 'disk', 'raw', MIB), '-f', 'raw');
  const disk = await device(t, server, { timeoutMs: 400 });
  process.kill(server.pid, 'SIGSTOP');
  await failsAs(disk.read(0, Buffer.alloc(512)), 'Timeout', /did not answer for 0.4 s/);
  await failsAs(openNbd({ socketPath: server.socketPath, timeoutMs: 400 }), 'Timeout', /cannot open/);
});

test('a cancelled request ends at once, and what was cancelled never lands on what is written later', async (t) => {
  const dir = await folder(t);
  const disk = await device(t, await nbdkit(t, dir, '--filter=delay', 'memory', '4M', 'wdelay=1'));
  const aborter = new AbortController();
  const cancelled = failsAs(disk.write(0, Buffer.alloc(LEAF, 1), aborter.signal), 'Cancelled');
  await new Promise((resolve) => setTimeout(resolve, 50));
  const startedMs = performance.now();
  aborter.abort();
  await cancelled;
  assert.ok(performance.now() - startedMs < 200);
  await disk.write(0, Buffer.alloc(LEAF, 2));
  const read = Buffer.alloc(LEAF);
  await disk.read(0, read);
  assert.ok(read.every((byte) => byte === 2));
});
