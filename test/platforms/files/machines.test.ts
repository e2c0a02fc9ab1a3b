import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { execa } from 'execa';
import { filesSite } from '../../../src/config.js';
import { vmDescription, type VmDescription } from '../../../src/model/vm.js';
import { describePlace } from '../../../src/platforms/files/describe-place.js';
import { openLocalFolder } from '../../../src/platforms/files/local-folder.js';
import type { Folder } from '../../../src/platforms/files/member.js';
import { openPackage } from '../../../src/platforms/files/package.js';
import { openSite } from '../../../src/platforms/registry.js';
import { CPU, DISK, envelope, item, MEMORY, SCSI, virtualSystem, wrapped } from './ovf-samples.js';
import { END, member } from './tar-archive.js';

/** Which machines are found where, and what one bad disk or directory does to the others. */

const run = promisify(execFile);
let work: string;
before(async () => {
  work = await mkdtemp(join(tmpdir(), 'vmferry-machines-test-'));
  await chmod(work, 0o755);
});
after(() => rm(work, { recursive: true, force: true }));

async function folder(name: string, files: Record<string, string | Buffer> = {}): Promise<string> {
  const path = join(work, name);
  await mkdir(path);
  for (const [file, text] of Object.entries(files)) await writeFile(join(path, file), text);
  return path;
}

const packed = (program: string) => async (bytes: Buffer) =>
  Buffer.from((await execa(program, ['-c', '-1'], { input: bytes, encoding: 'buffer', maxBuffer: 2 ** 30 })).stdout);
const PACKERS = [
  ['gz', packed('gzip')],
  ['bz2', packed('bzip2')],
  ['xz', packed('xz')],
  ['zst', packed('zstd')],
] as const;

const image = (path: string) => run('qemu-img', ['create', '-q', '-f', 'vmdk', path, '8M']);
const site = (path: string) => openSite('exports', filesSite.parse({ platform: 'files', path }));
const found = (vm: VmDescription, disk: string) =>
  vm.findings.filter((each) => each.disk === disk).map(({ id, severity }) => [id, severity]);

const VMX = 'displayName = "web01"\nuuid.bios = "56 4d 00 00 00 00 00 00-00 00 00 00 00 00 00 01"\nmemsize = "512"\n';
const drive = (node: string, file: string) => `${node}.present = "TRUE"\n${node}.fileName = "${file}"\n`;

test('a disk elsewhere is a blocking finding of that disk alone, which leaving it behind clears', async () => {
  const path = await folder('elsewhere', {
    'web01.vmx':
      VMX +
      drive('sata0:0', './web01.vmdk') +
      drive('sata0:1', '/vmfs/volumes/x/data.vmdk') +
      drive('sata0:2', '../d.vmdk'),
  });
  await image(join(path, 'web01.vmdk'));
  const source = site(path);
  const vm = await source.describe('web01');
  assert.deepEqual(
    vm.disks.map(({ id, path: file, sizeBytes }) => [id, file, sizeBytes]),
    [
      ['sda', 'web01.vmdk', 8 * 2 ** 20],
      ['sdb', '/vmfs/volumes/x/data.vmdk', 0],
      ['sdc', '../d.vmdk', 0],
    ],
  );
  for (const [disk, expected] of [
    ['sda', []],
    ['sdb', [['disk.outside', 'blocking']]],
    ['sdc', [['disk.outside', 'blocking']]],
  ] as const) {
    assert.deepEqual(found(vm, disk), expected);
  }
  const ids = async (disks: string[]) => (await source.sourceFindings(vm, disks)).map(({ id }) => id);
  assert.deepEqual(await ids(['sda']), []);
  assert.deepEqual(await ids(['sda', 'sdb']), ['disk.outside']);
});

test("an OVF's addresses are decoded, and a dot before them is nothing", async () => {
  const files = '<File ovf:id="f1" ovf:href="./my%20disk%C3%A9.vmdk"/>';
  const path = await folder('address', { 'web01.ovf': envelope({ files }) });
  await image(join(path, 'my diské.vmdk'));
  const { described } = await describePlace(path, null, false);
  assert.deepEqual([described.disks[0]!.path, described.disks[0]!.sizeBytes], ['my diské.vmdk', 8 * 2 ** 20]);
  const asIs = '<File ovf:id="f1" ovf:href="100%.vmdk"/>';
  await writeFile(join(path, 'web01.ovf'), envelope({ files: asIs }));
  assert.equal((await describePlace(path, null, false)).described.disks[0]!.path, '100%.vmdk');
  await writeFile(join(path, 'web01.ovf'), envelope({ files: asIs.replace('100%', '%2e%2e/x') }));
  assert.deepEqual(found((await describePlace(path, null, false)).described, 'sda'), [['disk.outside', 'blocking']]);
});

