import assert from 'node:assert/strict';
import test, { after, afterEach, before } from 'node:test';
import type { LabHost } from '../../../lab/host/lab-host.js';
import type { BlockReader } from '../../../src/blocks/index.js';
import { libvirtSite } from '../../../src/config.js';
import { VmferryError } from '../../../src/errors.js';
import { connectLibvirt, type LibvirtConnection } from '../../../src/platforms/libvirt/connect.js';
import { createLibvirtSource } from '../../../src/platforms/libvirt/source.js';
import type { SourcePart } from '../../../src/platforms/libvirt/vm-site.js';
import type { PointRequest } from '../../../src/platforms/platform.js';
import { defineVm, diskPath, removeVm, startPaused, startTestHost, virsh, write } from './lab-vm.js';

const MIB = 2 ** 20;
const ID = '0123456789ab';
const OWNER = { migrationId: ID, workflowId: 'w', cluster: 'c', namespace: 'default' };
const DISKS = [
  { id: 'vda', format: 'qcow2', sizeMib: 64 },
  { id: 'vdb', format: 'qcow2', sizeMib: 16 },
  { id: 'vdc', format: 'raw', sizeMib: 8 },
] as const;

let host: LabHost;
let at: LibvirtConnection;
let source: SourcePart;
before(async () => {
  host = await startTestHost('points');
  at = connectLibvirt('dc', libvirtSite.parse({ ...host.config, scratchReserve: '32MiB' }));
  source = createLibvirtSource(at);
});
after(async () => {
  await at.host.close();
  await host.stop();
});
afterEach(async () => {
  await source.endPoints('vm', ID);
  await removeVm(host, 'vm');
  assert.equal(await traces(), '', 'something is left at the site');
});

/** Files and processes of points that are still there. */
async function traces(): Promise<string> {
  const script = 'ls "$1"/vmferry-* "$2"/points/vmferry-* 2>/dev/null; sleep 0.6; pgrep -x qemu-nbd; exit 0';
  return (await host.host.run('sh', ['-c', script, 'sh', host.images, `${host.directory}/vmferry`])).stdout;
}

const request = (n: number, since: number | null = null, more: Partial<PointRequest> = {}): PointRequest => ({
  owner: OWNER,
  vm: 'vm',
  disks: DISKS.map((disk) => disk.id),
  checkpoint: `vmferry-${ID}-${n}`,
  since: since === null ? null : `vmferry-${ID}-${since}`,
  quiesce: 'auto',
  ...more,
});

const code = (wanted: string) => (error: unknown) => error instanceof VmferryError && error.code === wanted;

async function dirty(reader: BlockReader): Promise<[number, number][]> {
  const found: [number, number][] = [];
  for await (const extent of reader.extents(0, reader.sizeBytes)) {
    if (!extent.changed) continue;
    const last = found.at(-1);
    if (last && last[0] + last[1] === extent.offsetBytes) last[1] += extent.lengthBytes;
    else found.push([extent.offsetBytes, extent.lengthBytes]);
  }
  return found;
}

async function byteAt(reader: BlockReader, offset: number): Promise<number> {
  const buffer = Buffer.alloc(512);
  await reader.read(offset, buffer);
  return buffer[0]!;
}

async function running(): Promise<void> {
  await defineVm(host, 'vm', DISKS);
  await startPaused(host, 'vm');
}

