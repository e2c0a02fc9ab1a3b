import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import {
  copyFile,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { execa } from 'execa';
import type { BlockReader } from '../../../src/blocks/index.js';
import { filesSite } from '../../../src/config.js';
import { openSite } from '../../../src/platforms/registry.js';

/** Disks in several files, from a directory, from within an archive, and behind a server that knows GET alone. */

const MIB = 2 ** 20;
const SIZE = 8 * MIB;
const OWNER = { migrationId: 'c0ffee000002', workflowId: 'w', cluster: 'c', namespace: 'default' };

let work = '';
let content: Buffer;
before(async () => {
  work = await mkdtemp(join(tmpdir(), 'vmferry-parts-'));
  content = Buffer.alloc(SIZE);
  randomBytes(MIB + 12_345).copy(content, MIB);
  randomBytes(70_000).copy(content, SIZE - 70_000);
  await writeFile(join(work, 'content'), content);
});
after(() => rm(work, { recursive: true, force: true }));

async function folder(name: string): Promise<string> {
  const path = join(work, name);
  await rm(path, { recursive: true, force: true });
  await mkdir(path, { recursive: true });
  return path;
}

/** An index, and files in ranges; anything but GET is refused. */
async function served(t: TestContext, path: string): Promise<string> {
  const server = createServer((request, response) => {
    void (async () => {
      if (request.method !== 'GET') return response.writeHead(405).end();
      if (request.url === '/') {
        const links = (await readdir(path)).map((each) => `<a href="${encodeURIComponent(each)}">x</a>`);
        return response.writeHead(200, { 'content-type': 'text/html' }).end(links.join('\n'));
      }
      const file = join(path, decodeURIComponent(basename(request.url ?? '')));
      const { size } = await stat(file);
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
      if (from === undefined || Number(from) >= size) return response.writeHead(416).end();
      const body = Buffer.alloc(Math.min(size, Number(to) + 1) - Number(from));
      const handle = await open(file);
      await handle.read(body, 0, body.length, Number(from));
      await handle.close();
      const range = `bytes ${from}-${Number(from) + body.length - 1}/${size}`;
      return response.writeHead(206, { 'content-range': range, etag: '"1"' }).end(body);
    })().catch(() => response.writeHead(404).end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

const site = (settings: Record<string, unknown>) =>
  openSite('exports', filesSite.parse({ platform: 'files', scratchDir: join(work, 'scratch'), ...settings }));

async function contentOf(reader: BlockReader): Promise<Buffer> {
  const all = Buffer.alloc(reader.sizeBytes);
  for (let at = 0; at < all.length; at += MIB) await reader.read(at, all.subarray(at, Math.min(at + MIB, all.length)));
  return all;
}

async function openDisks(settings: Record<string, unknown>, vm = 'web01') {
  const source = site(settings);
  const { disks } = await source.describe(vm);
  return await source.openPoint({
    owner: OWNER,
    vm,
    disks: disks.map(({ id }) => id),
    checkpoint: 'vmferry-c0ffee000002-1',
    since: null,
    quiesce: 'never',
  });
}

async function assertReads(settings: Record<string, unknown>, expected = content): Promise<void> {
  const point = await openDisks(settings);
  try {
    assert.ok((await contentOf(point.disks[0]!.reader)).equals(expected), JSON.stringify(settings));
  } finally {
    await point.end();
  }
}

function envelope(file: string, attributes: string, format: string): string {
  return `<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
    xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
  <References><File ovf:id="f" ovf:href="${file}" ${attributes}/></References>
  <DiskSection><Info/><Disk ovf:diskId="d" ovf:fileRef="f" ovf:capacity="${SIZE}" ovf:format="${format}"/></DiskSection>
  <VirtualSystem ovf:id="web01"><Info/><Name>web01</Name><VirtualHardwareSection><Info/>
    <Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>1</rasd:VirtualQuantity></Item>
    <Item><rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>512</rasd:VirtualQuantity></Item>
    <Item><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceType>20</rasd:ResourceType></Item>
    <Item><rasd:InstanceID>4</rasd:InstanceID><rasd:ResourceType>17</rasd:ResourceType><rasd:Parent>3</rasd:Parent><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:HostResource>ovf:/disk/d</rasd:HostResource></Item>
  </VirtualHardwareSection></VirtualSystem></Envelope>`;
}

const VMDK = 'http://www.vmware.com/interfaces/specifications/vmdk.html#';
const STREAM = `${VMDK}streamOptimized`;
/** No multiple of a sector. */
const CHUNK = 300_001;

/** A directory with a machine whose disk was cut into parts. */
async function inChunks(path: string, kind: 'vmdk' | 'raw', manifest = true): Promise<string[]> {
  const whole = join(path, 'whole');
  const options = kind === 'vmdk' ? ['-o', 'subformat=streamOptimized'] : [];
  await execa('qemu-img', ['convert', '-f', 'raw', '-O', kind, ...options, join(work, 'content'), whole]);
  const bytes = await readFile(whole);
  await rm(whole);
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; at += CHUNK) {
    parts.push(`disk.${kind}.${String(parts.length).padStart(9, '0')}`);
    await writeFile(join(path, parts.at(-1)!), bytes.subarray(at, at + CHUNK));
  }
  const sizes = `ovf:size="${bytes.length}" ovf:chunkSize="${CHUNK}"`;
  await writeFile(join(path, 'web01.ovf'), envelope(`disk.${kind}`, sizes, kind === 'vmdk' ? STREAM : 'raw'));
  if (manifest) await writeManifest(path, ['web01.ovf', ...parts]);
  return parts;
}

async function writeManifest(path: string, names: readonly string[]): Promise<void> {
  const lines: string[] = [];
  for (const name of names) {
    lines.push(
      `SHA256(${name})= ${createHash('sha256')
        .update(await readFile(join(path, name)))
        .digest('hex')}\n`,
    );
  }
  await writeFile(join(path, 'web01.mf'), lines.join(''));
}

async function archived(path: string, names: readonly string[]): Promise<string> {
  const into = await folder(`${basename(path)}-ova`);
  await execa('tar', ['--format=ustar', '-C', path, '-cf', join(into, 'web01.ova'), '--', ...names]);
  return into;
}

for (const kind of ['vmdk', 'raw'] as const) {
  test(`a ${kind} disk that was cut into pieces is read in one, from a directory, an archive and by HTTP`, async (t) => {
    const path = await folder(`chunks-${kind}`);
    const parts = await inChunks(path, kind);
    assert.ok(parts.length > 3);
    await assertReads({ path });
    const ova = await archived(path, ['web01.ovf', 'web01.mf', ...parts]);
    await assertReads({ path: ova });
    await assertReads({ url: `${await served(t, path)}web01.ovf` });
    await assertReads({ url: await served(t, ova) });
  });
}

test('pieces that are missing, too many or of another size are refused, as are those that the manifest does not know', async () => {
  const path = await folder('chunks-wrong');
  const parts = await inChunks(path, 'vmdk', false);
  const found = async () => (await site({ path }).describe('web01')).findings;
  const spare = join(path, `disk.vmdk.${String(parts.length).padStart(9, '0')}`);
  await writeFile(spare, 'x');
  await assert.rejects(found(), { code: 'HostileInput', message: /is one too many/ });
  await rm(spare);
  const second = await readFile(join(path, parts[1]!));
  for (const size of [CHUNK - 1, CHUNK + 1, 0]) {
    await truncate(join(path, parts[1]!), size);
    const message = new RegExp(`${parts[1]} has ${size} bytes, and ${CHUNK} are expected`);
    await assert.rejects(found(), { code: 'HostileInput', message });
  }
  await rm(join(path, parts[1]!));
  const missing = (await found()).filter(({ severity }) => severity === 'blocking');
  assert.deepEqual(
    missing.map(({ id }) => id),
    ['disk.unreadable'],
  );
  assert.match(missing[0]!.message, new RegExp(parts[1]!));
  await writeFile(join(path, parts[1]!), second);
  await assertReads({ path });

  await writeManifest(path, ['web01.ovf', ...parts.slice(0, -1)]);
  await assert.rejects(openDisks({ path }), { code: 'HostileInput', message: /manifest does not name it/ });
  await writeManifest(path, ['web01.ovf', ...parts]);
  await writeFile(join(path, parts[0]!), Buffer.alloc(CHUNK));
  await assert.rejects(openDisks({ path }), { code: 'HostileInput' });

  const small = envelope('disk.vmdk', `ovf:size="${2 ** 40}" ovf:chunkSize="1"`, STREAM);
  await writeFile(join(path, 'web01.ovf'), small);
  await assert.rejects(found(), { code: 'HostileInput', message: /would have \d+ parts/ });
  await writeFile(join(path, 'web01.ovf'), envelope('disk.vmdk', 'ovf:chunkSize="1"', STREAM));
  await assert.rejects(found(), { code: 'HostileInput', message: /has \d+ bytes, and 1 are expected/ });
});

for (const subformat of ['monolithicFlat', 'twoGbMaxExtentFlat', 'twoGbMaxExtentSparse'] as const) {
  test(`a VMDK in several files (${subformat}) is read from within an archive and by HTTP, as from a directory`, async (t) => {
    const path = await folder(subformat);
    const disk = join(path, 'web01.vmdk');
    await execa('qemu-img', [
      ...['convert', '-f', 'raw', '-O', 'vmdk', '-o', `subformat=${subformat}`, join(work, 'content'), disk],
    ]);
    // QEMU cuts after 2 GiB: the flat file is cut once more by hand.
    if (subformat === 'twoGbMaxExtentFlat') {
      const whole = await readFile(join(path, 'web01-f001.vmdk'));
      const [first, second] = [3 * MIB, SIZE - 3 * MIB];
      await writeFile(join(path, 'web01-f001.vmdk'), whole.subarray(0, first));
      await writeFile(join(path, 'web01-f002.vmdk'), whole.subarray(first));
      const text = (await readFile(disk, 'utf8')).replace(
        /RW \d+ FLAT "web01-f001.vmdk" 0/,
        `RW ${first / 512} FLAT "web01-f001.vmdk" 0\nRW ${second / 512} FLAT "web01-f002.vmdk" 0`,
      );
      await writeFile(disk, text);
    }
    await assertReads({ path });
    await assertReads({ url: `${await served(t, path)}web01.vmdk` });
    const files = await readdir(path);
    await writeFile(join(path, 'web01.ovf'), envelope('web01.vmdk', '', `${VMDK}sparse`));
    const ova = await archived(path, ['web01.ovf', ...files]);
    await assertReads({ path: ova });
    await assertReads({ url: await served(t, ova) });
    // Sparse parts had to be copied: room is seen to beforehand, and nothing stays.
    if (subformat === 'twoGbMaxExtentSparse') {
      await assert.rejects(openDisks({ path: ova, scratchReserve: '1000TiB' }), { code: 'NoSpace' });
      assert.deepEqual(await readdir(join(work, 'scratch')), []);
    } else await assertReads({ path: ova, scratchReserve: '1000TiB' });
    // Whoever signs the text alone has not signed what the disk holds.
    await writeManifest(path, ['web01.ovf', 'web01.vmdk']);
    await assert.rejects(openDisks({ path }), { code: 'HostileInput', message: /manifest does not name it/ });
    await writeManifest(path, ['web01.ovf', ...files]);
    await assertReads({ path });
  });
}

test('a VMDK in several files is read under a path that its text could not hold', async () => {
  const injected = 'a\nRW 2048 FLAT "/etc/hostname" 0';
  for (const [nth, under] of ['quote " here', injected.replaceAll('/', '_'), 'x'.repeat(250)].entries()) {
    const path = await folder(join(`odd-${nth}`, under, under));
    for (const subformat of ['monolithicFlat', 'twoGbMaxExtentSparse']) {
      const made = await folder('made');
      const options = ['-o', `subformat=${subformat}`, join(work, 'content'), join(made, 'web01.vmdk')];
      await execa('qemu-img', ['convert', '-f', 'raw', '-O', 'vmdk', ...options]);
      for (const name of await readdir(made)) await copyFile(join(made, name), join(path, name));
      // No site can be named with a line end, but what a site's path leads to can.
      const link = join(work, 'link');
      await rm(link, { force: true });
      await symlink(path, link);
      await assertReads({ path: join(link, 'web01.vmdk') });
    }
  }
});

test('a split sparse VMDK of several parts is read across their border from anywhere, and refused without an end', async (t) => {
  const path = await folder('two-parts');
  const disk = join(path, 'web01.vmdk');
  const [border, size] = [2 ** 31, 3 * 2 ** 30];
  await execa('qemu-img', ['create', '-q', '-f', 'vmdk', '-o', 'subformat=twoGbMaxExtentSparse', disk, `${size}`]);
  const pieces = [MIB, border - MIB / 2, size - MIB];
  for (const [nth, at] of pieces.entries()) {
    await writeFile(join(work, `piece${nth}`), content.subarray(MIB, 2 * MIB));
    await execa('qemu-io', ['-f', 'vmdk', '-c', `write -s ${join(work, `piece${nth}`)} ${at} 1M`, disk]);
  }
  const files = (await readdir(path)).sort();
  assert.deepEqual(files, ['web01-s001.vmdk', 'web01-s002.vmdk', 'web01.vmdk']);
  const reads = async (settings: Record<string, unknown>) => {
    const point = await openDisks(settings);
    try {
      const { reader } = point.disks[0]!;
      assert.equal(reader.sizeBytes, size);
      let dataBytes = 0;
      for await (const { kind, lengthBytes } of reader.extents(0, size)) if (kind === 'data') dataBytes += lengthBytes;
      assert.ok(dataBytes >= 3 * MIB && dataBytes < 4 * MIB, `${dataBytes}`);
      const found = Buffer.alloc(MIB);
      for (const at of pieces) {
        await reader.read(at, found);
        assert.ok(found.equals(content.subarray(MIB, 2 * MIB)), `${at}`);
      }
    } finally {
      await point.end();
    }
  };
  await reads({ path });
  await reads({ url: `${await served(t, path)}web01.vmdk` });
  const text = envelope('web01.vmdk', '', `${VMDK}sparse`).replace(`"${SIZE}"`, `"${size}"`);
  await writeFile(join(path, 'web01.ovf'), text);
  const ova = await archived(path, ['web01.ovf', ...files]);
  await reads({ path: ova });
  await reads({ url: await served(t, ova) });
  for (const part of files.slice(0, 2)) {
    const { size: bytes } = await stat(join(path, part));
    const whole = await readFile(join(path, part));
    await truncate(join(path, part), bytes - 1);
    await assert.rejects(openDisks({ path }), { code: 'HostileInput', message: new RegExp(`${part}.*beyond its end`) });
    await writeFile(join(path, part), whole);
  }
});

test('a VMDK with a snapshot over a split one is read through by HTTP and from within an archive', async (t) => {
  const path = await folder('snapshot');
  const base = ['-o', 'subformat=twoGbMaxExtentSparse', join(work, 'content'), 'base.vmdk'];
  await execa('qemu-img', ['convert', '-f', 'raw', '-O', 'vmdk', ...base], { cwd: path });
  await execa('qemu-img', ['create', '-q', '-f', 'vmdk', '-F', 'vmdk', '-b', 'base.vmdk', 'web01.vmdk'], { cwd: path });
  await execa('qemu-io', ['-f', 'vmdk', '-c', 'write -P 7 5M 64k', 'web01.vmdk'], { cwd: path });
  const expected = Buffer.from(content);
  expected.fill(7, 5 * MIB, 5 * MIB + 65_536);
  await assertReads({ url: `${await served(t, path)}web01.vmdk` }, expected);
  const files = await readdir(path);
  await writeFile(join(path, 'web01.ovf'), envelope('web01.vmdk', '', `${VMDK}sparse`));
  await assertReads({ path: await archived(path, ['web01.ovf', ...files]) }, expected);
});

test('a part of a VMDK that is missing, or leads elsewhere, is refused in an archive and by HTTP as well', async (t) => {
  const path = await folder('split-wrong');
  const text = (part: string) =>
    `# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType="monolithicFlat"\nRW 2048 FLAT "${part}" 0\n`;
  await writeFile(join(path, 'web01.ovf'), envelope('web01.vmdk', '', `${VMDK}sparse`));
  for (const [part, code] of [
    ['gone-flat.vmdk', 'NotFound'],
    ['../content', 'HostileInput'],
    ['nbd+unix:///1?socket=x', 'HostileInput'],
    ['json:{}', 'HostileInput'],
  ] as const) {
    await writeFile(join(path, 'web01.vmdk'), text(part));
    const ova = await archived(path, ['web01.ovf', 'web01.vmdk']);
    for (const at of [{ path: ova }, { url: `${await served(t, path)}web01.ovf` }]) {
      if (code === 'HostileInput') await assert.rejects(site(at).describe('web01'), { code }, part);
      else {
        const { findings } = await site(at).describe('web01');
        assert.ok(findings.some(({ id, message }) => id === 'disk.unreadable' && message.includes(part)));
      }
    }
  }
});