test('what a disk is made from is said once: nothing, or a place that is not known', async () => {
  const said = async (parts: Parameters<typeof envelope>[0]) => {
    const path = await folder(`empty-${Math.random()}`, { 'web01.ovf': envelope({ files: '', ...parts }) });
    return found((await describePlace(path, null, false)).described, 'sda').map(([id]) => id);
  };
  assert.deepEqual(await said({ disks: '<Disk ovf:diskId="d1" ovf:capacity="512"/>' }), ['disk.empty']);
  assert.deepEqual(await said({ disks: '<Disk ovf:diskId="d1"/>' }), ['disk.no-size']);
  assert.deepEqual(await said({ disks: '<Disk ovf:diskId="d1" ovf:capacity="512" ovf:lun_id="36001"/>' }), [
    'disk.raw-device',
  ]);
  assert.deepEqual(await said({ disks: '<Disk ovf:diskId="d1" ovf:fileRef="f1"/>' }), ['disk.no-file']);
  const absurd = `<Disk ovf:diskId="d1" ovf:capacity="${65 * 2 ** 40}"/>`;
  await assert.rejects(said({ disks: absurd }), { code: 'HostileInput' });
});

test('what holds nothing is refused, or has a blocking finding', async () => {
  const path = await folder('nothing', {
    'a.vmx': '',
    'b.raw': '',
    'c.ovf': envelope({ hardware: CPU + item(4, 2, { VirtualQuantity: 0 }) }),
  });
  await assert.rejects(describePlace(join(path, 'a.vmx'), null, false), {
    code: 'HostileInput',
    message: /it is empty/,
  });
  assert.deepEqual(found((await describePlace(join(path, 'b.raw'), null, false)).described, 'vda'), [
    ['disk.no-size', 'blocking'],
  ]);
  const { findings } = (await describePlace(join(path, 'c.ovf'), null, false)).described;
  assert.ok(findings.some(({ id, severity }) => id === 'memory.unstated' && severity === 'blocking'));
});

test('a machine of a directory is described by its name, and a second one of a name in a package has its own', async () => {
  const two = wrapped(
    {},
    `<VirtualSystemCollection ovf:id="all">${virtualSystem({}, 'web')}${virtualSystem({ hardware: CPU + item(4, 2, { VirtualQuantity: 2048 }) + SCSI + DISK }, 'web')}</VirtualSystemCollection>`,
  );
  const path = await folder('names', {
    'app.ovf': two,
    'web01.vmx': VMX,
    'x.xml': '<domain type="kvm"/>',
    'app.ovf.gz': 'x',
  });
  const memory = async (place: string, vm: string | null) =>
    (await describePlace(place, vm, false)).described.memoryBytes / 2 ** 20;
  assert.equal(await memory(path, 'web01'), 512);
  assert.equal(await memory(path, 'app:web'), 1024);
  assert.equal(await memory(path, 'app:web#2'), 2048);
  assert.equal(await memory(join(path, 'app.ovf'), 'web#2'), 2048);
  assert.equal(await memory(join(path, 'web01.vmx'), 'web01'), 512);
  await assert.rejects(memory(path, 'app:db'), { code: 'NotFound', remedy: 'VMs there: app:web, app:web#2.' });
  await assert.rejects(memory(path, null), { code: 'InvalidRequest', remedy: /app, web01, x/ });
  await assert.rejects(memory(join(path, 'app.ovf.gz'), null), { code: 'NotSupported' });
  const source = site(path);
  assert.deepEqual(
    (await source.inventory()).map(({ name }) => name),
    ['app:web', 'app:web#2', 'web01', 'x'],
  );
  assert.equal((await source.describe('app:web#2')).name, 'app:web#2');
  await rm(join(path, 'web01.vmx'));
  await rm(join(path, 'x.xml'));
  assert.equal(await memory(path, 'app:web#2'), 2048);
});

