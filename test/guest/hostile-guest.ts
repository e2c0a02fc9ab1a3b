import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { LocalHost } from '../../src/exec/local.js';
import { KERNEL, makeGuestImage } from './inspect/guest-image.js';

export const LABEL = 'system_u:object_r:etc_t:s0';
export const OLD_KERNEL = '5.10.0-1-amd64';
const MIB = 2 ** 20;

/**
 * A disk of a Linux guest whose files are made to lead a reader astray. `outside`: a file of this machine that its links
 * lead to, from the guest's root as from here; the guest has one under the same name.
 */
export async function makeHostileGuest(path: string, outside: string): Promise<void> {
  const machine = new LocalHost();
  const nasty = `\u001b]0;owned\u0007'"\`$(reboot)\\`;
  await makeGuestImage(path, {
    files: {
      '/etc/debian_version': '12.5\n',
      '/etc/os-release': `ID=debian\nVERSION_ID="12"\nPRETTY_NAME="${nasty.replace(/["`$\\]/g, '')}${'A'.repeat(MIB)}"\n`,
      '/etc/hosts': '127.0.0.1 localhost\n',
      '/etc/fstab': `/dev/sda1 / ext4 defaults 0 1\n/dev/sda1 /../../../../etc ext4 defaults 0 1\n/dev/sda1 -rf ext4\n# ${'x'.repeat(MIB / 2)}\n`,
      '/etc/network/interfaces': `source /etc/network/interfaces.d/*\n# ${'y'.repeat(MIB / 2)}\n`,
      '/etc/network/interfaces.d/big': 'x'.repeat(2 * MIB),
      '/etc/network/interfaces.d/-rf': `auto ens192\niface ens192 inet static\n  address 192.0.2.1/24\n`,
      [`/etc/network/interfaces.d/${nasty.replaceAll('/', '')}\nx`]: 'iface ens193 inet dhcp\n',
      '/etc/systemd/system/multi-user.target.wants/--help.service': '',
      [`/etc/systemd/system/multi-user.target.wants/two\nlines\u001b[2J.service`]: '',
      '/lib/udev/rules.d/80-net-setup-link.rules': 'IMPORT{builtin}="net_setup_link"\n',
      [outside]: 'GRUB_CMDLINE_LINUX="quiet"\n',
      '/var/lib/dpkg/status': 'Package: x\n'.repeat(1000),
      '/var/lib/dpkg/info/open-vm-tools.list': '',
      '/usr/bin/vmtoolsd': 'x',
      [`/boot/vmlinuz-${OLD_KERNEL}`]: 'kernel',
      [`/lib/modules/${OLD_KERNEL}/modules.dep`]: `${'z'.repeat(3 * MIB)}\n`,
      '/boot/vmlinuz--rf': 'kernel',
      '/lib/modules/-rf/modules.dep': '',
    },
    bootCode: true,
    modules: ['virtio_pci', 'virtio_blk', 'virtio_net', 'ata_piix'],
    early: ['virtio_pci', 'virtio_blk'],
    sizeMib: 64,
    shape: async (root) => {
      const link = async (target: string, name: string) => {
        await mkdir(dirname(join(root, name)), { recursive: true });
        await symlink(target, join(root, name));
      };
      await link(`${'../'.repeat(12)}${outside.slice(1)}`, 'etc/default/grub');
      await link('/', 'etc/netplan');
      await link('..', 'etc/NetworkManager');
      await machine.run('mkfifo', ['--', join(root, 'etc/crypttab')]);
      await writeFile(join(root, `boot/initrd.img-${KERNEL}`), bomb());
      await writeFile(join(root, `boot/initrd.img-${OLD_KERNEL}`), gzipSync(header(100)).subarray(0, 60));
    },
    debugfs: ['mknod /etc/hostname c 1 5', `ea_set /etc security.selinux ${LABEL}`],
  });
}

/** Of 2.6 MB, and unpacks to 2.5 GiB: one file of a cpio archive, which is told to be longer yet. */
function bomb(): Buffer {
  const zeroes = gzipSync(Buffer.alloc(64 * MIB));
  return Buffer.concat([gzipSync(header(0xfffffff0)), ...Array.from({ length: 40 }, () => zeroes)]);
}

/** Of one file in a cpio archive ("newc"), and its name. */
function header(sizeBytes: number): Buffer {
  const hex = (value: number) => value.toString(16).padStart(8, '0');
  const name = 'usr/lib/x.ko';
  const fields = [1, 0o100644, 0, 0, 1, 0, sizeBytes, 0, 0, 0, 0, name.length + 1, 0];
  return Buffer.from(`070701${fields.map(hex).join('')}${name}\0`);
}
