import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { link, mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { VmferryError } from '../../../src/errors.js';
import { fromBuffer, slice } from '../../../src/platforms/files/random-access.js';
import { readTarIndex } from '../../../src/platforms/files/tar.js';
import { END, header, member, pax, sparseArchive } from './tar-archive.js';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vmferry-tar-'));
});
after(() => rm(folder, { recursive: true }));

const indexOf = (...parts: Buffer[]) => readTarIndex(fromBuffer(Buffer.concat(parts), 'test.ova'));

async function refused(parts: Buffer[], message: RegExp): Promise<void> {
  await assert.rejects(indexOf(...parts), (error) => {
    assert.ok(error instanceof VmferryError, String(error));
    assert.equal(error.code, 'HostileInput');
    assert.match(error.message, message);
    return true;
  });
}

/** Writes files into a new folder, and puts it into an archive with GNU tar. */
async function tarOf(files: Record<string, Buffer>, ...args: string[]): Promise<Buffer> {
  const root = await mkdtemp(join(folder, 'in-'));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), content);
  }
  return await runTar(root, ...args);
}

async function runTar(root: string, ...args: string[]): Promise<Buffer> {
  const path = `${root}.tar`;
  await promisify(execFile)('tar', ['-C', root, '-cf', path, ...args]);
  return await readFile(path);
}

const FILES = {
  'vm.ovf': Buffer.from('<Envelope/>'),
  'disk-1.vmdk': randomBytes(70_001),
  'empty.iso': Buffer.alloc(0),
  'sub/ünï 名.vmdk': randomBytes(512),
  'sub/other (2).mf': randomBytes(1025),
};
/** In two components, as the oldest way of long names needs. */
const LONG = `${'folder-'.repeat(14)}/${'disk-'.repeat(17)}.vmdk`;
const LONGEST = `${'ordner-ä'.repeat(22)}/${'platte '.repeat(30)}.vmdk`;

for (const [format, more] of [
  ['v7', []],
  ['ustar', [LONG]],
  ['gnu', [LONG, LONGEST]],
  ['pax', [LONG, LONGEST]],
] as const) {
  const files: Record<string, Buffer> = {
    ...FILES,
    ...Object.fromEntries(more.map((name) => [name, randomBytes(99)])),
  };
  for (const names of [['.'], Object.keys(files)]) {
    test(`an archive of the format ${format}, of ${names[0] === '.' ? 'a folder' : 'files'}, has the files that went in`, async () => {
      const archive = fromBuffer(await tarOf(files, `--format=${format}`, '--', ...names), 'test.ova');
      const members = await readTarIndex(archive);
      assert.deepEqual(members.map((each) => each.name).sort(), Object.keys(files).sort());
      if (names[0] !== '.')
        assert.deepEqual(
          members.map((each) => each.name),
          names,
        );
      for (const { name, offsetBytes, sizeBytes } of members) {
        const content = await slice(archive, offsetBytes, sizeBytes, name).read(0, sizeBytes);
        assert.ok(content.equals(files[name] ?? Buffer.from('none')), name);
      }
    });
  }
}

test('what GNU tar writes about all files of an archive, and about times, is no matter', async () => {
  const args = ['--format=pax', '--pax-option=globexthdr.name=g,comment=hello', '--pax-option=atime:=1.5', '.'];
  const members = await readTarIndex(fromBuffer(await tarOf(FILES, ...args), 'test.ova'));
  assert.equal(members.length, 5);
});

test('an archive that is cut off anywhere is refused, up to the mark at its end', async () => {
  for (const format of ['gnu', 'pax', 'ustar']) {
    const names = format === 'ustar' ? ['vm.ovf', 'disk-1.vmdk'] : ['vm.ovf', LONGEST, 'disk-1.vmdk'];
    const files = {
      'vm.ovf': Buffer.alloc(700, 1),
      [names[1] ?? '']: Buffer.alloc(1500, 2),
      'disk-1.vmdk': randomBytes(9),
    };
    const whole = await tarOf(files, `--format=${format}`, '--', ...names);
    const { length } = await readTarIndex(fromBuffer(whole, 'whole.ova'));
    assert.equal(length, names.length);
    const last = whole.findLastIndex((byte) => byte !== 0);
    const end = Math.ceil((last + 1) / 512) * 512;
    const cuts = [...Array(end / 512 + 1).keys()].map((block) => block * 512);
    for (const cut of [...cuts, 1, 100, 511, 513, 700, 1025, 1537, last, end - 1, end + 511]) {
      await refused([whole.subarray(0, cut)], /at byte \d+/);
    }
    for (const cut of [end + 512, end + 1023, end + 1024, end + 1025]) {
      assert.equal((await indexOf(whole.subarray(0, cut))).length, names.length, `cut at ${cut} of ${end}`);
    }
  }
});

