import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { vmDescription, type VmDescription } from '../../src/model/vm.js';
import { LocalHost } from '../../src/exec/local.js';
import { convertGuest } from '../../src/guest/convert/convert.js';
import { LIMITS } from '../../src/platforms/libvirt/limits.js';
import { vmferry } from '../cli/capture.js';
import { withSshd } from '../exec/sshd.js';
import { KERNEL } from './inspect/guest-image.js';
import { LABEL, makeHostileGuest, OLD_KERNEL } from './hostile-guest.js';

/** A guest whose files are made to lead a reader astray: looked into by `describe --inspect`, and converted over ssh. */

const machine = new LocalHost();
let folder: string;
let path: string;
let outside: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vmferry-hostile-'));
  path = join(folder, 'guest.raw');
  outside = join(folder, 'outside');
  await writeFile(outside, 'GRUB_CMDLINE_LINUX="mine"\n');
  await makeHostileGuest(path, outside);
});
after(() => rm(folder, { recursive: true, force: true }));

test('a hostile guest is looked into within bounds, and what could not be read is said', async () => {
  const before = await digest(path);
  const { exit, out, err } = await vmferry(['describe', path, '--inspect', '--json']);
  assert.equal(exit, 0, err);
  assert.ok(out.length < 200_000, `${out.length} characters`);
  const { guest } = vmDescription.parse(JSON.parse(out));
  assert.equal(guest?.os?.kind, 'linux');
  assert.deepEqual([guest.os.productName?.length, guest.os.hostname], [200, null]);
  assert.deepEqual(guest.notSeen, [
    'what is mounted at /../../../../etc, which is no proper path',
    `what the initramfs of ${OLD_KERNEL} holds: it was cut off`,
    `what the initramfs of ${KERNEL} holds: cannot go on: it unpacks to too much`,
  ]);
  assert.deepEqual(
    guest.notes.map(({ message }) => message),
    [
      "The guest's /etc/network/interfaces.d/big is not looked at: it is longer than 1048576 characters.",
      'The guest configures network cards that the machine does not have: ens192 (/etc/network/interfaces.d/-rf).',
    ],
  );
  assert.deepEqual(guest.services, ['--help.service', 'two\nlines\u001b[2J.service']);
  assert.equal(guest.filesystems[0]?.mountpoint, '/');
  assert.equal(await digest(path), before);
});

test('a hostile guest is converted over ssh, and nothing outside of it is touched', async () => {
  const overlay = join(folder, 'overlay.qcow2');
  await machine.run('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', path, overlay]);
  const before = await digest(path);
  const described = vmDescription.parse(JSON.parse((await vmferry(['describe', path, '--json'])).out));
  const vm: VmDescription = {
    ...described,
    disks: described.disks.map((disk) => ({ ...disk, bus: 'sata' })),
    nics: described.nics.map((nic) => ({ ...nic, mac: '52:54:00:11:22:33', model: 'e1000' })),
  };
  await withSshd(async (host) => {
    const disks = [{ id: vm.disks[0]!.id, path: overlay, format: 'qcow2' as const }];
    const options = { vm, devices: 'virtio' as const, most: 'light' as const, seen: [] };
    const done = await convertGuest({ host, accelerator: 'tcg', limits: LIMITS, disks }, options);
    assert.equal(done.kind, 'light');
    assert.deepEqual(done.changes, [
      'network card ens192 held to 52:54:00:11:22:33',
      '/etc/fstab: disks named by UUID',
      '/etc/default/grub: console on the serial port',
    ]);
    const kept = done.findings.find(({ id }) => id === 'guest.tools-kept');
    assert.match(kept?.message ?? '', /^The tools of VMware stay in the guest \(open-vm-tools: /);
  });
  assert.equal(await digest(path), before);
  assert.equal(await readFile(outside, 'utf8'), 'GRUB_CMDLINE_LINUX="mine"\n');
  const raw = join(folder, 'converted.raw');
  await machine.run('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', overlay, raw]);
  const inside = async (command: string) =>
    (await machine.run('debugfs', ['-R', command, `${raw}?offset=${2 ** 20}`])).stdout;
  // What its link leads to is a file of its own.
  assert.match(await inside(`cat ${outside}`), /quiet .*console=/);
  // What is made there carries the label of the folder that it lies in, as SELinux would give it.
  const rules = '/etc/udev/rules.d/70-persistent-net.rules';
  assert.match(await inside(`cat ${rules}`), /NAME="ens192"/);
  for (const made of ['/etc/udev', '/etc/udev/rules.d', rules])
    assert.ok((await inside(`ea_get ${made} security.selinux`)).includes(LABEL), made);
});

async function digest(file: string): Promise<string> {
  return (await machine.run('b2sum', ['--', file])).stdout.split(' ')[0] ?? '';
}
