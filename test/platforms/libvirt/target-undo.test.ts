import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import type { LabHost } from '../../../lab/host/lab-host.js';
import { libvirtSite } from '../../../src/config.js';
import { connectLibvirt, type LibvirtConnection } from '../../../src/platforms/libvirt/connect.js';
import { createLibvirtTarget } from '../../../src/platforms/libvirt/target.js';
import { createLibvirtVmSite, type TargetPart } from '../../../src/platforms/libvirt/vm-site.js';
import type { SideState, TargetVm } from '../../../src/platforms/platform.js';
import { startTestHost, virsh } from './lab-vm.js';
import { DISK, VM } from './vm-fixture.js';

const MIB = 2 ** 20;
const NOTHING: SideState = { nvram: null, tpm: null };

let host: LabHost;
let at: LibvirtConnection;
let target: TargetPart;
before(async () => {
  host = await startTestHost('undo');
  at = connectLibvirt('dc-new', libvirtSite.parse(host.config));
  target = createLibvirtTarget(at);
});
after(async () => {
  await at.host.close();
  await host.stop();
});

const vmOf = (migrationId: string): TargetVm => ({
  owner: { migrationId, workflowId: `migrate ${migrationId}`, cluster: 'c', namespace: 'default' },
  name: 'web01',
  description: { ...VM, disks: [{ ...DISK, sizeBytes: MIB }] },
  networks: { lan: 'lan' },
});

/** A whole, verified replica of one empty disk. */
async function replicaOf(vm: TargetVm, storage: string | null = null): Promise<void> {
  const { migrationId } = vm.owner;
  const disks = [{ id: 'vda', sizeBytes: MIB, format: 'qcow2' as const, storage }];
  await target.createReplica({ owner: vm.owner, targetName: vm.name, disks });
  const replica = await target.openReplica(migrationId, 1, 1);
  await replica.notePoint('c1');
  await replica.seal({ pass: 1, checkpoint: 'c1', result: null });
  await replica.close();
  await target.noteVerified(migrationId, 1);
}

async function filesOf(migrationId: string): Promise<string> {
  const script = 'ls -d "$1"/*"$2"* "$1"/.vmferry-"$2"/* 2>/dev/null | grep -E "cutover|nvram|console"; exit 0';
  return (await host.host.run('sh', ['-c', script, 'sh', host.images, migrationId])).stdout;
}

test('a target that somebody renamed and started is ended all the same, and nothing of it comes back', async () => {
  const vm = vmOf('aaaaaaaaaaaa');
  await replicaOf(vm);
  await target.define(vm, { ...NOTHING });
  await virsh(host, 'domrename', 'web01', 'other');
  await virsh(host, 'start', '--paused', 'other');
  await target.undefine(vm.owner.migrationId);
  assert.deepEqual(await createLibvirtVmSite(at).inventory(), []);
  await assert.rejects(target.define(vm, NOTHING), { code: 'Superseded' });
  assert.equal(await filesOf(vm.owner.migrationId), '');
  await target.removeReplica(vm.owner.migrationId);
});