test('a point shows all disks as of one instant, the next one exactly what changed since', async () => {
  await running();
  await write(host, 'vm', 0, '1M', '128k', 1);
  const seed = await source.openPoint(request(1));
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
  await write(host, 'vm', 0, '1M', '64k', 9);
  await write(host, 'vm', 2, '0', '64k', 9);
  assert.equal(await byteAt(seed.disks[0]!.reader, MIB), 1, 'a later write is not seen');
  assert.equal(await byteAt(seed.disks[2]!.reader, 0), 0);
  await seed.keepAlive();
  await seed.end();
  await write(host, 'vm', 1, '3M', '192k', 7);
  const delta = await source.openPoint(request(2, 1));
  const [vda, vdb, vdc] = delta.disks;
  assert.deepEqual([vda?.changes, vdb?.changes, vdc?.changes], ['bitmap', 'bitmap', 'unknown']);
  assert.deepEqual(await dirty(vda!.reader), [[MIB, 65536]]);
  assert.deepEqual(await dirty(vdb!.reader), [[3 * MIB, 3 * 65536]]);
  assert.equal(await byteAt(vdc!.reader, 0), 9);
  assert.match(delta.note ?? '', /vdc are unknown: not qcow2/);
  await delta.end();
  // An older checkpoint still tells all that changed since it was made.
  await write(host, 'vm', 0, '5M', '64k', 5);
  const older = await source.openPoint(request(3, 1));
  assert.deepEqual(await dirty(older.disks[0]!.reader), [
    [MIB, 65536],
    [5 * MIB, 65536],
  ]);
  await older.end();
});

test('a point is opened again by the same request, and ended by another', async () => {
  await running();
  const first = await source.openPoint(request(1));
  await write(host, 'vm', 0, '0', '64k', 3);
  // As after a crash of the worker: nothing was closed or ended.
  const again = await source.openPoint(request(1));
  assert.deepEqual([again.continued, again.checkpoint, again.takenAt], [true, first.checkpoint, first.takenAt]);
  assert.equal(await source.currentPoint('vm', ID), first.checkpoint);
  assert.equal(await source.currentPoint('vm', 'ba9876543210'), null);
  assert.equal(await byteAt(again.disks[0]!.reader, 0), 0, 'it is the same instant');
  await first.detach();
  await again.detach();
  const next = await source.openPoint(request(2, 1));
  assert.equal(next.continued, false);
  assert.deepEqual(await dirty(next.disks[0]!.reader), [[0, 65536]]);
  await next.end();
});

test('a name whose point is over is not used again', async () => {
  await running();
  const first = await source.openPoint(request(1));
  await first.end();
  await write(host, 'vm', 0, '0', '64k', 3);
  const retry = await source.openPoint(request(1, 1));
  assert.equal(retry.checkpoint, `vmferry-${ID}-1.1`);
  assert.equal(retry.continued, false);
  assert.deepEqual(await dirty(retry.disks[0]!.reader), [[0, 65536]]);
  const retried = await source.openPoint(request(1, 1));
  assert.deepEqual([retried.continued, retried.checkpoint], [true, retry.checkpoint]);
  await retried.detach();
  await retry.end();
});

test('a stopped VM tells what changed since a checkpoint, and cannot be started meanwhile', async () => {
  await running();
  await (await source.openPoint(request(1))).end();
  await write(host, 'vm', 0, '2M', '64k', 1);
  await (await source.openPoint(request(2, 1))).end();
  await write(host, 'vm', 0, '4M', '64k', 2);
  await write(host, 'vm', 2, '1M', '64k', 2);
  await virsh(host, 'destroy', 'vm');
  const last = await source.openPoint(request(3, 1));
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
  await assert.rejects(virsh(host, 'start', 'vm'), /lock/);
  await last.detach();
  assert.equal(await source.currentPoint('vm', ID), last.checkpoint);
  const again = await source.openPoint(request(3, 1));
  assert.deepEqual([again.continued, again.checkpoint], [true, last.checkpoint]);
  await again.end();
  // After an undo the guest goes on, and what it writes is known from that point on.
  await startPaused(host, 'vm');
  await write(host, 'vm', 0, '7M', '64k', 3);
  const after = await source.openPoint(request(4, 3));
  assert.equal(after.disks[0]?.changes, 'bitmap');
  assert.deepEqual(await dirty(after.disks[0].reader), [[7 * MIB, 65536]]);
  await after.end();
});

