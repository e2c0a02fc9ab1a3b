import assert from 'node:assert/strict';
import { basename } from 'node:path';
import test from 'node:test';
import { uuidFstab, type GuestDevice } from '../../src/guest/fstab.js';
import { busNamesUsed } from '../../src/guest/inspect/device-names.js';
import { memoryTree, withEdits } from '../../src/guest/tree.js';

const ROOT = '3c1f0c6e-5a43-4b1f-9b50-0d0f6f1d3a10';
const SWAP = '4d2a1d7f-6b54-4c2a-8c61-1e1a7a2e4b21';
const BY_PATH = '/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:0:0-part1';
const device = (path: string, uuid: string | null, label: string | null = null): GuestDevice => ({ path, uuid, label });
const DEVICES = [
  device('/dev/sda1', ROOT),
  device(BY_PATH, ROOT),
  device('/dev/sda2', SWAP),
  device('/dev/sdb1', 'A1B2-C3D4', 'DATA'),
  device('/dev/sdc', null, 'scratch'),
  device('/dev/disk/by-id/ata-VMware Virtual', 'ffffffff-0000-4000-8000-000000000001'),
];

/** Converts, and sees that doing it again changes nothing. */
async function convert(files: Record<string, string>, devices = DEVICES) {
  const tree = memoryTree(files);
  const result = await uuidFstab(tree, devices);
  assert.deepEqual((await uuidFstab(withEdits(tree, result.edits), devices)).edits, []);
  return result;
}
const ids = (result: { findings: { id: string }[] }) => result.findings.map((each) => each.id);

test('fstab: names that hang on the bus become UUIDs, all else stays byte for byte', async () => {
  const before = `# /etc/fstab: /dev/sda1 was here\r
\t/dev/sda1\t/  ext4\terrors=remount-ro 0\t1
${BY_PATH} /again ext4 ro 0 0 # tail /dev/sda1
 /dev/sda2  none swap sw,pri=5 0 0
/dev/disk/by-id/ata-VMware\\040Virtual /my\\040data vfat defaults 0 2\r

/dev/mapper/vg-lv /lv xfs defaults 0 0
/dev/vg0/home /home xfs defaults 0 0
LABEL=x /x ext4 defaults 0 0
UUID="${SWAP}" /u ext4 defaults 0 0
PARTUUID=1-2 /p ext4 defaults 0 0
/dev/disk/by-uuid/${ROOT} /q ext4 defaults 0 0
/dev/disk/by-id/dm-name-vg-lv /r ext4 defaults 0 0
/dev/md0 /md ext4 defaults 0 0
tmpfs /tmp tmpfs size=1g 0 0
server:/dev/sda1 /nfs nfs defaults 0 0
//server/share /cifs cifs credentials=/root/c 0 0
/swapfile none swap sw 0 0
/dev/sda1`;
  const after = before
    .replace('\t/dev/sda1\t', `\tUUID=${ROOT}\t`)
    .replace(`${BY_PATH} /again`, `UUID=${ROOT} /again`)
    .replace(' /dev/sda2 ', ` UUID=${SWAP} `)
    .replace('/dev/disk/by-id/ata-VMware\\040Virtual', 'UUID=ffffffff-0000-4000-8000-000000000001');
  assert.deepEqual(await convert({ '/etc/fstab': before }), {
    edits: [{ path: '/etc/fstab', text: after }],
    findings: [],
  });
});

test('fstab: what has no UUID, or shares it, is said and stays', async () => {
  const text =
    '/dev/sdc /scratch ext4 defaults 0 0\n/dev/xvdz9 /z ext4 defaults 0 0\n/dev/hda1 /c ext4 logdev=/dev/sdd1 0 0\n';
  const result = await convert({ '/etc/fstab': text }, [
    ...DEVICES,
    device('/dev/hda1', 'aaaa-bbbb'),
    device('/dev/hdb1', 'aaaa-bbbb'),
  ]);
  assert.deepEqual(result.edits, []);
  assert.deepEqual(ids(result), Array(4).fill('guest.fstab-device'));
  assert.match(result.findings[0]?.remedy ?? '', /LABEL=scratch/);
  assert.match(result.findings[2]?.message ?? '', /\/dev\/sdd1, among the options/);
  assert.match(result.findings[3]?.message ?? '', /UUID aaaa-bbbb 2 devices have/);
  // A copy on another bus is another device.
  const clones = [device('/dev/sda1', ROOT), device('/dev/vda1', ROOT)];
  const both = await convert({ '/etc/fstab': '/dev/sda1 /copy ext4\n/dev/vda1 / ext4\n' }, clones);
  assert.deepEqual([both.edits, ids(both)], [[], ['guest.fstab-device', 'guest.fstab-device']]);
  // The same disk by two names is one device, and a UUID that would break out of its field is none.
  const link = '/dev/disk/by-id/ata-X-part1';
  const twice = [device(link, ROOT), device('/dev/sda1', ROOT), device('/dev/sdb1', 'x y\n/ / ext4')];
  const own = await convert({ '/etc/fstab': `${link} / ext4 defaults 0 0\n/dev/sdb1 /b ext4 defaults 0 0\n` }, twice);
  assert.deepEqual(own.edits[0]?.text, `UUID=${ROOT} / ext4 defaults 0 0\n/dev/sdb1 /b ext4 defaults 0 0\n`);
  assert.deepEqual(ids(own), ['guest.fstab-device']);
});