test('the message about a cut off archive says where it ends, and which file is not whole', async () => {
  await refused(
    [member({ name: 'a' }, 'a'), header({ name: 'disk.vmdk', size: '2000' })],
    /test\.ova at byte 1024: the data of "disk\.vmdk" goes beyond its end at byte 1536/,
  );
  await refused([member({ name: 'a' }, 'a')], /test\.ova at byte 1024: it is cut off: it ends at byte 1024/);
});

test("an archive of VirtualBox's ends with its last member, and only there", async () => {
  const ours = (parts: Parameters<typeof member>[0], data = 'x') => member({ owner: 'vboxovf20', ...parts }, data);
  const whole = Buffer.concat([ours({ name: 'vm.ovf' }), ours({ name: 'disk.vmdk' })]);
  assert.deepEqual(
    (await indexOf(whole)).map(({ name }) => name),
    ['vm.ovf', 'disk.vmdk'],
  );
  for (const cut of [512, 1025, 1536, 2047]) await refused([whole.subarray(0, cut)], /at byte \d+/);
  await refused([whole, member({ name: 'foreign' }, 'x')], /cut off: it ends at byte 3072/);
  await refused([whole, header({ type: 'x', size: '0', owner: 'vboxovf20' })], /at byte \d+/);
  await refused([member({ name: 'a', owner: 'vboxovf20', magic: 'ustar  \0' }, 'a')], /cut off/);
});

test('a header with any bit turned is refused', async () => {
  const whole = Buffer.concat([member({ name: 'disk.vmdk' }, 'content'), END]);
  for (const at of [0, 5, 99, 100, 124, 134, 148, 150, 153, 156, 257, 263, 345, 400, 511]) {
    const damaged = Buffer.from(whole);
    damaged[at] = (damaged[at] ?? 0) ^ 0x11;
    await refused([damaged], /at byte 0: it is no tar archive, or the checksum of the header is wrong/);
  }
  await refused([member({}, 'content'), Buffer.alloc(512, 0xff), END], /at byte 1024: the checksum/);
});

test('a checksum over signed bytes, as some old programs have it, is right as well', async () => {
  assert.equal((await indexOf(header({ name: 'dïsk', signed: true }), END))[0]?.name, 'dïsk');
});

const GIB = 2 ** 30;
const base256 = (size: bigint, first = 0x80) => {
  const field = Buffer.from(size.toString(16).padStart(24, '0'), 'hex');
  field[0] = (field[0] ?? 0) | first;
  return field;
};

for (const [how, start] of [
  ['the binary size of GNU tar', header({ name: 'disk.vmdk', size: base256(BigInt(9 * GIB + 5)) })],
  [
    'the size in a pax header',
    Buffer.concat([member({ type: 'x' }, pax({ size: `${9 * GIB + 5}` })), header({ name: 'disk.vmdk', size: '0' })]),
  ],
] as const) {
  test(`a member larger than 8 GiB is read by ${how}, without its data`, async () => {
    const next = start.length + 9 * GIB + 512;
    const blocks = new Map([
      [0, start],
      [next, header({ name: 'vm.mf', size: '7' })],
    ]);
    const archive = sparseArchive(next + 512 + 512 + 1024, blocks);
    assert.deepEqual(await readTarIndex(archive), [
      { name: 'disk.vmdk', offsetBytes: start.length, sizeBytes: 9 * GIB + 5 },
      { name: 'vm.mf', offsetBytes: next + 512, sizeBytes: 7 },
    ]);
    assert.ok(archive.readBytes < 256 * 1024, `${archive.readBytes} bytes were read`);
  });
}

