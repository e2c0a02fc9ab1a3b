import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { open, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineGuest, startGuest, waitForGuest, type Guest, type GuestOptions } from '../../../lab/guest/guest.js';
import type { LabHost } from '../../../lab/host/lab-host.js';
import { startRecorder, type Recorder } from '../../../lab/recorder.js';
import { check } from '../../../src/checks/index.js';
import { rateFrom } from '../../../src/checks/rate.js';
import type { SideState, TargetVm, VmSite } from '../../../src/platforms/platform.js';
import { connectLibvirt } from '../../../src/platforms/libvirt/connect.js';
import { createLibvirtTarget } from '../../../src/platforms/libvirt/target.js';
import { createLibvirtVmSite, type TargetPart } from '../../../src/platforms/libvirt/vm-site.js';
import { migrateVmRequest } from '../../../src/request/migrate-vm.js';
import { startTestHost, virsh } from './lab-vm.js';

const MIB = 1024 * 1024;
let host: LabHost;
let target: TargetPart;
let site: VmSite;
let recorder: Recorder;

/** For a test file: a lab host before, nothing after. */
export function useTargetHost(): void {
  before(async () => {
    host = await startTestHost('target');
    const at = connectLibvirt('dc-new', host.config);
    target = createLibvirtTarget(at);
    site = createLibvirtVmSite(at);
    recorder = await startRecorder(host);
  });
  after(async () => {
    await site?.close();
    await recorder?.stop();
    await host?.stop();
  });
}

/** A guest that was here and is gone: its disks lie in the pool, its definition is known. */
async function goneGuest(
  options: GuestOptions,
  boot: boolean,
): Promise<{ guest: Guest; vm: TargetVm; sides: SideState }> {
  const guest = await defineGuest(host, options);
  if (boot) {
    // Once, so that there are UEFI variables.
    await startGuest(host, guest);
    await waitForGuest(host, guest);
  }
  // While it runs: only then does libvirt tell where it put the variables of a firmware of its own choice.
  const description = await site.describe(guest.name);
  if (boot) await virsh(host, 'destroy', '--domain', guest.name);
  const path = description.nvramPath;
  const nvram = path && boot ? await host.host.runBinary('cat', ['--', path]) : null;
  await virsh(host, 'undefine', '--domain', guest.name, '--nvram');
  const owner = { migrationId: ID, workflowId: 'migrate-web01', cluster: 'test', namespace: 'default' };
  return { guest, vm: { owner, name: guest.name, description, networks: { lan: 'lan' } }, sides: { nvram, tpm: null } };
}

const ID = 'feedc0ffee01';

/** One whole, verified pass with the content of the guest's disks. */
async function seed(vm: TargetVm, format: 'qcow2' | 'raw'): Promise<void> {
  const disks = vm.description.disks.map(({ id, sizeBytes }) => ({ id, sizeBytes, format, storage: null }));
  await target.createReplica({ owner: vm.owner, targetName: vm.name, disks });
  const replica = await target.openReplica(ID, 1, 1);
  for (const disk of replica.disks) {
    const from = vm.description.disks.find((each) => each.id === disk.id);
    const raw = join(host.images, 'flat.raw');
    await host.host.run('qemu-img', ['convert', '-f', from!.format, '-O', 'raw', '--', from!.path!, raw]);
    const file = await open(raw);
    const buffer = Buffer.alloc(MIB);
    for (let offset = 0; offset < from!.sizeBytes; offset += MIB) {
      const { bytesRead } = await file.read(buffer, 0, MIB, offset);
      if (!buffer.every((byte) => byte === 0)) await disk.data.write(offset, buffer.subarray(0, bytesRead));
    }
    await file.close();
    await rm(raw);
  }
  await replica.seal({ pass: 1, checkpoint: 'c1', result: null });
  await replica.close();
  await target.noteVerified(ID, 1);
}

/** A layer on top that changes nothing that the guest sees, so that cutover stands on a chain. */
async function emptyLayer(pass: number): Promise<void> {
  const replica = await target.openReplica(ID, pass, 1);
  const block = Buffer.alloc(64 * 1024);
  await replica.disks[0]!.data.read(0, block);
  await replica.disks[0]!.data.write(0, block);
  await replica.seal({ pass, checkpoint: `c${pass}`, result: null });
  await replica.close();
  await target.noteVerified(ID, pass);
}

async function consoleSays(vm: string, what: RegExp): Promise<string> {
  for (let tries = 0; tries < 400; tries++) {
    const text = (await site.consoleText(vm)) ?? '';
    if (what.test(text)) return text;
    await sleep(200);
  }
  throw new Error(`${vm} does not say ${String(what)}:\n${await site.consoleText(vm)}`);
}