test('fstab: removable drives stay, and are said where the boot waits for them', async () => {
  const text =
    '/dev/sr0 /media/cd iso9660 ro 0 0\n/dev/cdrom /cd udf,iso9660 user,noauto 0 0\n/dev/fd0 /fd auto rw,nofail 0 0\n/dev/hdc /old iso9660 ro 0 0\n';
  const result = await convert({ '/etc/fstab': text });
  assert.deepEqual([result.edits, ids(result)], [[], ['guest.fstab-removable', 'guest.fstab-removable']]);
  assert.match(result.findings[1]?.message ?? '', /\/dev\/hdc at \/old/);
});

test('crypttab: containers by UUID, but never what is encrypted anew at each boot', async () => {
  const before = `# name device key options
root  /dev/sda1 none luks,discard
swap\t/dev/sda2\t/dev/urandom\tswap,cipher=aes-xts-plain64
data UUID=${ROOT} /dev/sdb1:/key luks,header=/dev/sde
`;
  const result = await convert({ '/etc/crypttab': before });
  assert.deepEqual(result.edits, [{ path: '/etc/crypttab', text: before.replace('/dev/sda1', `UUID=${ROOT}`) }]);
  assert.deepEqual(ids(result), Array(3).fill('guest.fstab-device'));
});

test('units of systemd: mounts by UUID; swap spaces are called by their device, and stay', async () => {
  const unit = `[Unit]\nDescription=What=/dev/sdb1\n\n[Mount]\nWhat = /dev/sdb1 \nWhere=/srv/data\nType=vfat\n`;
  const cd = '[Mount]\nWhat=/dev/hdc\nWhere=/cd\nType=iso9660\n';
  const files = {
    '/etc/systemd/system/srv-data.mount': unit,
    '/etc/systemd/system/home.mount.d/disk.conf': `[Mount]\nWhat=${BY_PATH}\n`,
    '/etc/systemd/system/cd.mount': cd,
    '/etc/systemd/system/nfs.mount': '[Mount]\nWhat=server:/dev/sda1\nWhere=/nfs\n',
    '/etc/systemd/system/old.mount': '[Mount]\nWhat=/dev/sdq1\nWhere=/old\n',
    '/etc/systemd/system/dev-sda2.swap': '[Swap]\nWhat=/dev/sda2\n',
    '/etc/systemd/system/x.service': '[Mount]\nWhat=/dev/sda1\n',
  };
  const { edits, findings } = await convert(files);
  assert.deepEqual(edits, [
    { path: '/etc/systemd/system/home.mount.d/disk.conf', text: `[Mount]\nWhat=/dev/disk/by-uuid/${ROOT}\n` },
    {
      path: '/etc/systemd/system/srv-data.mount',
      text: unit.replace('What = /dev/sdb1', 'What = /dev/disk/by-uuid/A1B2-C3D4'),
    },
  ]);
  assert.deepEqual(
    findings.map(({ id, message }) => `${id} ${message.split(';')[0]}`),
    [
      'guest.fstab-device /etc/systemd/system/old.mount names /dev/sdq1, whose UUID is not known',
      'guest.fstab-device /etc/systemd/system/dev-sda2.swap names /dev/sda2, by which the unit is called',
    ],
  );
  const used = (await busNamesUsed(memoryTree(files))).map(({ file, device }) => `${basename(file)} ${device}`);
  assert.deepEqual(used, [
    'old.mount /dev/sdq1',
    'srv-data.mount /dev/sdb1',
    `disk.conf ${BY_PATH}`,
    'dev-sda2.swap /dev/sda2',
  ]);
});

