import assert from 'node:assert/strict';
import test from 'node:test';
import { defineVm, startPaused, virsh, write } from './lab-vm.js';
import { ID, DISKS, MIB, byteAt, dirty, request, running, until, usePointLab } from './point-lab.js';

const lab = usePointLab();

test('a stopped VM tells what changed since a checkpoint, and cannot be started meanwhile', async () => {
  await running(lab.host);
  await (await lab.source.openPoint(request(1))).end();
  await write(lab.host, 'vm', 0, '2M', '64k', 1);
  await (await lab.source.openPoint(request(2, 1))).end();
  await write(lab.host, 'vm', 0, '4M', '64k', 2);
  await write(lab.host, 'vm', 2, '1M', '64k', 2);
  await virsh(lab.host, 'destroy', 'vm');
  const last = await lab.source.openPoint(request(3, 1));
  assert.deepEqual(
    last.disks.map((disk) => disk.changes),
    ['bitmap', 'bitmap', 'unknown'],
  );
  assert.deepEqual(await dirty(last.disks[0]!.reader), [
    [2 * MIB, 65536],
    [4 * MIB, 65536],
  ]);
  assert.equal(await byteAt(last.disks[0]!.reader, 4 * MIB), 2);
  assert.equal(await byteAt(last.disks[2]!.reader, MIB), 2);
  await assert.rejects(virsh(lab.host, 'start', 'vm'), /lock/);
  await last.detach();
  assert.equal(await lab.source.currentPoint('vm', ID), last.checkpoint);
  const again = await lab.source.openPoint(request(3, 1));
  assert.deepEqual([again.continued, again.checkpoint], [true, last.checkpoint]);
  await again.end();
  // After an undo the guest goes on, and what it writes is known from that point on.
  await startPaused(lab.host, 'vm');
  await write(lab.host, 'vm', 0, '7M', '64k', 3);
  const after = await lab.source.openPoint(request(4, 3));
  assert.equal(after.disks[0]?.changes, 'bitmap');
  assert.deepEqual(await dirty(after.disks[0].reader), [[7 * MIB, 65536]]);
  await after.end();
});

test('a VM that ran between two tries is not taken for the same point', async () => {
  await running(lab.host);
  await (await lab.source.openPoint(request(1))).end();
  await virsh(lab.host, 'destroy', 'vm');
  const first = await lab.source.openPoint(request(2, 1));
  await first.detach();
  await startPaused(lab.host, 'vm');
  await write(lab.host, 'vm', 0, '0', '64k', 3);
  await virsh(lab.host, 'destroy', 'vm');
  const second = await lab.source.openPoint(request(2, 1));
  assert.equal(second.continued, false);
  assert.equal(await lab.source.currentPoint('vm', ID), second.checkpoint);
  assert.notEqual(second.checkpoint, first.checkpoint);
  assert.deepEqual(await dirty(second.disks[0]!.reader), [[0, 65536]]);
  await second.end();
});

test('exports of a stopped VM end by themselves when nobody reads them', async () => {
  await defineVm(lab.host, 'vm', DISKS);
  const point = await lab.source.openPoint(request(1));
  const exports = async () => (await lab.host.host.run('sh', ['-c', 'pgrep -xc qemu-nbd; exit 0'])).stdout.trim();
  assert.equal(await exports(), '3');
  await point.detach();
  await until(async () => (await exports()) === '0');
  await startPaused(lab.host, 'vm');
});