test('a VM that ran between two tries is not taken for the same point', async () => {
  await running();
  await (await source.openPoint(request(1))).end();
  await virsh(host, 'destroy', 'vm');
  const first = await source.openPoint(request(2, 1));
  await first.detach();
  await startPaused(host, 'vm');
  await write(host, 'vm', 0, '0', '64k', 3);
  await virsh(host, 'destroy', 'vm');
  const second = await source.openPoint(request(2, 1));
  assert.equal(second.continued, false);
  assert.equal(await source.currentPoint('vm', ID), second.checkpoint);
  assert.notEqual(second.checkpoint, first.checkpoint);
  assert.deepEqual(await dirty(second.disks[0]!.reader), [[0, 65536]]);
  await second.end();
});

test('a killed QEMU loses the bitmaps: it is noticed, said, and the disk is read whole', async () => {
  await running();
  await (await source.openPoint(request(1))).end();
  await write(host, 'vm', 0, '2M', '64k', 1);
  await host.host.run('sh', ['-c', 'kill -9 $(cat /run/libvirt/qemu/vm.pid); sleep 1']);
  const off = await source.openPoint(request(2, 1));
  assert.equal(off.disks[0]?.changes, 'unknown');
  assert.match(off.note ?? '', /vda are unknown: its image has no bitmap|left in use/);
  await off.end();
  await startPaused(host, 'vm');
  const on = await source.openPoint(request(3, 1));
  assert.deepEqual(
    on.disks.map((disk) => disk.changes),
    ['unknown', 'unknown', 'unknown'],
  );
  assert.match(on.note ?? '', /unknown/);
  await on.end();
  // From here on it is tracked again.
  await write(host, 'vm', 0, '6M', '64k', 1);
  const next = await source.openPoint(request(4, 3));
  assert.deepEqual(await dirty(next.disks[0]!.reader), [[6 * MIB, 65536]]);
  await next.end();
  await source.deleteCheckpoints('vm', ID, []);
  assert.equal((await virsh(host, 'checkpoint-list', 'vm', '--name')).trim(), '');
});

test('a checkpoint that somebody deleted is noticed and said', async () => {
  await running();
  await (await source.openPoint(request(1))).end();
  await virsh(host, 'checkpoint-delete', 'vm', `vmferry-${ID}-1`);
  const point = await source.openPoint(request(2, 1));
  assert.equal(point.disks[0]?.changes, 'unknown');
  assert.match(point.note ?? '', /checkpoint vmferry-0123456789ab-1 is gone/);
  await point.end();
});

test('checkpoints are deleted but those to be kept, running or stopped', async () => {
  await running();
  for (const n of [1, 2, 3]) await (await source.openPoint(request(n))).end();
  await source.deleteCheckpoints('vm', ID, [`vmferry-${ID}-2`, `vmferry-${ID}-3`]);
  await write(host, 'vm', 0, '0', '64k', 3);
  const names = async () => (await virsh(host, 'checkpoint-list', 'vm', '--name')).split('\n').filter(Boolean);
  assert.deepEqual(await names(), [`vmferry-${ID}-2`, `vmferry-${ID}-3`]);
  await virsh(host, 'destroy', 'vm');
  await source.deleteCheckpoints('vm', ID, [`vmferry-${ID}-2`]);
  assert.deepEqual(await names(), [`vmferry-${ID}-2`]);
  const { stdout } = await host.host.run('qemu-img', ['info', diskPath(host, 'vm', DISKS[0])]);
  assert.deepEqual(
    [...stdout.matchAll(/name: (vmferry\S+)/g)].map((match) => match[1]),
    [`vmferry-${ID}-2`],
  );
  const point = await source.openPoint(request(4, 2));
  assert.deepEqual(await dirty(point.disks[0]!.reader), [[0, 65536]]);
  await point.end();
});

