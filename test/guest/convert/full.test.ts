import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { convertFully } from '../../../src/guest/convert/full.js';
import { VM } from '../../platforms/libvirt/vm-fixture.js';
import { deadSockets, nothingLeft, place, untilRunning } from '../appliance-processes.js';

test('a conversion by virt-v2v that is cancelled leaves no process, socket or temporary file', async (t) => {
  const { folder, host } = await place(t);
  const path = join(folder, 'disk.img');
  await host.run('truncate', ['-s', '8M', '--', path]);
  const before = await deadSockets();
  const cancel = new AbortController();
  const disks = [{ path, format: 'raw' }];
  const conversion = convertFully({ host, accelerator: 'tcg', disks }, VM, '/dev/sda', cancel.signal);
  const started = untilRunning(folder, (commands) => commands.some((command) => /qemu-system/.test(command)));
  await Promise.all([assert.rejects(conversion, { code: 'Cancelled' }), started.then(() => cancel.abort())]);
  await nothingLeft(folder);
  assert.deepEqual(await readdir(join(folder, 'tmp')), []);
  assert.deepEqual(
    (await deadSockets()).filter((name) => !before.includes(name)),
    [],
  );
});