test('many small members are read with few reads', async () => {
  const blocks = new Map([...Array(9_999).keys()].map((at) => [at * 512, header({ name: `f${at}` })]));
  const archive = sparseArchive(10_001 * 512, blocks);
  assert.equal((await readTarIndex(archive)).length, 9_999);
  assert.ok(archive.reads < 200, `${archive.reads} reads`);
});

test('more members than any package has are refused', async () => {
  const many = [...Array(10_001).keys()].map((at) => header({ name: `f${at}` }));
  await refused([...many, END], /more than 10000 files/);
  const folders = Buffer.concat(Array<Buffer>(40_001).fill(header({ name: 'd/', type: '5' })));
  await refused([folders, END], /more than 40000 headers/);
});

for (const [what, size, message] of [
  ['is negative', base256(5n, 0xc0), /at byte 0: the size is negative/],
  ['is minus one', Buffer.alloc(12, 0xff), /at byte 0: the size is negative/],
  ['is beyond all numbers', base256(2n ** 70n), /at byte 0: the size is too large/],
  ['is beyond what can be counted', base256(2n ** 53n), /at byte 0: the size is too large/],
  ['is the largest that can be counted', base256(2n ** 53n - 1n), /at byte 0: the data of "x" goes beyond/],
  ['is empty', Buffer.alloc(12), /at byte 0: the size is no number/],
  ['is not octal', Buffer.from('00000000008\0'), /at byte 0: the size is no number/],
  ['has a sign', Buffer.from('-0000000001\0'), /at byte 0: the size is no number/],
] as const) {
  test(`a member whose size ${what} is refused`, () => refused([header({ size }), END], message));
}

for (const size of ['-1', '1e3', '', ' 5', '9007199254740992', '9'.repeat(400), '0x10']) {
  test(`a member with the pax size ${JSON.stringify(size.slice(0, 20))} is refused`, () =>
    refused([member({ type: 'x' }, pax({ size })), header({}), END], /at byte 1024: the size .* is no number/));
}

for (const [what, type] of [
  ['a hard link', '1'],
  ['a symbolic link', '2'],
  ['a device', '3'],
  ['a device', '4'],
  ['a fifo', '6'],
  ['a sparse file', 'S'],
  ['a member of the unknown kind "V"', 'V'],
  ['a member of the unknown kind "M"', 'M'],
] as const) {
  test(`an archive with ${what} (${type}) is refused`, () =>
    refused([member({}, 'x'), header({ name: 'odd', type }), END], new RegExp(`at byte 1024: "odd" is ${what}`)));
}

test('links and sparse files as GNU tar writes them are refused', async () => {
  const root = await mkdtemp(join(folder, 'odd-'));
  for (const name of ['a', 'symbolic', 'hard', 'sparse']) await mkdir(join(root, name));
  await writeFile(join(root, 'a/file'), 'x');
  await symlink('/etc/passwd', join(root, 'symbolic/link'));
  await symlink(`/${'long/'.repeat(40)}`, join(root, 'symbolic/long'));
  await link(join(root, 'a/file'), join(root, 'hard/link'));
  await writeFile(join(root, 'sparse/file'), 'x');
  await truncate(join(root, 'sparse/file'), 4 * 1024 * 1024);
  await refused([await runTar(root, 'symbolic/link')], /"symbolic\/link" is a symbolic link/);
  await refused([await runTar(root, '--format=gnu', 'symbolic/long')], /"symbolic\/long" is a symbolic link/);
  await refused([await runTar(root, 'a', 'hard')], /"hard\/link" is a hard link/);
  await refused([await runTar(root, '--format=gnu', '-S', 'sparse')], /"sparse\/file" is a sparse file/);
  for (const version of ['0.0', '0.1', '1.0']) {
    const args = ['--format=pax', '-S', `--sparse-version=${version}`, 'sparse'];
    await refused([await runTar(root, ...args)], /is a sparse file/);
  }
});

