import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import type { LabHost } from '../../../lab/host/lab-host.js';
import { libvirtSite } from '../../../src/config.js';
import { VmferryError } from '../../../src/errors.js';
import { connectLibvirt, type LibvirtConnection } from '../../../src/platforms/libvirt/connect.js';
import { createLibvirtSource } from '../../../src/platforms/libvirt/source.js';
import { createLibvirtVmSite, type SourcePart } from '../../../src/platforms/libvirt/vm-site.js';
import type { Claim } from '../../../src/platforms/platform.js';
import { defineVm, diskPath, removeVm, startPaused, startTestHost, virsh } from './lab-vm.js';

let host: LabHost;
let at: LibvirtConnection;
let source: SourcePart;
before(async () => {
  host = await startTestHost('claims');
  at = connectLibvirt('dc', libvirtSite.parse(host.config));
  source = createLibvirtSource(at);
  await defineVm(host, 'vm', [{ id: 'vda', format: 'qcow2', sizeMib: 8 }]);
});
after(async () => {
  await at.host.close();
  await host.stop();
});

const claimOf = (migrationId: string): Claim => ({
  migrationId,
  workflowId: `migrate "vm" & <co>`,
  cluster: 'localhost:7233',
  namespace: 'default',
  vm: 'vm',
  claimedAt: '2026-11-22T20:00:00.000Z',
});
const FIRST = claimOf('aaaaaaaaaaaa');
const SECOND = claimOf('bbbbbbbbbbbb');

const refusal = (error: unknown) =>
  error instanceof VmferryError && error.code === 'AlreadyClaimed' && error.message.includes(FIRST.migrationId);

test('the first migration has the VM, a second one hears who, and the first may claim again', async () => {
  await source.claim('vm', FIRST);
  await source.claim('vm', FIRST);
  await assert.rejects(source.claim('vm', SECOND), refusal);
  assert.deepEqual(await source.readClaim('vm'), FIRST);
  await source.releaseClaim('vm', SECOND.migrationId);
  assert.deepEqual(await source.readClaim('vm'), FIRST);
  await source.releaseClaim('vm', FIRST.migrationId);
  await source.releaseClaim('vm', FIRST.migrationId);
  assert.equal(await source.readClaim('vm'), null);
});

test('of many that claim at once, one wins', async () => {
  const ids = ['c', 'd', 'e', 'f'].map((letter) => letter.repeat(12));
  const outcomes = await Promise.allSettled(ids.map((id) => source.claim('vm', claimOf(id))));
  assert.equal(outcomes.filter((each) => each.status === 'fulfilled').length, 1);
  await Promise.all(ids.map((id) => source.releaseClaim('vm', id)));
  assert.equal(await source.readClaim('vm'), null);
});

test('the claim is seen on the domain, running or not, and holds where the file is not', async () => {
  await startPaused(host, 'vm');
  await source.claim('vm', FIRST);
  for (const where of [[], ['--inactive']]) {
    assert.match(await virsh(host, 'dumpxml', 'vm', ...where), /urn:vmferry:claim/);
  }
  await host.host.run('rm', ['-r', `${host.directory}/vmferry/claims`]);
  assert.deepEqual(await source.readClaim('vm'), FIRST);
  await assert.rejects(source.claim('vm', SECOND), refusal);
  await source.releaseClaim('vm', FIRST.migrationId);
  for (const where of [[], ['--inactive']]) {
    assert.doesNotMatch(await virsh(host, 'dumpxml', 'vm', ...where), /urn:vmferry/);
  }
  await virsh(host, 'destroy', 'vm');
});

test('what is changed in the guest is noted in its claim, also where others see it, and only by who holds it', async () => {
  await source.claim('vm', FIRST);
  await source.noteInClaim('vm', FIRST.migrationId, { stoppedServices: 'db web', addedVirtio: 'yes' });
  // A retry claims again, and takes nothing back.
  await source.claim('vm', FIRST);
  assert.deepEqual(await source.readClaim('vm'), { ...FIRST, stoppedServices: 'db web', addedVirtio: 'yes' });
  await host.host.run('rm', ['-r', `${host.directory}/vmferry/claims`]);
  assert.equal((await source.readClaim('vm'))?.stoppedServices, 'db web');
  await source.noteInClaim('vm', FIRST.migrationId, { stoppedServices: '' });
  assert.deepEqual(await source.readClaim('vm'), { ...FIRST, addedVirtio: 'yes' });
  assert.doesNotMatch(await virsh(host, 'dumpxml', 'vm'), /stoppedServices/);
  await source.releaseClaim('vm', FIRST.migrationId);
  await assert.rejects(
    source.noteInClaim('vm', FIRST.migrationId, { stoppedServices: 'db' }),
    (error) => error instanceof VmferryError && error.code === 'Drift',
  );
  assert.equal(await source.readClaim('vm'), null);
});

test('a VM that has moved is marked, once, and only when it is off', async () => {
  await virsh(host, 'desc', 'vm', '--config', 'the web server');
  await virsh(host, 'autostart', 'vm');
  await startPaused(host, 'vm');
  await assert.rejects(source.retire('vm', 'moved to dc-new'), /it runs/);
  await virsh(host, 'destroy', 'vm');
  await source.retire('vm', 'moved to dc-new');
  await source.retire('vm', 'moved to dc-new');
  assert.equal((await virsh(host, 'desc', 'vm')).trim(), 'the web server\n[vmferry] moved to dc-new');
  assert.match(await virsh(host, 'dumpxml', 'vm'), /urn:vmferry:moved/);
  assert.equal((await createLibvirtVmSite(at).runState('vm'))?.autostart, false);
});

