import assert from 'node:assert/strict';
import test from 'node:test';
import { addVirtio, removeTraces } from '../../../src/guest/prepare/virtio.js';
import { folderGuest, SHELLS, type FolderGuest } from './guest.js';

/** An initramfs is a text here: the list of what is in it. Its builder puts the drivers in where it is told to. */
const VIRTIO =
  'usr/lib/modules/6.1/kernel/drivers/block/virtio_blk.ko.xz\nusr/lib/modules/6.1/kernel/drivers/virtio/virtio_pci.ko';
const BUILDERS: Record<
  string,
  { image: (version: string) => string; file: string; make: (guest: FolderGuest) => Promise<void> }
> = {
  'initramfs-tools': {
    image: (version) => `boot/initrd.img-${version}`,
    file: 'etc/initramfs-tools/hooks/vmferry-virtio',
    async make(guest) {
      await guest.write('etc/initramfs-tools/initramfs.conf', 'MODULES=dep\n');
      await guest.program('lsinitramfs', 'cat "$1"');
      // As mkinitramfs does: hooks are asked for what must come before, then run with their functions at hand.
      await guest.program(
        'update-initramfs',
        `hook=$ROOT/etc/initramfs-tools/hooks/vmferry-virtio
[ -z "$("$hook" prereqs)" ] || exit 1
cd "$ROOT" && sed "s#/usr/share/initramfs-tools/hook-functions#./functions#" "$hook" | sh >>"$ROOT/boot/initrd.img-$3"`,
      );
      await guest.write(
        'functions',
        'manual_add_modules() { for module; do echo "lib/modules/x/$module.ko"; done; }\n',
      );
    },
  },
  dracut: {
    image: (version) => `boot/initramfs-${version}.img`,
    file: 'etc/dracut.conf.d/vmferry-virtio.conf',
    async make(guest) {
      await guest.write('etc/dracut.conf.d/10-own.conf', 'hostonly="yes"\n');
      await guest.program('lsinitrd', 'cat "$1"');
      await guest.program(
        'dracut',
        `for module in $(sed -n 's/^add_drivers+="\\(.*\\)"$/\\1/p' "$ROOT/etc/dracut.conf.d/vmferry-virtio.conf"); do echo "lib/modules/x/$module.ko.zst"; done >>"$2"`,
      );
    },
  },
};

for (const [builder, { image, file, make }] of Object.entries(BUILDERS)) {
  for (const shell of SHELLS) {
    test(`${builder}, by ${shell.join(' ')}: only an initramfs without the drivers is built anew, and the file goes again`, async (t) => {
      const guest = await folderGuest(t, shell);
      await make(guest);
      for (const version of ['6.1.0-1', '6.1.0-2', '6.1.0-3'])
        await guest.write(`lib/modules/${version}/modules.builtin`, '');
      await guest.write(image('6.1.0-1'), 'lib/modules/6.1/ahci.ko\n');
      await guest.write(image('6.1.0-2'), `${VIRTIO}\n`);
      const path = (name: string) => `${guest.root}/${name}`;
      const added = await addVirtio(guest);
      assert.deepEqual(
        { had: added.had, rebuilt: added.rebuilt, wrote: added.wrote },
        { had: [path(image('6.1.0-2'))], rebuilt: [path(image('6.1.0-1'))], wrote: path(file) },
      );
      assert.match(added.commands.join(), /^(update-initramfs -u -k|dracut --force .*) ?6\.1\.0-1$/);
      assert.match((await guest.read(image('6.1.0-1')))!, /virtio_blk\.ko/);
      // A step whose worker was killed is tried again, and still knows.
      const again = await addVirtio(guest);
      assert.deepEqual([again.had, again.rebuilt, again.wrote], [added.had, added.rebuilt, added.wrote]);
      assert.deepEqual(await removeTraces(guest), [path(file)]);
      assert.equal(await guest.read(file), null);
      assert.deepEqual(await removeTraces(guest), []);
    });

    test(`${builder}, by ${shell.join(' ')}: a kernel that has the drivers built in needs nothing, and nothing is changed`, async (t) => {
      const guest = await folderGuest(t, shell);
      await make(guest);
      await guest.write(
        'lib/modules/6.1/modules.builtin',
        'kernel/drivers/block/virtio_blk.ko\nkernel/drivers/virtio/virtio_pci.ko\n',
      );
      await guest.write(image('6.1'), 'lib/modules/6.1/ahci.ko\n');
      const { had, wrote } = await addVirtio(guest);
      assert.deepEqual([had.length, wrote, await guest.read(file)], [1, null, null]);
    });
  }
}

test('what cannot be built is refused with the reason: no builder, no room, a file of somebody else, a build that does not help', async (t) => {
  const bare = await folderGuest(t);
  await bare.program('update-initramfs', '');
  await assert.rejects(addVirtio(bare), /neither initramfs-tools nor dracut/);
  const { image, file, make } = BUILDERS['dracut']!;
  const guest = await folderGuest(t);
  await make(guest);
  await assert.rejects(addVirtio(guest), /no initramfs was found in \/boot/);
  await guest.write('lib/modules/6.1/modules.dep', '');
  await guest.write(image('6.1'), 'ahci.ko\n');
  await guest.program(
    'df',
    'echo "Filesystem 1024-blocks Used Available Capacity Mounted on"; echo "/dev/sda1 9000 8500 500 95% /boot"',
  );
  await assert.rejects(addVirtio(guest), /cannot build virtio .*: there are only 500 KiB free in \/boot/);
  await guest.program(
    'df',
    'echo "Filesystem 1024-blocks Used Available Capacity Mounted on"; echo "/dev/sda1 9000 500 8500 5% /boot"',
  );
  await guest.program('dracut', 'exit 0');
  await assert.rejects(addVirtio(guest), /is built anew and still lacks virtio_pci virtio_blk/);
  await guest.program('dracut', 'echo "dracut: no such kernel" >&2; exit 1');
  await assert.rejects(addVirtio(guest), /dracut --force .* failed: dracut: no such kernel/);
  await guest.write(file, '# of an admin\n');
  await assert.rejects(addVirtio(guest), /vmferry-virtio\.conf is not vmferry's/);
  assert.deepEqual(await removeTraces(guest), []);
  assert.equal(await guest.read(file), '# of an admin\n');
});
