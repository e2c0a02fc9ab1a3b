import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { Host } from '../../src/exec/host.js';
import { LocalHost } from '../../src/exec/local.js';
import { accelerator, executes } from '../../src/platforms/accelerator.js';

/** This machine, with a program that goes before its QEMU, and a folder of its own for temporary files. */
async function site(t: TestContext, qemu: string): Promise<{ host: Host; log: string; temporary: string }> {
  const base = await mkdtemp(join(tmpdir(), 'vmferry-accelerator-'));
  t.after(() => rm(base, { recursive: true, force: true }));
  const [bin, temporary, log] = [join(base, 'bin'), join(base, 'tmp'), join(base, 'log')];
  await mkdir(bin);
  await mkdir(temporary);
  await writeFile(log, '');
  await writeFile(join(bin, 'qemu-system-x86_64'), `#!/bin/sh\nid -un >>'${log}'\n${qemu}\n`);
  // QEMU's user has to get at all of it.
  for (const each of [base, bin, join(bin, 'qemu-system-x86_64')]) await chmod(each, 0o755);
  await chmod(temporary, 0o1777);
  await chmod(log, 0o666);
  const machine = new LocalHost();
  const env = [`PATH=${bin}:/usr/sbin:/usr/bin:/sbin:/bin`, `TMPDIR=${temporary}`];
  const host: Host = {
    name: machine.name,
    local: machine.local,
    run: (command, args, options) => machine.run('env', [...env, command, ...args], options),
    runBinary: (command, args, options) => machine.runBinary('env', [...env, command, ...args], options),
    forwardSocket: (path) => machine.forwardSocket(path),
    converse: (command, args) => machine.converse('env', [...env, command, ...args]),
    close: () => machine.close(),
  };
  return { host, log, temporary };
}

test("a guest is seen to run, as the user that libvirt's guests run as, and leaves no file", async (t) => {
  const { host, log, temporary } = await site(t, 'exec /usr/bin/qemu-system-x86_64 "$@"');
  // Emulated, a guest runs everywhere; the busiest machine may need longer.
  assert.equal(await executes(host, 'tcg', undefined, 60), true);
  assert.equal((await readFile(log, 'utf8')).trim(), 'libvirt-qemu');
  assert.deepEqual(await readdir(temporary), []);
});

test('KVM counts only where the guest ran: not where QEMU starts, fails, or waits for a guest that never begins', async (t) => {
  const executed = await site(t, 'exit 33');
  assert.equal(await accelerator(executed.host), 'kvm');
  for (const qemu of ["echo 'VM status: running'", 'exit 1', 'kill -ABRT $$']) {
    const { host, log, temporary } = await site(t, qemu);
    assert.equal(await accelerator(host), 'tcg', qemu);
    assert.equal(await readFile(log, 'utf8'), 'libvirt-qemu\n');
    assert.deepEqual(await readdir(temporary), []);
  }
  const { host } = await site(t, 'exec sleep 60');
  const began = performance.now();
  assert.equal(await executes(host, 'kvm', undefined, 1), false);
  assert.ok(performance.now() - began < 20_000, 'it is not waited for');
});

test('a guest that gets to run, but is too slow for any system to start, was not seen to run', async (t) => {
  // Eight million instructions a second: the BIOS is through in no time, as it is where KVM interprets each of them.
  const { host } = await site(t, 'exec /usr/bin/qemu-system-x86_64 "$@" -icount shift=7,align=on');
  assert.equal(await executes(host, 'tcg', undefined, 8), false);
});

test('the user that runs guests is read from qemu.conf where it says so', async (t) => {
  const { host, log } = await site(t, 'exit 33');
  const conf = join(await mkdtemp(join(tmpdir(), 'vmferry-conf-')), 'qemu.conf');
  t.after(() => rm(join(conf, '..'), { recursive: true }));
  await writeFile(conf, '#user = "root"\nuser = "+65534" # nobody\n');
  // The file counts for this one process and its children.
  const script = 'mount --bind "$1" /etc/libvirt/qemu.conf && shift && exec "$@"';
  const unshared = ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', conf];
  const apart: Host = {
    ...host,
    run: (...[command, args, options]) => host.run('unshare', [...unshared, command, ...args], options),
  };
  assert.equal(await executes(apart, 'kvm'), true);
  assert.equal(await readFile(log, 'utf8'), 'nobody\n');
});
