import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import type { BlockReader } from '../../../src/blocks/index.js';
import { filesSite } from '../../../src/config.js';
import type { VmferryError } from '../../../src/errors.js';
import type { OpenPoint } from '../../../src/platforms/platform.js';
import { telling } from '../../../src/platforms/files/telling.js';
import { mostUnpacked } from '../../../src/platforms/files/unpacked.js';
import { openSite } from '../../../src/platforms/registry.js';
import { DISKS, envelope, FILES, VMDK } from './ovf-samples.js';

/** Every format, read as the source of a migration reads it, against what it was made of. */

const run = promisify(execFile);
const MIB = 2 ** 20;
const OWNER = { migrationId: 'c0ffee000001', workflowId: 'w', cluster: 'c', namespace: 'default' };

let work: string;
let content: Buffer;
before(async () => {
  work = await mkdtemp(join(tmpdir(), 'vmferry-files-test-'));
  // Data, a long hole, data up to the end.
  content = Buffer.alloc(24 * MIB);
  randomBytes(3 * MIB + 12_345).copy(content, MIB);
  randomBytes(70_000).copy(content, content.length - 70_000);
  await writeFile(join(work, 'content'), content);
});
after(() => rm(work, { recursive: true }));

const site = (settings: Record<string, unknown>) =>
  openSite('exports', filesSite.parse({ platform: 'files', scratchDir: join(work, 'scratch'), ...settings }));

async function folder(name: string): Promise<string> {
  const path = join(work, name);
  await rm(path, { recursive: true, force: true });
  await mkdir(path, { recursive: true });
  return path;
}

const convert = (to: string, format: string, subformat?: string) =>
  run('qemu-img', [
    'convert',
    ...['-f', 'raw', '-O', format],
    ...(subformat === undefined ? [] : ['-o', `subformat=${subformat}`]),
    join(work, 'content'),
    to,
  ]);

async function contentOf(reader: BlockReader): Promise<Buffer> {
  const all = Buffer.alloc(reader.sizeBytes);
  for await (const extent of reader.extents(0, reader.sizeBytes)) {
    if (extent.kind === 'zero') continue;
    for (let at = extent.offsetBytes; at < extent.offsetBytes + extent.lengthBytes; at += MIB) {
      const end = Math.min(at + MIB, extent.offsetBytes + extent.lengthBytes);
      await reader.read(at, all.subarray(at, end));
    }
  }
  return all;
}

async function pointOf(settings: Record<string, unknown>, vm: string, since: string | null = null): Promise<OpenPoint> {
  const source = site(settings);
  const described = await source.describe(vm);
  const disks = described.disks.map(({ id }) => id);
  return await source.openPoint({
    owner: OWNER,
    vm,
    disks,
    checkpoint: 'vmferry-c0ffee000001-1',
    since,
    quiesce: 'never',
  });
}

async function assertReads(settings: Record<string, unknown>, vm: string): Promise<void> {
  const point = await pointOf(settings, vm);
  try {
    const found = await contentOf(point.disks[0]!.reader);
    assert.equal(found.length, content.length);
    assert.ok(found.equals(content), `${vm} is not what it was made of`);
  } finally {
    await point.end();
  }
}

const IMAGES = [
  ['raw', 'raw', undefined],
  ['qcow2', 'qcow2', undefined],
  ['qcow', 'qcow', undefined],
  ['vdi', 'vdi', undefined],
  ['vhdx', 'vhdx', undefined],
  ['vhd', 'vpc', 'dynamic'],
  ['vmdk', 'vmdk', 'monolithicSparse'],
  ['vmdk', 'vmdk', 'monolithicFlat'],
  ['vmdk', 'vmdk', 'twoGbMaxExtentSparse'],
  ['vmdk', 'vmdk', 'twoGbMaxExtentFlat'],
  ['vmdk', 'vmdk', 'streamOptimized'],
] as const;

for (const [end, format, subformat] of IMAGES) {
  test(`a ${format} image${subformat ? ` of the kind ${subformat}` : ''} reads as what it was made of`, async () => {
    const path = await folder('images');
    // Virtual PC's sizes come in steps of its geometry; this one is taken as asked for.
    if (format === 'vpc')
      await run('qemu-img', [
        'convert',
        '-f',
        'raw',
        '-O',
        'vpc',
        '-o',
        'force_size',
        join(work, 'content'),
        join(path, 'web01.vhd'),
      ]);
    else await convert(join(path, `web01.${end}`), format, subformat);
    await assertReads({ path }, 'web01');
  });
}