/** What a target does with a guest, from the first pass to the last: rehearsal, cutover, undo, cutover, acceptance. */
export async function journey(
  firmware: 'bios' | 'uefi',
  format: 'qcow2' | 'raw',
  bus: 'virtio' | 'sata' = 'virtio',
): Promise<void> {
  const options = { name: `web-${firmware}-${bus}`, firmware, bus, dataDisks: [{ sizeBytes: 64 * MIB }] };
  const { guest, vm, sides } = await goneGuest(options, firmware === 'uefi');
  if (firmware === 'uefi') assert.ok(sides.nvram && sides.nvram.length > 0);
  const facts = await target.targetFacts([null]);
  const specs = vm.description.disks.map(({ id, sizeBytes }) => ({ id, sizeBytes, format, storage: null }));
  const { abilities } = site;
  const found = check({
    ...{
      migrationId: ID,
      source: { abilities, running: false },
      vm: vm.description,
      readiness: null,
      targetName: vm.name,
      disks: specs,
    },
    package: null,
    ...{ networks: vm.networks, target: { ...facts, abilities } },
    rate: rateFrom({ source: 'dc-old', target: 'dc-new' }),
    request: migrateVmRequest.parse({ vm: vm.name, source: 'dc-old', target: 'dc-new' }),
  });
  assert.deepEqual(
    found.filter(({ severity }) => severity === 'blocking'),
    [],
  );
  await seed(vm, format);

  const before = await recorder.last();
  const name = await target.startRehearsal(vm, sides, null);
  assert.equal(name, `${vm.name}-rehearsal-${ID}`);
  assert.equal(await target.startRehearsal(vm, sides, null), name, 'a second call finds the first');
  await consoleSays(name, /vmferry-guest: address /);
  await sleep(2000);
  assert.equal(await recorder.last(), before, 'the guest calls the recorder, and is not heard');
  const taps = (await host.host.run('ls', ['/sys/class/net'])).stdout;
  assert.doesNotMatch(taps, /vnet|tap/);
  assert.ok((await target.listOwned()).some((each) => each.name === name && each.inUse !== null));
  await emptyLayer(2);
  await target.mergeLayers(ID);
  assert.equal((await target.readReplica(ID))?.layers.length, 1, 'merging waits for the rehearsal');
  await target.endRehearsal(ID);
  await target.endRehearsal(ID);
  assert.equal(await site.runState(name), null);

  await target.define(vm, sides);
  await target.define(vm, sides);
  assert.deepEqual(await site.runState(vm.name), { state: 'off', instance: null, autostart: false });
  const defined = await site.describe(vm.name);
  assert.equal(defined.uuid, vm.description.uuid);
  assert.deepEqual(
    defined.nics.map((nic) => [nic.mac, nic.network, nic.model]),
    vm.description.nics.map((nic) => [nic.mac, nic.network, nic.model]),
  );
  assert.equal(defined.firmware, firmware);
  assert.deepEqual(
    defined.disks.map((disk) => [disk.id, disk.bus, disk.serial]),
    vm.description.disks.map((disk) => [disk.id, disk.bus, disk.serial]),
  );
  assert.equal(defined.nics[0]?.model, bus === 'sata' ? 'e1000' : 'virtio');
  await target.undefine(ID);
  await target.undefine(ID);
  await assert.rejects(target.define(vm, sides), { code: 'Superseded' });
  assert.deepEqual(
    (await readdir(join(host.images, `.vmferry-${ID}`))).filter((each) => /cutover|console/.test(each)),
    [],
  );
  // From here on as a migration that was never undone.
  await rm(join(host.images, `.vmferry-${ID}`, `undone-${ID}`));
  assert.equal(await site.runState(vm.name), null);
  await target.define(vm, sides);
  await assert.rejects(target.removeReplica(ID), { code: 'Unsafe' });

  await site.start(vm.name);
  await consoleSays(vm.name, /vmferry-guest: address /);
  await sleep(1000);
  assert.equal(await recorder.last(), before, 'the cable is not plugged in yet');
  await target.setLinks(vm.name, true);
  await waitForGuest(host, guest);
  while ((await recorder.last()) <= before) await sleep(100);

  await Promise.all(
    [target.finalize(vm.name, ID, true), target.finalize(vm.name, ID, true)].map((each) => each.catch(() => undefined)),
  );
  await target.finalize(vm.name, ID, true);
  assert.equal((await site.runState(vm.name))?.autostart, true);
  await waitForGuest(host, guest);
  const kept = await site.describe(vm.name);
  for (const disk of kept.disks) {
    assert.equal(disk.format, format);
    assert.ok(disk.path?.endsWith(`-${ID}.${format}`), disk.path ?? '');
    const info = await host.host.run('qemu-img', ['info', '-U', '--output=json', disk.path!]);
    assert.equal((JSON.parse(info.stdout) as Record<string, unknown>)['backing-filename'], undefined);
  }
  assert.equal(await target.readReplica(ID), null);
  assert.deepEqual(await target.listOwned(), []);
  assert.ok(!existsSync(join(host.images, `.vmferry-${ID}`)));

  await site.forceOff(vm.name);
  await site.start(vm.name);
  await waitForGuest(host, guest);
  await site.forceOff(vm.name);
  await virsh(host, 'undefine', '--domain', vm.name, '--nvram');
  for (const disk of [...kept.disks, ...vm.description.disks]) await rm(disk.path!, { force: true });
  const left = await readdir(dirname(kept.disks[0]!.path!));
  assert.deepEqual(
    left.filter((each) => each.includes(ID)),
    [],
  );
}

export async function stoppedJourney(): Promise<void> {
  const { vm, sides } = await goneGuest({ name: 'web-off', dataDisks: [] }, false);
  await seed(vm, 'qcow2');
  await emptyLayer(2);
  await target.define(vm, sides);
  await target.finalize(vm.name, ID, false);
  const kept = await site.describe(vm.name);
  const compared = await host.host.run('qemu-img', ['compare', kept.disks[0]!.path!, vm.description.disks[0]!.path!]);
  assert.match(compared.stdout, /identical/);
  await virsh(host, 'undefine', '--domain', vm.name);
  for (const disk of [...kept.disks, ...vm.description.disks]) await rm(disk.path!, { force: true });
}
