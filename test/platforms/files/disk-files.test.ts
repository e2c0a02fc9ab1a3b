import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { execa } from 'execa';
import { filesSite } from '../../../src/config.js';
import type { Finding } from '../../../src/model/finding.js';
import { openSite } from '../../../src/platforms/registry.js';
import { DISKS, envelope, VMDK } from './ovf-samples.js';
import { attached, image, sata, vbox } from './vbox-samples.js';

/** Disks of packages whose files are compressed, or of another size than the package says. */

const MIB = 2 ** 20;
const OWNER = { migrationId: 'c0ffee000001', workflowId: 'w', cluster: 'c', namespace: 'default' };
const TOOLS = { gz: 'gzip', bz2: 'bzip2', xz: 'xz', zst: 'zstd' };

let work: string;
let content: Buffer;
before(async () => {
  work = await mkdtemp(join(tmpdir(), 'vmferry-disk-files-test-'));
  content = Buffer.concat([randomBytes(MIB), Buffer.alloc(2 * MIB), randomBytes(MIB)]);
  await writeFile(join(work, 'content'), content);
});
after(() => rm(work, { recursive: true, force: true }));

async function folder(name: string, files: Record<string, string | Buffer>): Promise<string> {
  const path = join(work, name);
  await mkdir(path);
  for (const [file, text] of Object.entries(files)) await writeFile(join(path, file), text);
  return path;
}

const site = (path: string) =>
  openSite('exports', filesSite.parse({ platform: 'files', path, scratchDir: join(work, 'scratch') }));

/** The first disk of the only machine. */
async function readBack(path: string): Promise<{ bytes: Buffer; findings: Finding[]; format: string }> {
  const source = site(path);
  const [machine] = await source.inventory();
  const vm = await source.describe(machine!.name);
  const request = { owner: OWNER, vm: machine!.name, checkpoint: 'c', since: null, quiesce: 'never' } as const;
  const point = await source.openPoint({ ...request, disks: [vm.disks[0]!.id] });
  try {
    const bytes = Buffer.alloc(point.disks[0]!.reader.sizeBytes);
    await point.disks[0]!.reader.read(0, bytes);
    return { bytes, findings: vm.findings, format: vm.disks[0]!.format };
  } finally {
    await point.end();
  }
}

const ovfOf = (href: string, format: string, sizeBytes: number | null = null, more = '') => {
  const size = sizeBytes === null ? '' : ` ovf:size="${sizeBytes}"`;
  return envelope({
    files: `<File ovf:id="f1" ovf:href="${href}"${size}${more}/>`,
    disks: DISKS.replace('"10"', `"${content.length}"`).replace('byte * 2^30', 'byte').replace(VMDK, format),
  });
};
const RAW = 'http://example.net/raw';

const DESCRIPTORS: Record<string, [format: string, text: (file: string) => string]> = {
  'vm.ovf': ['raw', (file) => ovfOf(file, RAW)],
  'vm.vmx': [
    'vmdk',
    (file) => `displayName = "vm"\nmemsize = "64"\nscsi0:0.present = "TRUE"\nscsi0:0.fileName = "${file}"`,
  ],
  'vm.vbox': [
    'vdi',
    (file) =>
      vbox({
        controllers: sata(attached(0, 0, 1)),
        disks: `<HardDisk uuid="${image(1)}" location="${file}" format="VDI" type="Normal"/>`,
      }),
  ],
  'vm.xml': [
    'qcow2',
    (file) =>
      `<domain type='kvm'><name>vm</name><memory unit='MiB'>64</memory><devices><disk type='file' device='disk'>` +
      `<driver name='qemu' type='qcow2'/><source file='/pool/${file}'/><target dev='vda' bus='virtio'/></disk></devices></domain>`,
  ],
};

for (const [nth, [descriptor, [format, text]]] of Object.entries(DESCRIPTORS).entries()) {
  test(`the disk of a ${descriptor.slice(3)} that is compressed by its name is unpacked`, async () => {
    const end = Object.keys(TOOLS)[nth]!;
    const tool = Object.values(TOOLS)[nth]!;
    const path = await folder(`packed-${end}`, { [descriptor]: text(`disk.${format}.${end}`) });
    await execa('qemu-img', [
      'convert',
      '-f',
      'raw',
      '-O',
      format,
      join(work, 'content'),
      join(path, `disk.${format}`),
    ]);
    await execa(tool, ['-q', join(path, `disk.${format}`)]);
    await rm(join(path, `disk.${format}`), { force: true });
    const found = await readBack(path);
    assert.ok(found.bytes.equals(content));
    assert.equal(found.format, format);
  });
}