for (const [end, format, subformat] of IMAGES.filter(([, each]) => each !== 'raw')) {
  test(`a ${format} image${subformat ? ` of the kind ${subformat}` : ''} that was cut off is refused, not read as zeroes`, async () => {
    const path = await folder('cut');
    await convert(join(path, `web01.${end}`), format, subformat);
    // The largest file is the one with the data.
    const files = await Promise.all(
      (await readdir(path)).map(async (name) => ({
        file: join(path, name),
        size: (await stat(join(path, name))).size,
      })),
    );
    const { file, size } = files.sort((a, b) => b.size - a.size)[0]!;
    for (const part of [0.98, 0.9, 0.5]) {
      await truncate(file, Math.floor((size * part) / 512) * 512);
      const opened = pointOf({ path }, 'web01');
      // One that opens all the same would keep its server.
      await assert.rejects(
        opened.then((point) => point.end()),
        { code: 'HostileInput' },
        `${part}`,
      );
    }
  });
}

test('parts of a VMDK that overrun their file, or stand for two places, are refused', async () => {
  const path = await folder('parts');
  await convert(join(path, 'web01.vmdk'), 'vmdk', 'monolithicFlat');
  const text = await readFile(join(path, 'web01.vmdk'), 'utf8');
  const line = /^RW \d+ FLAT "(.*)" 0$/m.exec(text)!;
  const sectors = content.length / 512;
  for (const [lines, words] of [
    [[`RW 99999999 FLAT "${line[1]}" 0`], /bytes are needed|are needed/],
    [[`RW ${sectors} FLAT "${line[1]}" 8`], /are needed/],
    [[line[0], line[0]], /two places/],
  ] as const) {
    await writeFile(join(path, 'web01.vmdk'), text.replace(line[0], lines.join('\n')));
    await assert.rejects(pointOf({ path }, 'web01'), words);
  }
});

test("a fixed VHD of VirtualBox's is read to the end of its size, whatever its geometry says", async () => {
  const path = await folder('vbox');
  const image = join(path, 'web01.vhd');
  const options = ['-o', 'subformat=fixed,force_size'];
  await run('qemu-img', ['convert', '-f', 'raw', '-O', 'vpc', ...options, join(work, 'content'), image]);
  const bytes = await readFile(image);
  const footer = bytes.subarray(-512);
  footer.write('vbox', 28, 'latin1');
  // A geometry that is smaller than the disk: 100 cylinders, 4 heads, 17 sectors.
  footer.writeUInt32BE(0x00640411, 56);
  footer.writeUInt32BE(0, 64);
  footer.writeUInt32BE(~footer.reduce((sum, byte) => sum + byte, 0) >>> 0, 64);
  await writeFile(image, bytes);
  await assertReads({ path }, 'web01');
});

test('compressed images are unpacked into the scratch directory, and nothing stays there', async () => {
  const path = await folder('packed');
  for (const [name, tool] of [
    ['a.raw.gz', 'gzip'],
    ['b.raw.bz2', 'bzip2'],
    ['c.raw.xz', 'xz'],
    ['d.raw.zst', 'zstd'],
  ] as const) {
    await copyFile(join(work, 'content'), join(path, name.replace(/\.[^.]*$/, '')));
    await run(tool, ['-q', join(path, name.replace(/\.[^.]*$/, ''))]);
    await rm(join(path, name.replace(/\.[^.]*$/, '')), { force: true });
    await assertReads({ path }, name.slice(0, 1));
  }
  assert.deepEqual(await readdir(join(work, 'scratch')), []);
  await assert.rejects(
    pointOf({ path, scratchReserve: '1000TiB' }, 'a'),
    (error: VmferryError) => error.code === 'NoSpace' && error.message.includes('scratch'),
  );
  assert.deepEqual(await readdir(join(work, 'scratch')), []);
});

test('no more comes out of a small file than is declared, fits its size, or is allowed', async () => {
  const path = await folder('bombs');
  await writeFile(join(path, 'zeroes.raw'), '');
  await truncate(join(path, 'zeroes.raw'), 96 * MIB);
  await run('gzip', ['-q', join(path, 'zeroes.raw')]);
  await assertOpens({ path });
  const beyond = { code: 'HostileInput', message: /more than the \d+ bytes that are allowed come out/ };
  await assert.rejects(pointOf({ path, unpackLimit: '95MiB' }, 'zeroes'), { ...beyond, remedy: /raise unpackLimit/ });
  const disks = DISKS.replace(VMDK, 'http://example.net/raw').replace('"10"', '"10"').replace('2^30', '2^20');
  const files = '<File ovf:id="f1" ovf:href="zeroes.raw.gz" ovf:compression="gzip"/>';
  await writeFile(join(path, 'web01.ovf'), envelope({ disks, files }));
  await assert.rejects(pointOf({ path }, 'web01'), beyond);
  await assertOpens({ path, unpackLimit: '96MiB' }, 'web01');
  assert.deepEqual(await readdir(join(work, 'scratch')), []);
  const GIB = 2 ** 30;
  const scratch = { dir: '/', reserveBytes: 0 };
  assert.equal(mostUnpacked(scratch, MIB, 0), 32 * GIB);
  assert.equal(mostUnpacked(scratch, GIB, 0), 1000 * GIB);
  assert.equal(mostUnpacked(scratch, MIB, 80 * GIB), 160 * GIB + 64 * MIB);

  async function assertOpens(settings: Record<string, unknown>, vm = 'zeroes'): Promise<void> {
    await (await pointOf(settings, vm)).end();
  }
});