for (const name of [
  '../x',
  '/etc/passwd',
  'a/../../x',
  'C:\\x',
  'json:{}',
  'a\nb',
  '-rf',
  'a//b',
  '././x',
  '..',
  '/',
]) {
  test(`a member with the name ${JSON.stringify(name)} is refused, however the name is given`, async () => {
    const shown = JSON.stringify(name).replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
    const message = new RegExp(`at byte \\d+: ${shown} is no name that is allowed`);
    await refused([header({ name }), END], message);
    await refused([header({ name, type: '5' }), END], message);
    await refused([member({ name: '././@LongLink', type: 'L' }, `${name}\0`), header({}), END], message);
    await refused([member({ type: 'x' }, pax({ path: name })), header({}), END], message);
  });
}

test('a name that goes up by the prefix of a header is refused', () =>
  refused([header({ name: 'x', prefix: '..' }), END], /"\.\.\/x" is no name/));

test('a name that is empty, not UTF-8, or has a NUL in it, is refused', async () => {
  await refused([header({ name: '' }), END], /"" is no name/);
  await refused([member({ type: 'L' }, Buffer.from([0x66, 0xff, 0xfe])), header({}), END], /not UTF-8/);
  await refused([member({ type: 'x' }, pax({ path: 'a\0b' })), header({}), END], /is no name/);
});

test('two files of one name are refused, also when one is written with "./"', async () => {
  await refused([header({ name: 'a' }), header({ name: './a' }), END], /at byte 512: there are two files "a"/);
  const names = await indexOf(header({ name: '__proto__' }), header({ name: 'constructor' }), END);
  assert.deepEqual(
    names.map((each) => each.name),
    ['__proto__', 'constructor'],
  );
});

test('folders are left out, also those of the oldest format, and none may have data', async () => {
  const found = await indexOf(
    header({ name: './', type: '5' }),
    header({ name: 'd', type: '5' }),
    header({ name: 'e/', type: '\0', magic: '' }),
    header({ name: 'e/file', type: '\0', magic: '', prefix: 'not a prefix' }),
    header({ name: 'contiguous', type: '7' }),
    END,
  );
  assert.deepEqual(
    found.map((each) => each.name),
    ['e/file', 'contiguous'],
  );
  await refused([member({ name: 'd', type: '5' }, 'data'), END], /the folder "d" has data/);
});

test('what two readers would take in two ways is refused', async () => {
  const long = member({ type: 'L' }, 'one\0');
  const own = member({ type: 'x' }, pax({ path: 'two' }));
  await refused([long, own, header({}), END], /has two names, "two" and "one"/);
  await refused([long, long, header({}), END], /a second header of extensions "L"/);
  await refused([own, own, header({}), END], /a second header of extensions "x"/);
  await refused([long, END], /a header of extensions has no member/);
  await refused([member({ type: 'g' }, pax({ path: 'all' })), header({}), END], /gives all its files one name/);
  await refused([member({ type: 'g' }, pax({ 'GNU.sparse.major': '1' })), header({}), END], /gives all its files/);
  await refused(
    [header({}), Buffer.alloc(512), header({ name: 'hidden' }), END],
    /at byte 512: a single block of zeroes/,
  );
});

test('a pax header that is damaged or too large is refused', async () => {
  const damaged = ['5', '0 a=b\n', '99 path=x\n', '10 path=xyz', '7 path\n', '5 =x\n', 'x path=y\n', '3 \n'];
  for (const text of damaged) {
    await refused([member({ type: 'x' }, text), header({}), END], /at byte 0: the extended header/);
  }
  const large = Buffer.alloc(1024 * 1024 + 1, 'x');
  for (const type of ['x', 'g', 'L', 'K']) {
    await refused([member({ type }, large), header({}), END], /has more than 1048576 bytes/);
  }
});

test('an archive of nothing has no files, and none at all is refused', async () => {
  assert.deepEqual(await indexOf(END), []);
  await refused([Buffer.alloc(0)], /cut off: it ends at byte 0/);
});

test('reading ends when it is cancelled', async () => {
  const stop = AbortSignal.abort(new Error('enough'));
  await assert.rejects(readTarIndex(fromBuffer(END, 'test.ova'), stop), /enough/);
});
