import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { filesSite } from '../../../src/config.js';
import { VmferryError } from '../../../src/errors.js';
import { openSite } from '../../../src/platforms/registry.js';

/** Images that were cut off anywhere, even within the last thing that they hold: each is refused, or reads as it was. */

const run = promisify(execFile);
const MIB = 2 ** 20;
const PIECE = 65_536;
const OWNER = { migrationId: 'c0ffee000001', workflowId: 'w', cluster: 'c', namespace: 'default' };

let work: string;
let content: Buffer;
before(async () => {
  work = await mkdtemp(join(tmpdir(), 'vmferry-cut-test-'));
  // Some of it compresses, and it ends within a cluster of any size, with data.
  content = Buffer.alloc(5 * MIB + 1536);
  content.write(randomBytes(800_000).toString('base64'), MIB, 'latin1');
  randomBytes(MIB).copy(content, 3 * MIB);
  randomBytes(5000).copy(content, content.length - 5000);
  await writeFile(join(work, 'content'), content);
});
after(() => rm(work, { recursive: true }));

/** What the only machine of a folder reads as; null where it is refused. */
async function readBack(path: string): Promise<Buffer | null> {
  const site = openSite('exports', filesSite.parse({ platform: 'files', scratchDir: join(work, 'scratch'), path }));
  const request = { owner: OWNER, vm: 'web01', checkpoint: 'c', since: null, quiesce: 'never' } as const;
  try {
    const disks = (await site.describe('web01')).disks.map(({ id }) => id);
    const point = await site.openPoint({ ...request, disks });
    try {
      const { reader } = point.disks[0]!;
      const all = Buffer.alloc(reader.sizeBytes);
      for (let at = 0; at < all.length; at += MIB) await reader.read(at, all.subarray(at, at + MIB));
      return all;
    } finally {
      await point.end();
    }
  } catch (error) {
    if (!(error instanceof VmferryError) || error.code !== 'HostileInput') throw error;
    return null;
  }
}

interface Way {
  what: string;
  /** Of `web01.…`. */
  end: string;
  make: (path: string) => Promise<unknown>;
}

const image = (path: string, end: string) => join(path, `web01.${end}`);

/** `qemu-img convert` into a format. */
function converted(end: string, format: string, options: string | null, ...more: string[]): Way {
  const args = ['convert', ...more, '-f', 'raw', '-O', format, ...(options === null ? [] : ['-o', options])];
  const what = [format, options, ...more].filter((each) => each !== null).join(' ');
  return { what, end, make: (path) => run('qemu-img', [...args, join(work, 'content'), image(path, end)]) };
}

/** Made empty, and written to by a guest, from the disk's end to its begin, so that its end is not that of the file. */
function written(end: string, format: string, options: string | null, ...flags: string[]): Way {
  const make = async (path: string) => {
    const file = image(path, end);
    const asked = options === null ? [] : ['-o', options];
    await run('qemu-img', ['create', '-q', '-f', format, ...asked, file, `${content.length}`]);
    const commands: string[] = [];
    for (let at = Math.floor(content.length / PIECE) * PIECE; at >= 0; at -= PIECE) {
      const piece = content.subarray(at, at + PIECE);
      if (piece.every((byte) => byte === 0)) continue;
      await writeFile(join(work, `piece${at}`), piece);
      commands.push('-c', ['write', ...flags, '-s', join(work, `piece${at}`), at, piece.length].join(' '));
    }
    await run('qemu-io', ['-f', format, ...commands, file]);
  };
  const what = [format, options, ...flags].filter((each) => each !== null).join(' ');
  return { what: `${what}, written by a guest`, end, make };
}

const WAYS: Way[] = [
  converted('qcow2', 'qcow2', null),
  converted('qcow2', 'qcow2', 'cluster_size=2M'),
  converted('qcow2', 'qcow2', 'cluster_size=512'),
  converted('qcow2', 'qcow2', 'compat=0.10'),
  converted('qcow2', 'qcow2', null, '-c'),
  converted('qcow2', 'qcow2', 'cluster_size=2M', '-c'),
  converted('qcow2', 'qcow2', 'compression_type=zstd', '-c'),
  converted('qcow2', 'qcow2', 'preallocation=metadata'),
  converted('qcow2', 'qcow2', 'preallocation=falloc'),
  written('qcow2', 'qcow2', null),
  written('qcow2', 'qcow2', 'extended_l2=on,cluster_size=2M'),
  // As a compressed backup of a running machine; it ends with its last byte.
  written('qcow2', 'qcow2', null, '-c'),
  written('qcow2', 'qcow2', 'compression_type=zstd', '-c'),
  converted('qcow', 'qcow', null),
  converted('vdi', 'vdi', null),
  written('vdi', 'vdi', null),
  converted('vhd', 'vpc', 'force_size'),
  converted('vhdx', 'vhdx', 'block_size=1M'),
  converted('vhdx', 'vhdx', 'block_size=32M'),
  written('vhdx', 'vhdx', 'block_size=1M'),
  converted('vmdk', 'vmdk', 'subformat=monolithicSparse'),
  converted('vmdk', 'vmdk', 'subformat=twoGbMaxExtentSparse'),
  converted('vmdk', 'vmdk', 'subformat=streamOptimized'),
  written('vmdk', 'vmdk', null),
];

const CUTS = [1, 511, 512, 513, 4096, 4097, 30_000, 65_000, 65_536, 100_000];
const PARTS = [0.95, 0.9, 0.8, 0.7, 0.5, 0.3, 0.1, 0.01];

for (const { what, end, make } of WAYS) {
  test(`${what} is read whole, and never as something else when it was cut off`, async () => {
    const [whole, cut] = [join(work, 'whole'), join(work, 'cut')];
    for (const each of [whole, cut]) {
      await rm(each, { recursive: true, force: true });
      await mkdir(each);
    }
    await make(whole);
    assert.ok((await readBack(whole))?.equals(content), 'the whole image');
    // Parts of a VMDK have the data; the text beside them does not.
    const names = await readdir(whole);
    const cutName = names.find((name) => name.includes('-s0')) ?? `web01.${end}`;
    const { size } = await stat(join(whole, cutName));
    let refused = 0;
    for (const bytes of [...CUTS, ...PARTS.map((part) => size - Math.floor(size * part))]) {
      for (const name of names) await copyFile(join(whole, name), join(cut, name));
      await truncate(join(cut, cutName), size - bytes);
      const found = await readBack(cut);
      if (found === null) refused += 1;
      else assert.ok(found.equals(content), `without its last ${bytes} bytes`);
    }
    assert.ok(refused >= 3, `${refused} refused`);
  });
}