test('what takes long is said every five seconds', () => {
  let now = 0;
  const said: string[] = [];
  const tell = telling(
    (line) => said.push(line),
    () => now,
  );
  for (now = 0; now <= 12_000; now += 1_000) tell(() => `${now}`);
  assert.deepEqual(said, ['5000', '10000']);
});

test('a chain of snapshots is read through, and only within its own folder', async () => {
  const path = await folder('chain');
  await convert(join(path, 'base.qcow2'), 'qcow2');
  const child = ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', 'base.qcow2', join(path, 'web01.qcow2')];
  await run('qemu-img', child, { cwd: path });
  await run('qemu-io', ['-f', 'qcow2', '-c', 'write -P 7 5M 64k', join(path, 'web01.qcow2')]);
  const point = await pointOf({ path }, 'web01');
  const found = await contentOf(point.disks[0]!.reader);
  await point.end();
  const expected = Buffer.from(content);
  expected.fill(7, 5 * MIB, 5 * MIB + 65_536);
  assert.ok(found.equals(expected));

  for (const evil of [join(work, 'content'), '../content', 'json:{"driver":"file","filename":"/etc/hostname"}']) {
    const rebase = ['rebase', '-u', '-f', 'qcow2', '-F', 'raw', '-b', evil, join(path, 'web01.qcow2')];
    await run('qemu-img', rebase);
    await assert.rejects(pointOf({ path }, 'web01'), { code: 'HostileInput' }, evil);
  }
  await run('qemu-img', ['rebase', '-u', '-f', 'qcow2', '-F', 'qcow2', '-b', 'web01.qcow2', join(path, 'web01.qcow2')]);
  await assert.rejects(pointOf({ path }, 'web01'), /round in a circle/);
});

test('a qcow2 whose data lie in another file is refused, even beside it', async () => {
  const path = await folder('data-file');
  const options = ['-o', 'data_file=web01.data,data_file_raw=on'];
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', ...options, 'web01.qcow2', '24M'], { cwd: path });
  await rm(join(path, 'web01.data'));
  await assert.rejects(pointOf({ path }, 'web01'), /data lie in another file/);
});

test('links in the folder are not followed', async () => {
  const path = await folder('links');
  await run('ln', ['-s', join(work, 'content'), join(path, 'web01.raw')]);
  await run('ln', ['-s', work, join(path, 'deep')]);
  // Named, and never opened.
  const listed = async () => (await site({ path }).inventory()).map(({ name, state, disks }) => [name, state, disks]);
  assert.deepEqual(await listed(), [
    ['deep/', 'other', 0],
    ['web01.raw', 'other', 0],
  ]);
  await assert.rejects(site({ path }).describe('web01.raw'), /link/);
});

test('a pass of files that did not change has nothing to read; of changed ones it compares everything', async () => {
  const path = await folder('again');
  const image = join(path, 'web01.raw');
  await copyFile(join(work, 'content'), image);
  const first = await pointOf({ path }, 'web01');
  await first.end();
  const second = await pointOf({ path }, 'web01', first.checkpoint);
  const changed: boolean[] = [];
  for await (const { changed: each } of second.disks[0]!.reader.extents(0, content.length)) changed.push(each === true);
  assert.deepEqual([...new Set(changed)], [false]);
  assert.equal(second.disks[0]!.changes, 'bitmap');
  await second.end();
  const file = await open(image, 'r+');
  await file.write(Buffer.from([1]), 0, 1, 9 * MIB);
  await file.close();
  const third = await pointOf({ path }, 'web01', second.checkpoint);
  assert.equal(third.disks[0]!.changes, 'unknown');
  assert.match(third.note ?? '', /changed/);
  await third.end();
});

test('a package that was exchanged between two passes is held against its manifest again', async () => {
  const path = await folder('exchanged');
  const files = FILES.replace('disk1.vmdk', 'disk1.raw');
  const disks = DISKS.replace(VMDK, 'http://example.net/raw').replace('"10"', '"1"').replace('2^30', '2^20');
  const [ovf, disk] = [envelope({ files, disks }), randomBytes(MIB)];
  const sha256 = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest('hex');
  await writeFile(join(path, 'vm.ovf'), ovf);
  await writeFile(join(path, 'disk1.raw'), disk);
  await writeFile(join(path, 'vm.mf'), `SHA256(vm.ovf)= ${sha256(ovf)}\nSHA256(disk1.raw)= ${sha256(disk)}\n`);
  const first = await pointOf({ path }, 'vm');
  await first.end();
  await writeFile(join(path, 'disk1.raw'), randomBytes(MIB));
  await assert.rejects(pointOf({ path }, 'vm', first.checkpoint), {
    code: 'HostileInput',
    message: /its manifest says/,
  });
});

