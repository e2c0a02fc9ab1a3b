import assert from 'node:assert/strict';
import test from 'node:test';
import { addSerialConsole } from '../../src/guest/console.js';
import { memoryTree, withEdits } from '../../src/guest/tree.js';

const ADDED = 'console=tty0 console=ttyS0,115200';

/** Converts, and sees that doing it again changes nothing. */
async function convert(files: Record<string, string>) {
  const tree = memoryTree(files);
  const result = await addSerialConsole(tree);
  assert.deepEqual((await addSerialConsole(withEdits(tree, result.edits))).edits, []);
  return result;
}

async function grub(text: string): Promise<string | null> {
  return (await convert({ '/etc/default/grub': text })).edits[0]?.text ?? null;
}

test("GRUB's defaults: within the quotes that are there, whatever they are", async () => {
  assert.equal(await grub('GRUB_CMDLINE_LINUX="ro \\"x\\""\nA=1\n'), `GRUB_CMDLINE_LINUX="ro \\"x\\" ${ADDED}"\nA=1\n`);
  assert.equal(await grub("GRUB_CMDLINE_LINUX='ro' # c\n"), `GRUB_CMDLINE_LINUX='ro ${ADDED}' # c\n`);
  assert.equal(await grub('GRUB_CMDLINE_LINUX=""\n'), `GRUB_CMDLINE_LINUX="${ADDED}"\n`);
  assert.equal(await grub('GRUB_CMDLINE_LINUX=\n'), `GRUB_CMDLINE_LINUX="${ADDED}"\n`);
  assert.equal(await grub('GRUB_CMDLINE_LINUX=ro\n'), `GRUB_CMDLINE_LINUX="ro ${ADDED}"\n`);
  assert.equal(await grub(`GRUB_CMDLINE_LINUX="a"'b'\n`), `GRUB_CMDLINE_LINUX="a"'b'" ${ADDED}"\n`);
  assert.equal(await grub('GRUB_TIMEOUT=5'), `GRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX="${ADDED}"\n`);
  assert.equal(
    await grub('GRUB_CMDLINE_LINUX="console=tty0 ro"\n'),
    'GRUB_CMDLINE_LINUX="console=tty0 ro console=ttyS0,115200"\n',
  );
  // The last one counts, and what is a comment is none.
  assert.equal(
    await grub(
      'GRUB_CMDLINE_LINUX=a\n#GRUB_CMDLINE_LINUX="console=ttyS0"\nGRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX b"\n',
    ),
    `GRUB_CMDLINE_LINUX=a\n#GRUB_CMDLINE_LINUX="console=ttyS0"\nGRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX b ${ADDED}"\n`,
  );
});

test('where the port is named already, nothing changes', async () => {
  assert.equal(await grub('GRUB_CMDLINE_LINUX_DEFAULT="quiet console=ttyS0"\nGRUB_CMDLINE_LINUX="ro"\n'), null);
  const cloud = {
    '/etc/default/grub': 'GRUB_CMDLINE_LINUX=""\n',
    '/etc/default/grub.d/50-cloudimg-settings.cfg': 'GRUB_CMDLINE_LINUX_DEFAULT="console=tty1 console=ttyS0"\n',
    '/boot/grub/grub.cfg': '\tlinux\t/vmlinuz root=UUID=x ro console=tty1 console=ttyS0\n',
    '/boot/loader/entries/a.conf': 'options console=ttyS0,9600\noptions ro\n',
  };
  assert.deepEqual(await convert(cloud), { edits: [], findings: [] });
  assert.deepEqual(await convert({}), { edits: [], findings: [] });
});

test('entries of both GRUBs, of the boot loader specification, and the kernel command line', async () => {
  const files = {
    '/boot/grub2/grub.cfg': `menuentry 'A' {\n\tlinux16 /vmlinuz root=/dev/x ro  \n\tinitrd16 /i\n}\nmenuentry 'm' {\n\tlinux16 /boot/memtest86+.bin\n}\n\tlinux /bare\n`,
    '/boot/grub/grub.conf':
      '#kernel /x\ntitle A\n\tkernel /vmlinuz ro\n\tinitrd /i.img\ntitle X\nkernel /xen.gz dom0\nmodule /vmlinuz ro\nmodule /i.img\n',
    '/boot/loader/entries/a.conf': 'title A\noptions root=x\noptions ro\nlinux /v\n',
    '/boot/loader/entries/b.conf': 'title B\noptions $kernelopts $tuned_params\n',
    '/etc/kernel/cmdline': 'root=x ro\n',
    '/boot/grub2/grubenv': '# GRUB Environment Block\nkernelopts=root=x ro\n####',
  };
  const { edits, findings } = await convert(files);
  const path = (each: keyof typeof files) => each;
  assert.deepEqual(edits, [
    {
      path: path('/boot/grub/grub.conf'),
      text: files['/boot/grub/grub.conf'].replaceAll('/vmlinuz ro', `/vmlinuz ro ${ADDED}`),
    },
    {
      path: path('/boot/grub2/grub.cfg'),
      text: files['/boot/grub2/grub.cfg'].replace('/x ro', `/x ro ${ADDED}`).replace('/bare', `/bare ${ADDED}`),
    },
    { path: path('/boot/loader/entries/a.conf'), text: `title A\noptions root=x\noptions ro ${ADDED}\nlinux /v\n` },
    { path: path('/boot/loader/entries/b.conf'), text: `title B\noptions $kernelopts $tuned_params ${ADDED}\n` },
    { path: path('/etc/kernel/cmdline'), text: `root=x ro ${ADDED}\n` },
  ]);
  assert.deepEqual(
    findings.map((each) => each.id),
    ['guest.console-grubenv'],
  );
  const named = { ...files, '/boot/grub2/grubenv': 'kernelopts=ro console=ttyS0\n' };
  const other = await convert(named);
  assert.ok(!other.edits.some((edit) => edit.path.endsWith('/b.conf')));
  assert.deepEqual(other.findings, []);
});

test('hostile files are over at once', async () => {
  const before = process.cpuUsage();
  await convert({
    '/etc/default/grub': `GRUB_CMDLINE_LINUX="${'\\"'.repeat(200_000)}`,
    '/boot/grub/grub.cfg': 'linux a\n'.repeat(100_000) + ' '.repeat(100_000),
    '/boot/grub/menu.lst': `kernel ${'--a '.repeat(100_000)}`,
    '/etc/kernel/cmdline': ' \n'.repeat(200_000),
  });
  assert.ok(process.cpuUsage(before).user < 20_000_000, 'in seconds of the processor');
});
