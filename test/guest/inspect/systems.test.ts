import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { check, RULES } from '../../../src/checks/index.js';
import { LocalHost } from '../../../src/exec/local.js';
import { lookInside } from '../../../src/guest/inspect/look-inside.js';
import { inspectedGuest, type InspectedGuest } from '../../../src/model/guest.js';
import { disk, factsOf, uefi, type Given } from '../../checks/facts.js';
import { buildDisks, type DiskName } from './built-disks.js';

/** Systems other than the plain Linux of inspect.test.ts, each looked at as the product does, and judged. */

let folder: string;
let paths: Record<DiskName, string>;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vmferry-systems-'));
  paths = await buildDisks(folder);
});
after(() => rm(folder, { recursive: true, force: true }));

async function inspect(...ids: DiskName[]): Promise<InspectedGuest> {
  const disks = ids.map((id) => ({ id, path: paths[id], format: 'raw' as const }));
  return inspectedGuest.parse(await lookInside({ host: new LocalHost(), accelerator: 'tcg', disks }, { nics: [] }));
}

function findings(guest: InspectedGuest, given: Partial<Given> = {}): string[] {
  const found = check({ ...factsOf(given), guest }).filter(({ id }) => id.startsWith('guest.'));
  return found.map(({ id, severity }) => `${severity} ${id}`);
}

test('a root that is a subvolume of btrfs on LVM on a RAID is looked into, and such layouts are named', async () => {
  const guest = await inspect('volumes-a', 'volumes-b');
  assert.deepEqual(guest.layouts, ['lvm', 'raid', 'btrfs']);
  assert.equal(guest.os?.productName, 'Debian on volumes');
  const mounts = guest.filesystems.map(({ device, mountpoint }) => [device, mountpoint]);
  assert.deepEqual(mounts, [
    ['/dev/sda1', '/boot/efi'],
    ['/dev/vg/root', null],
    ['btrfsvol:/dev/vg/root/@', '/'],
    ['btrfsvol:/dev/vg/root/@home', '/home'],
  ]);
  // As Debian installs it: its loader is one that only the variables of the old machine name.
  assert.deepEqual(guest.boots, { bios: false, uefi: true, uefiFallback: false });
  // Its 140 MiB have no 100 left; a boot loader is there for one firmware.
  const all = ['info guest.not-seen', 'warning guest.space', 'info guest.layout'];
  assert.deepEqual(guest.notSeen, ['its kernels: none was found']);
  assert.deepEqual(findings(guest, { os: uefi() }), all);
  const anew = { os: uefi().replace(/<nvram>.*<\/nvram>/, '') };
  assert.deepEqual(findings(guest, anew), [...all, 'warning guest.boot-fallback']);
  assert.deepEqual(findings(guest), [...all, 'blocking guest.boot-loader']);
});

test('a Windows that sleeps, on a dynamic disk and without drivers, is known by its disks', async () => {
  const guest = await inspect('asleep-a', 'asleep-b');
  assert.deepEqual(guest.windows, { hibernated: true, fastStartup: true, virtioDisk: false, virtioNet: false });
  assert.deepEqual(
    [guest.os?.kind, guest.os?.productName, guest.os?.hostname],
    ['windows', 'Windows 7 Phony', 'phony'],
  );
  const drivers = ['blocking guest.disk-driver', 'warning guest.nic-driver'];
  const layout = ['warning guest.space', 'warning guest.dynamic-disks', 'blocking guest.hibernated'];
  assert.deepEqual(findings(guest), [...layout, ...drivers]);
});

test('a Windows that was shut down and has virtio drivers can go; beside another system it is not the one looked at', async () => {
  const guest = await inspect('awake');
  assert.deepEqual(guest.windows, { hibernated: false, fastStartup: false, virtioDisk: true, virtioNet: true });
  assert.deepEqual([guest.systems, guest.layouts, guest.notSeen], [1, [], []]);
  assert.deepEqual(findings(guest, { disks: disk() }), ['warning guest.space']);

  const both = await inspect('dos', 'awake');
  assert.deepEqual([both.systems, both.os?.kind, both.os?.distribution], [2, 'other', 'freedos']);
  const first = ['warning guest.several-systems', 'info guest.other-system', 'warning guest.space'];
  assert.deepEqual(findings(both), first);
});

test('every rule about guests is tried on an image, here, in inspect.test.ts or in describe-inside.test.ts', () => {
  const here = ['boot-fallback', 'several-systems', 'other-system', 'layout', 'dynamic-disks', 'hibernated'];
  const plain = ['tools', 'no-agent', 'nic-names', 'not-seen', 'space', 'inodes', 'encrypted', 'boot-loader'];
  const all = [...here, ...plain, 'device-names', 'disk-driver', 'nic-driver', 'no-system'];
  const ids = RULES.map(({ id }) => id).filter((id) => id.startsWith('guest.'));
  assert.deepEqual([...ids].sort(), all.map((each) => `guest.${each}`).sort());
});
