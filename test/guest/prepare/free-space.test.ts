import assert from 'node:assert/strict';
import { mkdir, rm, symlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { freeSpace } from '../../../src/guest/prepare/free-space.js';
import { folderGuest, SHELLS, type FolderGuest } from './guest.js';

/** A disk of 1000 KiB, on which only `fill` counts; and memory, which does not. */
const DF = `fill=$(cat "$ROOT/fill" 2>/dev/null || echo 0)
echo 'Filesystem 1024-blocks Used Available Capacity Mounted on'
echo "/dev/vda1 1000 $fill $((1000 - fill)) 1% /"
echo "/dev/vda1 1000 $fill $((1000 - fill)) 1% /"
echo 'tmpfs 500 0 500 0% /tmp'`;

async function old(guest: FolderGuest, path: string, days: number): Promise<void> {
  await guest.write(path, 'x');
  const then = new Date(Date.now() - days * 86_400_000);
  await utimes(join(guest.root, path), then, then);
}

for (const shell of SHELLS) {
  test(`by ${shell.join(' ')}: caches of every manager that is there are emptied, and what that gave is told in all`, async (t) => {
    const guest = await folderGuest(t, shell);
    await guest.program('df', DF);
    // busybox takes its own df, which sees nothing of it.
    const freedBytes = shell.length > 1 ? 0 : 400 * 1024;
    await guest.write('fill', '700');
    await guest.program('apt-get', 'echo 300 >"$ROOT/fill"');
    for (const name of ['dnf', 'yum', 'zypper', 'pacman', 'apk']) await guest.program(name, '');
    const first = await freeSpace(guest, ['package-caches']);
    if (shell.length > 1) first.freedBytes = 0;
    assert.deepEqual(first, {
      freedBytes,
      commands: ['apt-get clean', 'dnf -q clean all', 'zypper --non-interactive clean --all', 'pacman -Sc --noconfirm'],
    });
    // A step whose worker was killed is tried again, and still knows.
    const again = await freeSpace(guest, ['package-caches']);
    if (shell.length === 1) assert.equal(again.freedBytes, freedBytes);
    assert.ok(!(await guest.log()).some((line) => /^(yum|apk) /.test(line)));
  });

  test(`by ${shell.join(' ')}: temporary files go by the guest's own rules, else those at the top that are old`, async (t) => {
    const guest = await folderGuest(t, shell);
    await old(guest, 'tmp/old', 40);
    await old(guest, 'tmp/young', 20);
    await old(guest, 'var/tmp/old', 40);
    await old(guest, 'tmp/folder/old', 40);
    await old(guest, 'home/of-a-user', 400);
    await symlink(join(guest.root, 'home'), join(guest.root, 'tmp/link'));
    const { commands } = await freeSpace(guest, ['temporary-files']);
    assert.equal(commands.length, 2);
    const there = async (path: string) => (await guest.read(path)) !== null;
    assert.deepEqual(
      await Promise.all(['tmp/old', 'tmp/young', 'var/tmp/old', 'tmp/folder/old', 'home/of-a-user'].map(there)),
      [false, true, false, true, true],
    );
    await old(guest, 'tmp/old', 40);
    // Some lines of its rules are wrong.
    await guest.program('systemd-tmpfiles', 'exit 65');
    assert.deepEqual((await freeSpace(guest, ['temporary-files'])).commands, ['systemd-tmpfiles --clean']);
    assert.ok(await there('tmp/old'));
  });
}

test('a /tmp that is a link is left alone', async (t) => {
  const guest = await folderGuest(t);
  await old(guest, 'home/of-a-user', 400);
  await mkdir(join(guest.root, 'run/x'), { recursive: true });
  await rm(join(guest.root, 'var/tmp'), { recursive: true });
  await symlink('../home', join(guest.root, 'var/tmp'));
  await freeSpace(guest, ['temporary-files']);
  assert.notEqual(await guest.read('home/of-a-user'), null);
});

test('a manager that fails is named with its own words', async (t) => {
  const guest = await folderGuest(t);
  await guest.program('apt-get', "echo 'E: Could not get lock /var/cache/apt/archives/lock' >&2; exit 100");
  await assert.rejects(
    freeSpace(guest, ['package-caches']),
    /cannot free space in the guest: apt-get clean failed: E: Could not get lock/,
  );
});