test('a job or checkpoints of somebody else are left alone', async () => {
  await running();
  const job = `<domainbackup mode='pull'><server transport='unix' socket='${host.images}/theirs/s.sock'/></domainbackup>`;
  const others = ['vdb', 'vdc'].map((id) => `<disk name='${id}' checkpoint='no'/>`).join('');
  const checkpoint = `<domaincheckpoint><name>theirs</name><disks><disk name='vda'/>${others}</disks></domaincheckpoint>`;
  const script =
    'mkdir -m 777 "$2" && cd "$1" && echo "$3" >b.xml && echo "$4" >c.xml && virsh -q backup-begin vm b.xml c.xml';
  await host.host.run('sh', ['-c', script, 'sh', host.directory, `${host.images}/theirs`, job, checkpoint]);
  await assert.rejects(source.openPoint(request(1)), code('Conflict'));
  await source.endPoints('vm', ID);
  assert.match(await virsh(host, 'backup-dumpxml', 'vm'), /theirs\/s\.sock/);
  await virsh(host, 'domjobabort', 'vm');
  const point = await source.openPoint(request(1));
  assert.match(point.note ?? '', /checkpoints of somebody else \(theirs\)/);
  await point.end();
  await source.deleteCheckpoints('vm', ID, []);
  assert.equal((await virsh(host, 'checkpoint-list', 'vm', '--name')).trim(), 'theirs');
});

test('a job whose worker is gone ends by itself, and a worker that comes late hears why', async () => {
  await running();
  const point = await source.openPoint(request(1));
  await host.host.run('touch', ['-d', '-5 minutes', `${host.directory}/vmferry/points/${point.checkpoint}/lease`]);
  await until(async () => !(await jobRuns()));
  await assert.rejects(point.keepAlive(), code('Unreachable'));
  await point.detach();
});

test('scratch that runs short ends the job, and the guest goes on writing', async () => {
  const mount = `${host.directory}/lib/images/small`;
  await host.host.run('sh', ['-c', 'mkdir "$1" && mount -t tmpfs -o size=88m,mode=777 none "$1"', 'sh', mount]);
  const small = connectLibvirt('dc', libvirtSite.parse({ ...host.config, scratchReserve: '32MiB', scratchDir: mount }));
  const part = createLibvirtSource(small);
  // Mounts made after QEMU's start are invisible to it.
  await running();
  try {
    await write(host, 'vm', 0, '0', '60M', 1);
    const point = await part.openPoint(request(1));
    await write(host, 'vm', 0, '0', '60M', 2);
    await until(async () => !(await jobRuns()));
    await write(host, 'vm', 0, '0', '60M', 3);
    await assert.rejects(point.keepAlive(), code('NoSpace'));
    await point.detach();
    await host.host.run('fallocate', ['-l', '70M', `${mount}/full`]);
    await assert.rejects(part.openPoint(request(2)), code('NoSpace'));
    await part.endPoints('vm', ID);
    assert.equal((await host.host.run('ls', [mount])).stdout.trim(), 'full');
  } finally {
    await removeVm(host, 'vm');
    await host.host.run('umount', ['-l', mount]);
    await small.host.close();
  }
});

test('exports of a stopped VM end by themselves when nobody reads them', async () => {
  await defineVm(host, 'vm', DISKS);
  const point = await source.openPoint(request(1));
  const exports = async () => (await host.host.run('sh', ['-c', 'pgrep -xc qemu-nbd; exit 0'])).stdout.trim();
  assert.equal(await exports(), '3');
  await point.detach();
  await until(async () => (await exports()) === '0');
  await startPaused(host, 'vm');
});

async function jobRuns(): Promise<boolean> {
  const { exitCode } = await host.host.run('virsh', ['-q', 'backup-dumpxml', 'vm'], { okExitCodes: [0, 1] });
  return exitCode === 0;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 20_000; !(await condition());) {
    assert.ok(Date.now() < deadline, 'it did not happen within 20 s');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
