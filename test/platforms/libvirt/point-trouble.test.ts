import assert from 'node:assert/strict';
import test from 'node:test';
import { libvirtSite } from '../../../src/config.js';
import { connectLibvirt } from '../../../src/platforms/libvirt/connect.js';
import { VmferryError } from '../../../src/errors.js';
import { createLibvirtSource } from '../../../src/platforms/libvirt/source.js';
import { defineVm, removeVm, startPaused, virsh, write } from './lab-vm.js';
import { byteAt, code, dirty, DISKS, ID, jobRuns, MIB, request, running, until, usePointLab } from './point-lab.js';

const lab = usePointLab();

test('a killed QEMU loses the bitmaps: it is noticed, said, and the disk is read whole', async () => {
  await running(lab.host);
  await (await lab.source.openPoint(request(1))).end();
  await write(lab.host, 'vm', 0, '2M', '64k', 1);
  await lab.host.host.run('sh', ['-c', 'kill -9 $(cat /run/libvirt/qemu/vm.pid); sleep 1']);
  const off = await lab.source.openPoint(request(2, 1));
  assert.equal(off.disks[0]?.changes, 'unknown');
  assert.match(off.note ?? '', /vda are unknown: its image has no bitmap|left in use/);
  await off.end();
  await startPaused(lab.host, 'vm');
  const on = await lab.source.openPoint(request(3, 1));
  assert.deepEqual(
    on.disks.map((disk) => disk.changes),
    ['unknown', 'unknown', 'unknown'],
  );
  assert.match(on.note ?? '', /unknown/);
  await on.end();
  // From here on it is tracked again.
  await write(lab.host, 'vm', 0, '6M', '64k', 1);
  const next = await lab.source.openPoint(request(4, 3));
  assert.deepEqual(await dirty(next.disks[0]!.reader), [[6 * MIB, 65536]]);
  await next.end();
  await lab.source.deleteCheckpoints('vm', ID, []);
  assert.equal((await virsh(lab.host, 'checkpoint-list', 'vm', '--name')).trim(), '');
});

test('a checkpoint that somebody deleted is noticed and said', async () => {
  await running(lab.host);
  await (await lab.source.openPoint(request(1))).end();
  await virsh(lab.host, 'checkpoint-delete', 'vm', `vmferry-${ID}-1`);
  const point = await lab.source.openPoint(request(2, 1));
  assert.equal(point.disks[0]?.changes, 'unknown');
  assert.match(point.note ?? '', /checkpoint vmferry-0123456789ab-1 is gone/);
  await point.end();
});

test('a job or checkpoints of somebody else are left alone', async () => {
  await running(lab.host);
  const job = `<domainbackup mode='pull'><server transport='unix' socket='${lab.host.images}/theirs/s.sock'/></domainbackup>`;
  const others = ['vdb', 'vdc'].map((id) => `<disk name='${id}' checkpoint='no'/>`).join('');
  const checkpoint = `<domaincheckpoint><name>theirs</name><disks><disk name='vda'/>${others}</disks></domaincheckpoint>`;
  const script =
    'mkdir -m 777 "$2" && cd "$1" && echo "$3" >b.xml && echo "$4" >c.xml && virsh -q backup-begin vm b.xml c.xml';
  await lab.host.host.run('sh', ['-c', script, 'sh', lab.host.directory, `${lab.host.images}/theirs`, job, checkpoint]);
  await assert.rejects(lab.source.openPoint(request(1)), code('Conflict'));
  await lab.source.endPoints('vm', ID);
  assert.match(await virsh(lab.host, 'backup-dumpxml', 'vm'), /theirs\/s\.sock/);
  await virsh(lab.host, 'domjobabort', 'vm');
  const point = await lab.source.openPoint(request(1));
  assert.match(point.note ?? '', /checkpoints of somebody else \(theirs\)/);
  await point.end();
  await lab.source.deleteCheckpoints('vm', ID, []);
  assert.equal((await virsh(lab.host, 'checkpoint-list', 'vm', '--name')).trim(), 'theirs');
});

test('a job whose worker is gone ends by itself, and a worker that comes late hears why', async () => {
  await running(lab.host);
  const point = await lab.source.openPoint(request(1));
  // As when nobody has touched it for a minute; how that is told is tried in point-scripts.test.ts.
  await lab.host.host.run('rm', [`${lab.host.directory}/vmferry/points/${point.checkpoint}/lease`]);
  await until(async () => !(await jobRuns(lab.host)));
  await assert.rejects(point.keepAlive(), code('Unreachable'));
  await point.detach();
});