test('the boot loader: root and resume in each of its files', async () => {
  const files = {
    '/etc/default/grub': `# GRUB_CMDLINE_LINUX="root=/dev/sda1"\nGRUB_CMDLINE_LINUX_DEFAULT='quiet resume=/dev/sda2'\nGRUB_CMDLINE_LINUX="root=/dev/sda1 rootflags=x"\nGRUB_DEVICE=/dev/sda1\n`,
    '/etc/initramfs-tools/conf.d/resume': 'RESUME="/dev/sda2"\n',
    '/etc/kernel/cmdline': 'root=/dev/sda1 ro',
    '/boot/loader/entries/a.conf': 'title A\nlinux /vmlinuz\ninitrd /initrd\noptions root=/dev/sda1 ro resume=UUID=x\n',
    '/boot/grub/menu.lst': `# kopt=root=/dev/sda1 ro\n# groot=(hd0,0)\ntitle A\nroot (hd0,0)\nkernel /boot/vmlinuz root=/dev/sda1 ro\ninitrd /initrd.img\ntitle Xen\nkernel /boot/xen.gz\nmodule /boot/vmlinuz root=/dev/sda1\nmodule /boot/initrd.img\n`,
    '/boot/grub2/grub.cfg': `set root='hd0,msdos1'
menuentry 'A' {
\tlinux16 /vmlinuz root=/dev/sda1 ro crashkernel=auto
\tinitrd16 /initramfs.img
}
menuentry 'without' {
\tlinux /vmlinuz root=/dev/sda1 ro
}
menuentry 'B' {
\tlinux /vmlinuz root=/dev/mapper/vg-root resume=/dev/sda2
\tinitrd /initramfs.img
}
`,
    '/boot/grub2/device.map': '(hd0) /dev/sda\n(hd1) /dev/mapper/x\n',
    '/boot/grub2/grubenv': '# GRUB Environment Block\nkernelopts=root=/dev/sda1 ro \n####',
  };
  const { edits, findings } = await convert(files);
  const text = (path: keyof typeof files) => edits.find((edit) => edit.path === path)?.text;
  const swap = (path: keyof typeof files) =>
    files[path].replaceAll('root=/dev/sda1', `root=UUID=${ROOT}`).replaceAll('/dev/sda2', `UUID=${SWAP}`);
  assert.equal(
    text('/etc/default/grub'),
    swap('/etc/default/grub').replace(
      `# GRUB_CMDLINE_LINUX="root=UUID=${ROOT}"`,
      '# GRUB_CMDLINE_LINUX="root=/dev/sda1"',
    ),
  );
  for (const path of [
    '/etc/initramfs-tools/conf.d/resume',
    '/etc/kernel/cmdline',
    '/boot/loader/entries/a.conf',
    '/boot/grub/menu.lst',
  ] as const) {
    assert.equal(text(path), swap(path));
  }
  const [first = '', without = '', last = ''] = files['/boot/grub2/grub.cfg'].split(/(?=menuentry '[wB])/);
  assert.equal(
    text('/boot/grub2/grub.cfg'),
    first.replace('/dev/sda1', `UUID=${ROOT}`) + without + last.replace('/dev/sda2', `UUID=${SWAP}`),
  );
  assert.equal(edits.length, 6);
  assert.deepEqual(
    findings.map((each) => each.id),
    ['guest.boot-root', 'guest.fstab-device', 'guest.grub-device-map'],
  );
  assert.match(findings[1]?.message ?? '', /grubenv names \/dev\/sda1, in `kernelopts`/);
});

test('hostile tables are bounded', async () => {
  const before = process.cpuUsage();
  const many = await convert({
    '/etc/fstab': Array.from({ length: 30_000 }, (_, i) => `/dev/sr0 /m${i} auto ro 0 0`).join('\n'),
  });
  assert.equal(many.findings.length, 201);
  assert.equal(many.findings.at(-1)?.id, 'guest.findings-more');
  const big = await convert({
    '/etc/fstab': '/dev/sda1 / ext4 defaults 0 0\n'.repeat(400_000),
    '/boot/grub/grub.cfg': 'linux a root=/dev/sda1\n'.repeat(40_000),
  });
  assert.deepEqual([big.edits, ids(big)], [[], ['guest.config-unreadable', 'guest.boot-root']]);
  const nul = await convert({ '/etc/fstab': '/dev/sda1 / ext4\0' });
  assert.deepEqual([nul.edits, ids(nul)], [[], ['guest.config-unreadable']]);
  await convert({
    '/etc/crypttab': `${'a'.repeat(500_000)} ${'\\040'.repeat(100_000)}`,
    '/etc/kernel/cmdline': 'root='.repeat(150_000),
  });
  assert.ok(process.cpuUsage(before).user < 20_000_000, 'in seconds of the processor');
});