test('what was written to the files shows in their whereabouts', async () => {
  const path = await folder('where');
  await copyFile(join(work, 'content'), join(path, 'web01.raw'));
  const source = site({ path });
  const before = await source.whereabouts({ name: 'web01' }, ['vda']);
  assert.deepEqual(await source.whereabouts({ id: before!.id }, ['vda']), before);
  const file = await open(join(path, 'web01.raw'), 'r+');
  await file.write(Buffer.from([1]), 0, 1, 0);
  await file.close();
  assert.notEqual((await source.whereabouts({ id: before!.id }, ['vda']))?.disks['vda'], before?.disks['vda']);
  assert.equal(await source.whereabouts({ name: 'nobody' }, []), null);
  assert.equal(await source.runState('nobody'), null);
  await assert.rejects(source.describe('nobody'), /NotFound|web01/);
});

/** Serves a folder as most web servers do: an index, and ranges. */
async function served(path: string, password?: string): Promise<{ server: Server; url: string }> {
  const answer = async (request: { url?: string; range?: string; login?: string }) => {
    if (password !== undefined && request.login !== `Basic ${Buffer.from(`ann:${password}`).toString('base64')}`)
      return { status: 401, headers: {}, body: Buffer.alloc(0) };
    const name = decodeURIComponent(basename(request.url ?? ''));
    if (request.url?.endsWith('/')) {
      const links = (await readdir(path)).map((each) => `<a href="${encodeURIComponent(each)}">${each}</a>`);
      return { status: 200, headers: { 'content-type': 'text/html' }, body: Buffer.from(links.join('\n')) };
    }
    const bytes = await readFile(join(path, name)).catch(() => null);
    if (!bytes) return { status: 404, headers: {}, body: Buffer.alloc(0) };
    const { mtimeMs } = await stat(join(path, name));
    const headers = { etag: `"${mtimeMs}"`, 'accept-ranges': 'bytes' };
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.range ?? '') ?? [];
    if (from === undefined) return { status: 200, headers, body: bytes };
    const body = bytes.subarray(Number(from), Number(to) + 1);
    const range = `bytes ${from}-${Number(from) + body.length - 1}/${bytes.length}`;
    return { status: 206, headers: { ...headers, 'content-range': range }, body };
  };
  const server = createServer((request, response) => {
    const { range, authorization } = request.headers;
    const parts = {
      ...(request.url === undefined ? {} : { url: request.url }),
      ...(range === undefined ? {} : { range }),
      ...(authorization === undefined ? {} : { login: authorization }),
    };
    void answer(parts).then(({ status, headers, body }) => {
      response.writeHead(status, { ...headers, 'content-length': body.length });
      response.end(request.method === 'HEAD' ? undefined : body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert.ok(address && typeof address === 'object');
  return { server, url: `http://127.0.0.1:${address.port}/exports/` };
}

test('images behind HTTP are read in ranges, with a login where the site has one', async () => {
  const path = await folder('http');
  await convert(join(path, 'web 01.vmdk'), 'vmdk', 'streamOptimized');
  await convert(join(path, 'db01.qcow2'), 'qcow2');
  const { server, url } = await served(path, 'secret');
  try {
    await writeFile(join(work, 'password'), 'secret\n');
    const login = { user: 'ann', passwordFile: join(work, 'password') };
    const names = (await site({ url, ...login }).inventory()).map(({ name }) => name);
    assert.deepEqual(names, ['db01', 'web 01']);
    await assertReads({ url, ...login }, 'web 01');
    await assertReads({ url: `${url}db01.qcow2`, ...login }, 'db01');
    await assert.rejects(site({ url }).inventory(), { code: 'Denied' });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

test('machines in files are not started, and one file or an address is no target', async () => {
  const path = await folder('refused');
  await copyFile(join(work, 'content'), join(path, 'web01.raw'));
  const source = site({ path });
  await assert.rejects(source.start('web01'), { code: 'NotSupported' });
  assert.deepEqual(
    [{ path }, { path: join(path, 'web01.raw') }, { url: 'http://machine/' }].map((at) => site(at).abilities.target),
    [true, false, false],
  );
  assert.throws(() => filesSite.parse({ platform: 'files', url: 'https://ann:secret@machine/' }), /without a login/);
});
