import assert from 'node:assert/strict';
import test from 'node:test';
import { diskPath, virsh, write } from './lab-vm.js';
import { ID, DISKS, MIB, byteAt, dirty, request, running, until, usePointLab } from './point-lab.js';

const lab = usePointLab();

test('a point shows all disks as of one instant, the next one exactly what changed since', async () => {
  await running(lab.host);
  await write(lab.host, 'vm', 0, '1M', '128k', 1);
  const seed = await lab.source.openPoint(request(1));
  assert.deepEqual(
    seed.disks.map(({ id, changes, reader }) => [id, changes, reader.sizeBytes]),
    [
      ['vda', 'unknown', 64 * MIB],
      ['vdb', 'unknown', 16 * MIB],
      ['vdc', 'unknown', 8 * MIB],
    ],
  );
  assert.equal(seed.continued, false);
  assert.equal(seed.checkpoint, `vmferry-${ID}-1`);
  assert.equal(seed.quiesced, false);
  assert.match(seed.note ?? '', /not quiesced/);
  await write(lab.host, 'vm', 0, '1M', '64k', 9);
  await write(lab.host, 'vm', 2, '0', '64k', 9);
  assert.equal(await byteAt(seed.disks[0]!.reader, MIB), 1, 'a later write is not seen');
  assert.equal(await byteAt(seed.disks[2]!.reader, 0), 0);
  await seed.keepAlive();
  await seed.end();
  await write(lab.host, 'vm', 1, '3M', '192k', 7);
  const delta = await lab.source.openPoint(request(2, 1));
  const [vda, vdb, vdc] = delta.disks;
  assert.deepEqual([vda?.changes, vdb?.changes, vdc?.changes], ['bitmap', 'bitmap', 'unknown']);
  assert.deepEqual(await dirty(vda!.reader), [[MIB, 65536]]);
  assert.deepEqual(await dirty(vdb!.reader), [[3 * MIB, 3 * 65536]]);
  assert.equal(await byteAt(vdc!.reader, 0), 9);
  assert.match(delta.note ?? '', /vdc are unknown: not qcow2/);
  await delta.end();
  // An older checkpoint still tells all that changed since it was made.
  await write(lab.host, 'vm', 0, '5M', '64k', 5);
  const older = await lab.source.openPoint(request(3, 1));
  assert.deepEqual(await dirty(older.disks[0]!.reader), [
    [MIB, 65536],
    [5 * MIB, 65536],
  ]);
  await older.end();
});

test('a point is opened again by the same request, and ended by another', async () => {
  await running(lab.host);
  const first = await lab.source.openPoint(request(1));
  await write(lab.host, 'vm', 0, '0', '64k', 3);
  // As after a crash of the worker: nothing was closed or ended.
  const again = await lab.source.openPoint(request(1));
  assert.deepEqual([again.continued, again.checkpoint, again.takenAt], [true, first.checkpoint, first.takenAt]);
  assert.equal(await lab.source.currentPoint('vm', ID), first.checkpoint);
  assert.equal(await lab.source.currentPoint('vm', 'ba9876543210'), null);
  assert.equal(await byteAt(again.disks[0]!.reader, 0), 0, 'it is the same instant');
  await first.detach();
  await again.detach();
  const next = await lab.source.openPoint(request(2, 1));
  assert.equal(next.continued, false);
  assert.deepEqual(await dirty(next.disks[0]!.reader), [[0, 65536]]);
  await next.end();
});

test('a name whose point is over is not used again', async () => {
  await running(lab.host);
  const first = await lab.source.openPoint(request(1));
  await first.end();
  await write(lab.host, 'vm', 0, '0', '64k', 3);
  const retry = await lab.source.openPoint(request(1, 1));
  assert.equal(retry.checkpoint, `vmferry-${ID}-1.1`);
  assert.equal(retry.continued, false);
  assert.deepEqual(await dirty(retry.disks[0]!.reader), [[0, 65536]]);
  const retried = await lab.source.openPoint(request(1, 1));
  assert.deepEqual([retried.continued, retried.checkpoint], [true, retry.checkpoint]);
  await retried.detach();
  await retry.end();
});

test('checkpoints are deleted but those to be kept, running or stopped', async () => {
  await running(lab.host);
  for (const n of [1, 2, 3]) await (await lab.source.openPoint(request(n))).end();
  await lab.source.deleteCheckpoints('vm', ID, [`vmferry-${ID}-2`, `vmferry-${ID}-3`]);
  await write(lab.host, 'vm', 0, '0', '64k', 3);
  const names = async () => (await virsh(lab.host, 'checkpoint-list', 'vm', '--name')).split('\n').filter(Boolean);
  assert.deepEqual(await names(), [`vmferry-${ID}-2`, `vmferry-${ID}-3`]);
  await virsh(lab.host, 'destroy', 'vm');
  await lab.source.deleteCheckpoints('vm', ID, [`vmferry-${ID}-2`]);
  assert.deepEqual(await names(), [`vmferry-${ID}-2`]);
  const { stdout } = await lab.host.host.run('qemu-img', ['info', diskPath(lab.host, 'vm', DISKS[0])]);
  assert.deepEqual(
    [...stdout.matchAll(/name: (vmferry\S+)/g)].map((match) => match[1]),
    [`vmferry-${ID}-2`],
  );
  const point = await lab.source.openPoint(request(4, 2));
  assert.deepEqual(await dirty(point.disks[0]!.reader), [[0, 65536]]);
  await point.end();
});

test('a reset of the guest while a point is open is heard of, also by the next who opens it', async () => {
  await running(lab.host);
  const calm = await lab.source.openPoint(request(1));
  assert.equal(await calm.wasReset(), false);
  await calm.end();
  const point = await lab.source.openPoint(request(2, 1));
  // The watchdog listens a moment after it has begun to watch.
  await until(async () => {
    await virsh(lab.host, 'reset', 'vm');
    return point.wasReset();
  });
  await point.detach();
  const again = await lab.source.openPoint(request(2, 1));
  assert.deepEqual([again.continued, await again.wasReset()], [true, true]);
  await again.end();
  const after = await lab.source.openPoint(request(3, 2));
  assert.equal(await after.wasReset(), false, 'one reset is told of once');
  await after.end();
});