test('what stands in the way is found: shared disks, saved memory, snapshots, no way back', async () => {
  await defineVm(host, 'odd', [
    { id: 'vda', format: 'qcow2', sizeMib: 8, options: 'compat=0.10' },
    { id: 'vdb', format: 'raw', sizeMib: 8 },
  ]);
  await host.host.run('qemu-img', ['snapshot', '-c', 'before', `${host.images}/odd-vda.qcow2`]);
  const edit = `virsh -q dumpxml odd | sed "s#<target dev='vdb'#<shareable/><target dev='vdb'#" | virsh -q define /dev/stdin`;
  await host.host.run('sh', ['-c', edit]);
  await virsh(host, 'start', 'odd');
  await virsh(host, 'managedsave', 'odd');
  const described = await createLibvirtVmSite(at).describe('odd');
  const findings = await source.sourceFindings(described, ['vda', 'vdb']);
  const ids = findings.map((finding) => `${finding.severity} ${finding.id}`).sort();
  assert.deepEqual(ids, ['blocking disk.shareable', 'blocking vm.managed-save', 'warning disk.internal-snapshots']);
  assert.deepEqual(
    (await source.sourceFindings(described, ['vda'])).filter((each) => each.id === 'disk.shareable'),
    [],
    'of disks that are left behind nothing is said',
  );
  await removeVm(host, 'odd');
});

test('who works on the disks of a VM is found: another program while it is off, block jobs while it runs', async () => {
  const disk = { id: 'vda', format: 'qcow2', sizeMib: 8 } as const;
  await defineVm(host, 'busy', [disk]);
  const site = createLibvirtVmSite(at);
  const ids = async () => (await source.sourceFindings(await site.describe('busy'), ['vda'])).map(({ id }) => id);
  assert.deepEqual(await ids(), []);
  const shell = (script: string) =>
    host.host.run('sh', ['-c', script, 'sh', `${host.images}/busy`, diskPath(host, 'busy', disk)]);
  await shell('qemu-nbd -f qcow2 -k "$1-sock" --pid-file="$1-pid" --fork "$2"');
  assert.deepEqual(await ids().finally(() => shell('kill "$(cat "$1-pid")"')), ['disk.locked']);

  await startPaused(host, 'busy');
  assert.deepEqual(await ids(), ['vm.paused', 'shutdown.no-acpi']);
  await virsh(host, 'snapshot-create-as', 'busy', 'one', '--disk-only');
  await virsh(host, 'blockcommit', 'busy', 'vda', '--active', '--bandwidth', '1');
  const found = await ids();
  assert.ok(found.includes('vm.snapshots') && found.includes('disk.block-job'), found.join());
  await virsh(host, 'blockjob', 'busy', 'vda', '--abort');
  assert.ok(!(await ids()).includes('disk.block-job'));
  await virsh(host, 'destroy', 'busy');
  await virsh(host, 'snapshot-delete', 'busy', 'one', '--metadata');
  await removeVm(host, 'busy');
});

test('state beside the disks is named where there is some, and missed where a VM runs without it', async () => {
  const variables = '/var/lib/libvirt/qemu/nvram/state_VARS.fd';
  await defineVm(host, 'state', [{ id: 'vda', format: 'qcow2', sizeMib: 8 }]);
  const firmware = `<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader><nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>${variables}</nvram>`;
  const tpm = `<tpm model='tpm-tis'><backend type='emulator' version='2.0'/></tpm>`;
  const edit = `virsh -q dumpxml state | sed "s#</os>#${firmware}</os><features><acpi/></features>#; s#</devices>#${tpm}</devices>#" | virsh -q define /dev/stdin`;
  await host.host.run('sh', ['-c', edit]);
  const site = createLibvirtVmSite(at);
  const blocking = async () =>
    (await source.sourceFindings(await site.describe('state'), ['vda']))
      .filter(({ severity }) => severity === 'blocking')
      .map(({ id, message }) => `${id} ${message}`);
  const never = await site.describe('state');
  assert.deepEqual([never.firmware, never.nvramPath, never.tpm?.statePath], ['uefi', null, null]);
  assert.deepEqual(await blocking(), []);

  await startPaused(host, 'state');
  const runs = await site.describe('state');
  assert.equal(runs.nvramPath, variables);
  assert.match(runs.tpm?.statePath ?? '', /^\/var\/lib\/libvirt\/swtpm\/.*\/tpm2$/);
  assert.deepEqual(await blocking(), []);

  await host.host.run('rm', ['-r', '--', variables, runs.tpm!.statePath!]);
  const missed = await blocking();
  assert.equal(missed.length, 2);
  assert.ok(missed[0]!.startsWith('firmware.variables-missing ') && missed[0]!.includes(variables), missed[0]);
  assert.ok(missed[1]!.startsWith('tpm.state-missing ') && missed[1]!.includes(runs.tpm!.statePath!), missed[1]);
  await removeVm(host, 'state');
});