test('a raw disk that looks compressed, while nothing says so, is read as it is, and that is told', async () => {
  const packed = (await execa('gzip', ['-c', join(work, 'content')], { encoding: 'buffer' })).stdout;
  const bytes = Buffer.concat([packed, Buffer.alloc((512 - (packed.length % 512)) % 512)]);
  for (const [name, said, more] of [
    ['plain', 'disk.raw', ''],
    ['identity', 'disk.raw.gz', ' ovf:compression="identity"'],
  ] as const) {
    const path = await folder(name, { 'vm.ovf': ovfOf(said, RAW, null, more), [said]: bytes });
    const found = await readBack(path);
    assert.ok(found.bytes.equals(bytes), name);
    assert.match(
      found.findings.find(({ id }) => id === 'disk.format-doubt')?.message ?? '',
      /looks compressed \(gzip\)/,
    );
  }
});

test('a disk that is called compressed and is not is refused', async () => {
  const path = await folder('not-packed', { 'vm.ovf': ovfOf('disk.raw.gz', RAW), 'disk.raw.gz': content });
  await assert.rejects(site(path).describe('vm'), { code: 'HostileInput', message: /does not begin as gzip does/ });
});

test('a file or a raw disk that is shorter than declared blocks, and what is longer, or rounded, does not', async () => {
  const qcow2 = join(work, 'content.qcow2');
  await execa('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', join(work, 'content'), qcow2]);
  const image = await readFile(qcow2);
  const QCOW2 = 'http://www.gnome.org/~markmc/qcow-image-format.html';
  const short = content.subarray(0, 3 * MIB);
  const GIB = ovfOf('d', RAW).replace(`"${content.length}"`, '"1"').replace('"byte"', '"byte * 2^30"');
  const cases: [string, string, Buffer, string[]][] = [
    ['as declared', ovfOf('d', RAW, content.length), content, []],
    ['a raw file', ovfOf('d', RAW, content.length), short, ['blocking disk.cut-off']],
    ['a raw disk', ovfOf('d', RAW), short, ['blocking disk.cut-off']],
    ['a file with less by its capacity alone', ovfOf('d', RAW, short.length), short, ['blocking disk.cut-off']],
    ['longer', ovfOf('d', RAW, short.length), content, ['warning disk.file-size']],
    ['a size in GiB', GIB, content, ['warning disk.size-differs']],
    ['a qcow2', ovfOf('d', QCOW2, image.length), image.subarray(0, -4096), ['blocking disk.cut-off']],
    // As oVirt's engine writes it, whatever the format.
    ['the size of the disk for that of the file', ovfOf('d', QCOW2, content.length), image, ['warning disk.file-size']],
  ];
  assert.ok((await stat(qcow2)).size < content.length);
  for (const [nth, [what, text, bytes, expected]] of cases.entries()) {
    const path = await folder(`size-${nth}`, { 'vm.ovf': text, d: bytes });
    const { findings } = await site(path).describe('vm');
    const ids = findings.filter(({ id }) => /^disk\.(cut-off|file-size|size-differs)$/.test(id));
    assert.deepEqual(
      ids.map(({ id, severity }) => `${severity} ${id}`),
      expected,
      what,
    );
  }
});

test('two disks of one name, from different directories, block; one file twice is told in each dialect', async () => {
  const bytes = content.subarray(0, MIB);
  const domain = (...paths: string[]) =>
    `<domain type='kvm'><name>vm</name><memory unit='MiB'>64</memory><devices>${paths
      .map(
        (path, nth) =>
          `<disk type='${path.startsWith('file') ? 'file' : 'volume'}' device='disk'><driver name='qemu' type='raw'/>` +
          `<source ${path}/><target dev='vd${'abc'.charAt(nth)}' bus='virtio'/></disk>`,
      )
      .join('')}</devices></domain>`;
  const vmx = ['0', '1'].map((unit) => `scsi0:${unit}.present = "TRUE"\nscsi0:${unit}.fileName = "disk.vmdk"`);
  for (const [name, file, text, expected] of [
    ['dirs', 'vm.xml', domain("file='/a/disk.raw'", "file='/b/disk.raw'"), ['blocking disk.same-name']],
    [
      'pools',
      'vm.xml',
      domain("pool='a' volume='disk.raw'", "pool='b' volume='disk.raw'"),
      ['blocking disk.same-name'],
    ],
    ['same', 'vm.xml', domain("file='/a/disk.raw'", "file='/a/disk.raw'"), ['warning disk.same-file']],
    ['others', 'vm.xml', domain("file='/a/disk.raw'", "file='/a/disk2.raw'"), []],
    ['vmx', 'vm.vmx', `displayName = "vm"\nmemsize = "64"\n${vmx.join('\n')}`, ['warning disk.same-file']],
  ] as const) {
    const path = await folder(`same-${name}`, { [file]: text, 'disk.raw': bytes, 'disk2.raw': bytes });
    const { findings } = await site(path).describe('vm');
    const ids = findings.filter(({ id }) => id.startsWith('disk.same-'));
    assert.deepEqual(
      ids.map(({ id, severity }) => `${severity} ${id}`),
      expected,
      name,
    );
  }
});
