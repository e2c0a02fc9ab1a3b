import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { VmferryError, type ErrorCode } from '../../src/errors.js';
import { LocalHost } from '../../src/exec/local.js';
import type { Appliance } from '../../src/guest/appliance.js';
import { openAppliance } from '../../src/guest/open-appliance.js';
import { withSshd } from '../exec/sshd.js';
import { deadSockets, nothingLeft, place, untilRunning, within } from './appliance-processes.js';

const machine = new LocalHost();
const NAME = `two\nlines "quoted" 'once' \\ $HOME`;
const SAYABLE = NAME.replace('\n', ' ');
const COMPLAINT = '*stdin*:1: libguestfs: error: cat: not so\n';

const coded = (code: ErrorCode) => (error: unknown) => error instanceof VmferryError && error.code === code;

async function ext4(path: string, content: string): Promise<void> {
  await machine.run('truncate', ['-s', '32M', '--', path]);
  await machine.run('mke2fs', ['-q', '-t', 'ext4', '-d', content, '--', path]);
}

test('what is on a disk is read without changing it, whatever it is named or holds, and not what is no file', async (t) => {
  const { folder, host } = await place(t);
  const content = join(folder, 'content');
  const big = randomBytes(3 * 1024 * 1024 + 17);
  await mkdir(join(content, 'dir'), { recursive: true });
  await writeFile(join(content, NAME), COMPLAINT);
  await writeFile(join(content, 'big'), big);
  await symlink('/big', join(content, 'dir', 'link'));
  await symlink('round', join(content, 'round'));
  await machine.run('mkfifo', [join(content, 'pipe')]);
  await ext4(join(folder, 'disk.img'), content);
  await machine.run('qemu-img', ['create', '-q', '-f', 'qcow2', join(folder, 'second.qcow2'), '8M']);
  const before = await readFile(join(folder, 'disk.img'));

  const disks = [
    { id: 'vda', path: join(folder, 'disk.img'), format: 'raw' as const },
    { id: 'vdb', path: join(folder, 'second.qcow2'), format: 'qcow2' as const },
  ];
  const appliance = await openAppliance(host, disks, { readOnly: true, tcg: true });
  try {
    const device = appliance.devices.get('vda') ?? '';
    assert.equal(
      (await appliance.command(['blockdev-getsize64', appliance.devices.get('vdb') ?? ''])).trim(),
      '8388608',
    );
    await appliance.command(['mount-ro', device, '/']);
    assert.equal((await appliance.download(`/${NAME}`, 1000))?.toString(), COMPLAINT);
    assert.equal(await appliance.command(['cat', `/${NAME}`]), `${COMPLAINT}\n`);
    assert.deepEqual(await appliance.download('/dir/link', big.length), big);
    for (const path of ['/no', '/no/such', '/dir', '/pipe', '/round'])
      assert.equal(await appliance.download(path, 10), null);
    await assert.rejects(appliance.download('/big', big.length - 1), /holds 3145745 bytes, more than the 3145744/);
    // A failure is libguestfs' own, and the appliance goes on; what is asked at once is answered in turn.
    const [failed, , listed] = await Promise.allSettled([
      appliance.command(['ls', '/no\nsuch']),
      appliance.command(['no-such-command']),
      appliance.command(['ls', '/dir']),
    ]);
    assert.ok(failed.status === 'rejected' && coded('GuestUnreadable')(failed.reason));
    assert.match(String(failed.reason), /cannot run ls in the appliance: ls0: opendir: .*No such file or directory/s);
    assert.deepEqual(listed, { status: 'fulfilled', value: 'link\n' });
    assert.equal(await appliance.maybe(['ls', '/no']), null);
    assert.equal(await appliance.maybe(['touch', '/new']), null);
    await assert.rejects(
      appliance.bytes(['pread', '/big', '2000000', '0'], { maxOutputBytes: 100_000 }),
      /longer than 100000 bytes/,
    );
    await assert.rejects(appliance.command(['ls', '/']), /longer than 100000 bytes/);
  } finally {
    await appliance.close();
  }
  await assert.rejects(appliance.command(['ls', '/']), coded('ToolFailed'));
  assert.ok(before.equals(await readFile(join(folder, 'disk.img'))));
  await nothingLeft(folder);
  assert.deepEqual(await readdir(join(folder, 'tmp')), []);
});

