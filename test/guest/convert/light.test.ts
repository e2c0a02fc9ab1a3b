import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { LocalHost } from '../../../src/exec/local.js';
import { applianceTree } from '../../../src/guest/appliance-tree.js';
import { convertLightly } from '../../../src/guest/convert/light.js';
import { inAppliance } from '../../../src/guest/open-appliance.js';
import { factsOf } from '../../checks/facts.js';
import { makeGuestImage } from '../inspect/guest-image.js';

/** What a light conversion writes, on a real file system. */

const UUID = '3c1f0c6e-5a43-4b1f-9b50-0d0f6f1d3a10';
const LIST = '/etc/lvm/devices/system.devices';
const WWID = 'VERSION=1.1.2\nIDTYPE=sys_wwid IDNAME=naa.6000c29a0e7a0b0f DEVNAME=/dev/sda3 PVID=phl0 PART=3\n';
const latin1 = (text: string) => Buffer.from(text, 'latin1');

test('files are written as they were, byte for byte, but for what had to change', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-light-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const fstab =
    '# Datentr\xe4ger f\xfcr das B\xfcro\n/dev/sda1 / ext4 defaults 1 1\nLABEL=b /srv/B\xfcro vfat nofail 0 0\n';
  const menu = 'title Gr\xf6\xdfe\n\tkernel /boot/vmlinuz root=/dev/sda1\n\tinitrd /boot/initrd\n';
  const path = join(folder, 'guest.raw');
  await makeGuestImage(path, {
    ...{ files: { '/boot/grub/menu.lst': '', [LIST]: WWID }, bootCode: true, modules: [], early: [] },
    shape: async (root) => {
      await writeFile(join(root, 'etc/fstab'), latin1(fstab), { mode: 0o600 });
      await writeFile(join(root, 'boot/grub/menu.lst'), latin1(menu));
    },
  });
  const disks = [{ id: 'sda', path, format: 'raw' as const }];
  await inAppliance({ host: new LocalHost(), accelerator: 'tcg', disks }, { readOnly: false }, async (appliance) => {
    await appliance.command(['mount', '/dev/sda1', '/']);
    const devices = [{ path: '/dev/sda1', uuid: UUID, label: null }];
    const { vm } = factsOf({});
    const seen: { name: string; mac: string }[] = [];
    const inside = { os: null, applications: [] };
    const bare = { ...vm, nics: [] };
    const { changes } = await convertLightly(appliance, applianceTree(appliance), bare, devices, inside, { seen });
    const text = async (at: string) => (await appliance.download(at, 2 ** 20))?.toString('latin1');
    assert.equal(await text('/etc/fstab'), fstab.replace('/dev/sda1', `UUID=${UUID}`));
    const added = `root=UUID=${UUID} console=tty0 console=ttyS0,115200`;
    assert.equal(await text('/boot/grub/menu.lst'), menu.replace('root=/dev/sda1', added));
    assert.match(await appliance.command(['stat', '/etc/fstab']), /mode: 33152\n/);
    assert.deepEqual([await text(LIST), await text(`${LIST}.before-move`)], [undefined, WWID]);
    assert.match(await appliance.command(['stat', `${LIST}.before-move`]), /mode: 33152\n/);
    assert.deepEqual(changes, [
      '/boot/grub/menu.lst: disks named by UUID',
      '/etc/fstab: disks named by UUID',
      `${LIST}: put aside`,
      '/boot/grub/menu.lst: console on the serial port',
    ]);
  });
});