test('a network card whose address the package does not say gets one, and that is known of it', async () => {
  const card = item(10, 7, { Connection: 'lan', ResourceSubType: 'VmxNet3' });
  const said = item(10, 8, { Connection: 'lan', ResourceSubType: 'VmxNet3', Address: '00:50:56:00:00:01' });
  const path = await folder('addresses', {
    'app.ovf': envelope({ hardware: CPU + item(4, 2, { VirtualQuantity: 512 }) + card + said }),
  });
  const { nics, findings } = vmDescription.parse(await site(path).describe('app'));
  assert.match(nics[0]?.mac ?? '', /^52:54:00:/);
  assert.deepEqual(
    nics.map(({ addressMade }) => addressMade),
    [true, undefined],
  );
  assert.equal(findings.filter(({ id }) => id === 'nic.address-made').length, 1);
});

test('a directory that cannot be read does not hide the others', async () => {
  const path = await folder('closed', { 'web01.vmx': VMX });
  await mkdir(join(path, 'private'));
  await chmod(join(path, 'private'), 0);
  const found = await asOrdinaryUser(() => site(path).inventory());
  assert.deepEqual(
    found.map(({ name, state }) => [name, state]),
    [
      ['web01', 'off'],
      ['private/', 'other'],
    ],
  );
});

/** root reads everything; so what it runs here is run as nobody (uid 65534), as far as files are concerned. */
async function asOrdinaryUser<T>(work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return work();
  process.seteuid!(65534);
  try {
    return await work();
  } finally {
    process.seteuid!(0);
  }
}

test("libvirt's XML is held to what libvirt could have written", async () => {
  const domain = (inner: string) => `<domain type="kvm"><name>web01</name>${inner}</domain>`;
  const memory = '<memory unit="MiB">512</memory>';
  const disk = '<disk type="file" device="disk"><source file="/a/b.raw"/><target dev="vda"/></disk>';
  const path = await folder('domain', { 'b.raw': Buffer.alloc(4096) });
  const read = async (inner: string) => {
    await writeFile(join(path, 'web01.xml'), domain(inner));
    return (await describePlace(path, null, false)).described;
  };
  const vm = await read(`${memory}<vcpu>2</vcpu><devices>${disk}</devices>`);
  assert.deepEqual(
    [vm.memoryBytes, vm.cpu.count, vm.disks[0]!.path, vm.disks[0]!.sizeBytes],
    [2 ** 29, 2, 'b.raw', 4096],
  );
  for (const bad of [
    `${memory}<vcpu>1000000</vcpu>`,
    `${memory}<vcpu>-1</vcpu>`,
    `${memory}<vcpu>2</vcpu><cpu><topology sockets="1e9" cores="1" threads="1"/></cpu>`,
    '<memory unit="furlong">512</memory>',
    '<memory unit="constructor">512</memory>',
    '<memory unit="EiB">512</memory>',
    '<memory unit="TiB">512000000</memory>',
    '<vcpu>1</vcpu>',
    `${memory}<devices>${disk}${disk}</devices>`,
  ]) {
    await assert.rejects(read(bad), { code: 'HostileInput' }, bad);
  }
});

test('a VMX in the encoding of its host names its disk as it is called', async () => {
  // GBK: 磁 is B4C5, 盘 is C5CC.
  const name = Buffer.from([0xb4, 0xc5, 0xc5, 0xcc]);
  const [before = '', after = ''] = drive('sata0:0', '|NAME|.vmdk').split('|NAME|');
  const path = await folder('gbk', {
    'web01.vmx': Buffer.concat([Buffer.from(`.encoding = "GBK"\n${VMX}${before}`), name, Buffer.from(after)]),
  });
  await image(join(path, '磁盘.vmdk'));
  const { described } = await describePlace(path, null, false);
  assert.deepEqual([described.disks[0]!.path, described.disks[0]!.sizeBytes], ['磁盘.vmdk', 8 * 2 ** 20]);
});

test("macOS's companions in an OVA are no second descriptor", async () => {
  const path = await folder('macos');
  await writeFile(
    join(path, 'web01.ova'),
    Buffer.concat([
      member({ name: './._web01.ovf' }, 'Mac OS X'),
      member({ name: './web01.ovf' }, envelope({ disks: '', files: '', hardware: CPU + MEMORY })),
      END,
    ]),
  );
  assert.equal((await describePlace(path, null, false)).described.memoryBytes, 2 ** 30);
});

test('an address that cannot be decoded is told as such', async () => {
  await assert.rejects(describePlace('http://127.0.0.1:9/%zz.ova', null, false), {
    code: 'InvalidConfig',
    message: /cannot read http:\/\/127\.0\.0\.1:9\/%zz\.ova: a % in it/,
  });
});

