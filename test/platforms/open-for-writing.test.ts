import assert from 'node:assert/strict';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { LocalHost } from '../../src/exec/local.js';
import { openForWriting } from '../../src/platforms/open-for-writing.js';

/** With real images and a real writer. */

const host = new LocalHost();
let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vmferry-writers-'));
});
after(() => rm(folder, { recursive: true }));

for (const format of ['qcow2', 'raw']) {
  test(`who writes to a ${format} image is named, and who only reads it is not`, async () => {
    // Names that people choose may begin with "-", and hold quotes.
    const [used, free] = [join(folder, `-f 'web' ${format}`), join(folder, `other.${format}`)];
    for (const path of [used, free]) await host.run('qemu-img', ['create', '-q', '-f', format, '--', path, '1M']);
    const images = [used, free].map((path) => ({ path, format }));
    assert.deepEqual(await openForWriting(host, images), [null, null]);
    const reader = await open(used, 'r');
    assert.deepEqual(await openForWriting(host, images), [null, null]);
    await reader.close();
    const writer = await open(used, 'r+');
    const [by, nobody] = await openForWriting(host, images);
    await writer.close();
    assert.match(by ?? '', new RegExp(`^\\S.* \\(process ${process.pid}\\)$`));
    assert.equal(nobody, null);
    assert.deepEqual(await openForWriting(host, images), [null, null]);
  });
}

test('a lock of QEMU counts where no process with the image open can be seen, as over a shared file system', async () => {
  const path = join(folder, 'shared.qcow2');
  await host.run('qemu-img', ['create', '-q', '-f', 'qcow2', path, '1M']);
  // What another user runs, or another host, is no process that can be looked into.
  const hidden = Object.assign(new LocalHost(), {
    run: (command: string, args: readonly string[]) =>
      host.run(
        command,
        args.map((each) => each.replace('find -L /proc/', 'find -L /nowhere/')),
      ),
  });
  const lock = ['-c', `qemu-nbd -f qcow2 -k "$1/sock" --pid-file="$1/pid" --fork "$2"`, 'sh', folder, path];
  await host.run('sh', lock);
  try {
    assert.deepEqual(await openForWriting(hidden, [{ path, format: 'qcow2' }]), ['a QEMU of another host']);
  } finally {
    await host.run('sh', ['-c', 'kill "$(cat "$1/pid")"', 'sh', folder]);
  }
});

test('an image that is not there is written to by nobody', async () => {
  assert.deepEqual(await openForWriting(host, [{ path: join(folder, 'gone'), format: 'raw' }]), [null]);
  assert.deepEqual(await openForWriting(host, []), []);
});