test('what is written is on the disk once it is closed, through an NBD socket as through a file', async (t) => {
  const { folder, host } = await place(t);
  const bytes = randomBytes(300_000);
  const image = (name: string) => join(folder, name);
  await mkdir(join(folder, 'empty'));
  await ext4(image('raw'), join(folder, 'empty'));
  await ext4(image('exported'), join(folder, 'empty'));
  await machine.run('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', image('raw'), image('qcow2')]);
  await machine.run('qemu-nbd', ['--fork', '-f', 'raw', '-k', image('nbd.sock'), '--', image('exported')]);
  const disks = [
    { id: 'file', path: image('qcow2'), format: 'qcow2' as const },
    { id: 'socket', nbdSocket: image('nbd.sock') },
  ];
  const appliance = await openAppliance(host, disks, { readOnly: false, tcg: true });
  try {
    for (const { id } of disks) {
      await appliance.command(['mount', appliance.devices.get(id) ?? '', '/']);
      await appliance.upload(`/${SAYABLE}`, bytes);
      await appliance.upload('/empty', Buffer.alloc(0));
      assert.deepEqual(await appliance.download(`/${SAYABLE}`, bytes.length), bytes);
      await appliance.command(['umount', '/']);
    }
    await assert.rejects(appliance.upload('/no/folder', bytes), coded('GuestUnreadable'));
    await assert.rejects(appliance.upload(`/${NAME}`, bytes), coded('GuestUnreadable'));
    await appliance.command(['mount', appliance.devices.get('file') ?? '', '/']);
  } finally {
    await appliance.close();
  }
  await machine.run('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', image('qcow2'), image('raw')]);
  for (const name of ['raw', 'exported']) {
    await mkdir(join(folder, `out-${name}`));
    await machine.run('debugfs', ['-R', `rdump / ${join(folder, `out-${name}`)}`, image(name)]);
    assert.deepEqual(await readFile(join(folder, `out-${name}`, SAYABLE)), bytes);
    assert.equal((await readFile(join(folder, `out-${name}`, 'empty'))).length, 0);
    await machine.run('e2fsck', ['-f', '-n', image(name)]);
  }
  await nothingLeft(folder);
  assert.deepEqual(await readdir(join(folder, 'tmp')), []);
});

test('an appliance ends when it is cancelled, when its worker is killed, and when the connection to it is lost', async (t) => {
  const { folder, host } = await place(t);
  const path = join(folder, 'disk.img');
  await machine.run('truncate', ['-s', '8M', '--', path]);
  const disks = [{ id: 'vda', path, format: 'raw' as const }];
  const before = await deadSockets();
  const qemu = (commands: string[]) => commands.some((command) => command.includes('qemu'));

  const cancel = new AbortController();
  const cancelled = openAppliance(host, disks, { readOnly: true, tcg: true, signal: cancel.signal });
  await Promise.all([
    assert.rejects(cancelled, coded('Cancelled')),
    untilRunning(folder, qemu).then(() => cancel.abort()),
  ]);
  await nothingLeft(folder);
  assert.deepEqual(await readdir(join(folder, 'tmp')), []);

  const module = (name: string) => JSON.stringify(fileURLToPath(new URL(`../../src/${name}.js`, import.meta.url)));
  const worker = `
    const { openAppliance } = await import(${module('guest/open-appliance')});
    const { LocalHost } = await import(${module('exec/local')});
    await openAppliance(new LocalHost(), ${JSON.stringify(disks)}, { readOnly: false, tcg: true });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', worker], {
    env: { ...process.env, TMPDIR: join(folder, 'tmp'), LIBGUESTFS_CACHEDIR: '/var/tmp' },
    stdio: 'ignore',
  });
  await untilRunning(folder, qemu);
  child.kill('SIGKILL');
  await nothingLeft(folder);
  assert.deepEqual(await readdir(join(folder, 'tmp')), []);

  await withSshd(async (ssh) => {
    const far = within(folder, ssh);
    const lost = openAppliance(far, disks, { readOnly: true, tcg: true });
    await Promise.all([assert.rejects(lost, coded('Unreachable')), untilRunning(folder, qemu).then(() => ssh.close())]);
    await nothingLeft(folder);
    assert.deepEqual(await readdir(join(folder, 'tmp')), []);
  });
  assert.deepEqual(
    (await deadSockets()).filter((name) => !before.includes(name)),
    [],
  );
});

test('an appliance that does not start says why', async (t) => {
  const { folder, host } = await place(t);
  const missing = openAppliance(host, [{ id: 'vda', path: join(folder, 'none'), format: 'raw' }], {
    readOnly: true,
    tcg: true,
  });
  await assert.rejects(missing, /cannot start a libguestfs appliance on local: .*none/);
  let appliance: Appliance | undefined;
  await assert.rejects(async () => {
    await writeFile(join(folder, 'text'), 'no image');
    appliance = await openAppliance(host, [{ id: 'vda', path: join(folder, 'text'), format: 'qcow2' }], {
      readOnly: true,
      tcg: true,
    });
  }, coded('ToolFailed'));
  assert.equal(appliance, undefined);
  await nothingLeft(folder);
});