const OVF = envelope({ disks: '', files: '', hardware: CPU + MEMORY });
const sum = (text: string) => `${createHash('sha256').update(text).digest('hex')}`;
const GOOD = `SHA256(web01.ovf)= ${sum(OVF)}\n`;
const BAD = `SHA256(web01.ovf)= ${sum('another')}\n`;
const archive = (files: Record<string, string>, end = END) =>
  Buffer.concat([...Object.entries(files).map(([name, text]) => member({ name }, text)), end]);
const manifestIds = async (path: string) =>
  (await describePlace(path, null, false)).described.findings
    .map(({ id }) => id)
    .filter((id) => id.startsWith('manifest.'));

test('an archive is held against its manifest, whatever that is called', async () => {
  const path = await folder('manifest-names');
  for (const [nth, [files, wanted]] of (
    [
      [{}, ['manifest.missing']],
      [{ 'web01.mf': GOOD }, []],
      [{ 'web01.MF': GOOD }, []],
      [{ 'web01.ovf.mf': GOOD }, ['manifest.name']],
      [{ 'other.mF': `${sum(OVF)} *./web01.ovf\n` }, ['manifest.name']],
    ] as const
  ).entries()) {
    const good = join(path, `${nth}.ova`);
    await writeFile(good, archive({ 'web01.ovf': OVF, ...files }));
    assert.deepEqual(await manifestIds(good), wanted);
    const { compared } = await describePlace(good, null, true);
    assert.equal(compared, nth === 0 ? null : 1);
    for (const [name, text] of Object.entries<string>(files)) {
      const bad = text === GOOD ? BAD : text.replace(/^../, '00');
      await writeFile(good, archive({ 'web01.ovf': OVF, [name]: bad }));
      await assert.rejects(describePlace(good, null, true), { code: 'HostileInput', message: /"web01\.ovf" is/ }, name);
    }
  }
  // One manifest that is right does not make up for one that is not.
  await writeFile(join(path, 'two.ova'), archive({ 'web01.ovf': OVF, 'web01.mf': GOOD, 'web01.MF': BAD }));
  await assert.rejects(describePlace(join(path, 'two.ova'), null, true), { code: 'HostileInput' });
});

test('in a directory a manifest is found by its descriptor, and one that is of none there is told', async () => {
  const path = await folder('manifest-beside', { 'web01.ovf': OVF, 'db.ovf': OVF, 'db.mf': 'of db' });
  const at = join(path, 'web01.ovf');
  assert.deepEqual(await manifestIds(at), ['manifest.missing']);
  for (const [name, ids] of [
    ['web01.ovf.mf', ['manifest.name']],
    ['WEB01.Mf', []],
  ] as const) {
    await writeFile(join(path, name), BAD);
    assert.deepEqual(await manifestIds(at), ids);
    await assert.rejects(describePlace(at, null, true), { code: 'HostileInput', message: /"web01\.ovf" is/ });
    await rm(join(path, name));
  }
  await writeFile(join(path, 'other.mf'), BAD);
  assert.deepEqual(await manifestIds(at), ['manifest.missing', 'manifest.unused']);
  assert.equal((await describePlace(at, null, true)).compared, null);
});

test('an archive without the mark of its end is read where its manifest names all that is in it', async () => {
  const path = join(await folder('no-end'), 'web01.ova');
  const cut = { code: 'HostileInput', message: /it is cut off/ };
  const none = Buffer.alloc(0);
  const files = { 'web01.ovf': OVF, 'web01.mf': `${GOOD}SHA1(note.txt)= ${'0'.repeat(40)}\n`, 'note.txt': 'note' };
  await writeFile(path, archive(files, none));
  assert.equal((await describePlace(path, null, false)).described.memoryBytes, 2 ** 30);
  // What fills up the last block is missing as well; then a byte of the last file.
  const whole = archive(files, none);
  await writeFile(path, whole.subarray(0, whole.length - 508));
  assert.equal((await describePlace(path, null, false)).described.memoryBytes, 2 ** 30);
  await writeFile(path, whole.subarray(0, whole.length - 509));
  await assert.rejects(describePlace(path, null, false), { code: 'HostileInput' });
  for (const [left, name] of [
    [{ 'web01.ovf': OVF, 'web01.mf': files['web01.mf'] }, 'a file that is missing'],
    [{ 'web01.ovf': OVF, 'web01.mf': GOOD, 'note.txt': 'note' }, 'a file that it does not name'],
    [{ 'web01.ovf': OVF, 'web01.mf': 'nothing' }, 'none that can be read'],
    [{ 'web01.ovf': OVF }, 'no manifest'],
  ] as [Record<string, string>, string][]) {
    await writeFile(path, archive(left, none));
    await assert.rejects(describePlace(path, null, false), cut, name);
  }
});