test('scratch that runs short ends the job, and the guest goes on writing', async () => {
  const mount = `${lab.host.directory}/lib/images/small`;
  await lab.host.host.run('sh', ['-c', 'mkdir "$1" && mount -t tmpfs -o size=88m,mode=777 none "$1"', 'sh', mount]);
  const small = connectLibvirt(
    'dc',
    libvirtSite.parse({ ...lab.host.config, scratchReserve: '32MiB', scratchDir: mount }),
  );
  const part = createLibvirtSource(small);
  // Mounts made after QEMU's start are invisible to it.
  await running(lab.host);
  try {
    await write(lab.host, 'vm', 0, '0', '60M', 1);
    const point = await part.openPoint(request(1));
    await write(lab.host, 'vm', 0, '0', '60M', 2);
    await until(async () => !(await jobRuns(lab.host)));
    await write(lab.host, 'vm', 0, '0', '60M', 3);
    await assert.rejects(point.keepAlive(), code('NoSpace'));
    await point.detach();
    await lab.host.host.run('fallocate', ['-l', '70M', `${mount}/full`]);
    await assert.rejects(part.openPoint(request(2)), code('NoSpace'));
    await part.endPoints('vm', ID);
    assert.equal((await lab.host.host.run('ls', [mount])).stdout.trim(), 'full');
  } finally {
    await removeVm(lab.host, 'vm');
    await lab.host.host.run('umount', ['-l', mount]);
    await small.host.close();
  }
});

test('a full disk for working files is told as such, in few words, and nothing is begun', async () => {
  const stateDir = `${lab.host.directory}/tiny`;
  await lab.host.host.run('sh', ['-c', 'mkdir "$1" && mount -t tmpfs -o size=4k none "$1"', 'sh', stateDir]);
  const tiny = connectLibvirt('dc', libvirtSite.parse({ ...lab.host.config, scratchReserve: '32MiB', stateDir }));
  const source = createLibvirtSource(tiny);
  await running(lab.host);
  try {
    for (const state of ['running', 'off']) {
      await assert.rejects(source.openPoint(request(1)), (error) => {
        assert.ok(error instanceof VmferryError && error.code === 'NoSpace', String(error));
        assert.match(error.message, /^\[libvirt\] cannot .{1,80} on \S+: .*No space left on device$/, state);
        return true;
      });
      assert.equal(await jobRuns(lab.host), false);
      await source.endPoints('vm', ID);
      await virsh(lab.host, 'destroy', 'vm').catch(() => undefined);
    }
    assert.equal((await lab.host.host.run('ls', [`${stateDir}/points`])).stdout.match(/^vmferry/m), null);
  } finally {
    await lab.host.host.run('umount', ['-l', stateDir]);
    await tiny.host.close();
  }
});

test('folders and VMs with odd names are worked on as others are', async () => {
  const vm = `-x "y' $(id) ;é`;
  const [stateDir, scratchDir] = ['state', 'scratch'].map((name) => `${lab.host.images}/-a b'$(id)"${name}`);
  await lab.host.host.run('mkdir', ['-m', '755', '--', stateDir!, scratchDir!]);
  const odd = connectLibvirt(
    'dc',
    libvirtSite.parse({ ...lab.host.config, scratchReserve: '1MiB', stateDir, scratchDir }),
  );
  const source = createLibvirtSource(odd);
  await defineVm(lab.host, vm, DISKS);
  try {
    for (const n of [1, 2]) {
      if (n === 1) await startPaused(lab.host, vm);
      else await virsh(lab.host, 'destroy', '--domain', vm);
      const point = await source.openPoint(request(n, null, { vm }));
      assert.equal(await byteAt(point.disks[0]!.reader, 0), 0);
      await point.detach();
      assert.equal(await source.currentPoint(vm, ID), point.checkpoint);
      await source.endPoints(vm, ID);
      await source.deleteCheckpoints(vm, ID, []);
    }
    assert.equal(
      (await lab.host.host.run('ls', ['--', scratchDir!, `${stateDir}/points`])).stdout.match(/^vmferry/m),
      null,
    );
  } finally {
    await removeVm(lab.host, vm);
    await lab.host.host.run('rm', ['-rf', '--', stateDir!, scratchDir!]);
    await odd.host.close();
  }
});