test('an archive that is compressed and does not say so is told as such', async () => {
  const path = join(await folder('gzipped'), 'web01.ova');
  await writeFile(path, gzipSync(archive({ 'web01.ovf': OVF })));
  await assert.rejects(describePlace(path, null, false), {
    code: 'HostileInput',
    message: /it is no tar archive, but compressed by gzip/,
    remedy: 'Unpack it, or call it web01.ova.gz if that is what it is to be.',
  });
});

test('an archive of which nothing can be read is closed', async () => {
  const files = await openLocalFolder(await folder('unread', { 'web01.ova': 'x' }));
  let open = 0;
  const root: Folder = {
    ...files,
    open: async (name) => {
      open += 1;
      const found = (await files.open(name))!;
      const close = async () => {
        open -= 1;
        await found.close();
      };
      return { ...found, close };
    },
  };
  await assert.rejects(openPackage(root, 'web01.ova', { dir: work, reserveBytes: 0 }, AbortSignal.abort()));
  assert.equal(open, 0);
});

test('of a compressed archive no more is unpacked for a list than its descriptor, which is taken wherever it is', async () => {
  const path = await folder('packed');
  const disk = Buffer.alloc(16 * 2 ** 20);
  const descriptor = member({ name: 'web01.ovf' }, OVF);
  const first = Buffer.concat([member({ name: '._web01.ovf' }, 'x'), descriptor, member({ name: 'web01.raw' }, disk)]);
  const last = Buffer.concat([member({ name: 'web01.raw' }, disk), descriptor, END]);
  const work = join(path, 'scratch');
  const source = openSite(
    'exports',
    filesSite.parse({ platform: 'files', path, scratchDir: work, unpackLimit: '17MiB' }),
  );
  const listed = async () =>
    (await source.inventory()).map(({ name, state, memoryBytes }) => [name, state, memoryBytes]);
  const known = [['web01', 'off', 2 ** 30]];
  for (const [name, pack] of PACKERS) {
    const file = join(path, `web01.ova.${name}`);
    // What follows is damaged, which only asking for the machine itself tells.
    await writeFile(file, (await pack(first)).subarray(0, -20));
    assert.deepEqual(await listed(), known, name);
    await assert.rejects(stat(work), { code: 'ENOENT' });
    await assert.rejects(source.describe('web01'), { code: 'HostileInput' });
    await writeFile(file, await pack(last));
    assert.deepEqual(await listed(), known, name);
    await rm(work, { recursive: true });
    await writeFile(file, 'something else');
    assert.deepEqual(await listed(), [['web01', 'other', 0]]);
    await rm(file);
  }
});

test('what is not opened in a directory is named, with the reason', async () => {
  const path = await folder('left-out', { 'web01.vmx': VMX, 'web\n04.ova': 'x', 'app.log': '' });
  await symlink('/etc/passwd', join(path, 'web02.ova'));
  await symlink('/etc', join(path, 'web03'));
  await symlink('/etc/passwd', join(path, 'vmware.log'));
  await symlink('/etc/passwd', join(path, 'disk.vmdk'));
  await run('mkfifo', [join(path, 'web05.ovf')]);
  const source = site(path);
  assert.deepEqual(
    (await source.inventory()).map(({ name, state }) => [name, state]),
    [
      ['web01', 'off'],
      ['"web\\n04.ova"', 'other'],
      ['web02.ova', 'other'],
      ['web03/', 'other'],
      ['web05.ovf', 'other'],
    ],
  );
  await assert.rejects(source.describe('web02.ova'), {
    code: 'HostileInput',
    message: /web02\.ova at .*: it is a link/,
  });
  await assert.rejects(source.describe('web05'), { code: 'HostileInput', message: /it is no plain file/ });
  await assert.rejects(source.describe('web09'), {
    code: 'NotFound',
    remedy: /VMs there: web01\. Left out: .*web02\.ova \(it is a link\)/,
  });
  const said: string[] = [];
  await describePlace(path, null, false, undefined, (line) => said.push(line));
  assert.deepEqual(said.slice(1), [
    'Left out: web02.ova, as it is a link.',
    'Left out: web03/, as it is a link.',
    'Left out: web05.ovf, as it is no plain file.',
  ]);
  await rm(join(path, 'web01.vmx'));
  await assert.rejects(describePlace(path, null, false), { code: 'NotFound', remedy: /Left out: .*web02\.ova/ });
});
