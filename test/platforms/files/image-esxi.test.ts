import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { filesSite } from '../../../src/config.js';
import { openSite } from '../../../src/platforms/registry.js';
import { MIB, changed, withFolder } from './image-fixture.js';

/**
 * The sparse files of ESXi, which no tool writes that is at hand: made here from what is known of their headers (VMware,
 * Virtual Disk Format 5.0, "ESX Server Sparse Extents"; QEMU, block/vmdk.c), and read by QEMU as any other.
 */

const SECTOR = 512;
const GRAIN = 4096;
const DISK = 8 * MIB;
const OWNER = { migrationId: 'c0ffee000003', workflowId: 'w', cluster: 'c', namespace: 'default' };
/** Of the disk: the first, two in the middle, the last. */
const GRAINS = [0, 700, 701, DISK / GRAIN - 1];
const content = Buffer.alloc(DISK);
for (const grain of GRAINS) randomBytes(GRAIN).copy(content, grain * GRAIN);

/** Grains, in the file in another order than in the disk, after `start`. */
function file(startBytes: number, head: (copy: Buffer, places: Map<number, number>) => void): Buffer {
  const order = [...GRAINS].reverse();
  const places = new Map(order.map((grain, nth) => [grain, nth]));
  return changed(Buffer.alloc(startBytes + order.length * GRAIN), (copy) => {
    head(copy, places);
    for (const [grain, nth] of places) content.copy(copy, startBytes + nth * GRAIN, grain * GRAIN, (grain + 1) * GRAIN);
  });
}

/** A directory of one table, in sector 4. */
function vmfsSparse(): Buffer {
  return file(40 * SECTOR, (copy, places) => {
    copy.write('COWD');
    // Version, flags, sectors of the disk and of a grain, place and length of the directory.
    [1, 3, DISK / SECTOR, GRAIN / SECTOR, 4, 1].forEach((value, nth) => copy.writeUInt32LE(value, 4 + nth * 4));
    copy.writeUInt32LE(8, 4 * SECTOR);
    for (const [grain, nth] of places) copy.writeUInt32LE(40 + (nth * GRAIN) / SECTOR, 8 * SECTOR + grain * 4);
  });
}

/** The directory in sector 2, tables from 16 on, grains from 128 on. */
function seSparse(): Buffer {
  return file(128 * SECTOR, (copy, places) => {
    const fields = {
      ...{ 0: 0xcafebaben, 8: 0x200000001n, 16: BigInt(DISK / SECTOR), 24: 8n, 32: 64n, 80: 1n, 88: 1n },
      ...{ 128: 2n, 136: 1n, 144: 16n, 152: 64n, 192: 128n, 200: 32n, 512: 0xcafecafen },
      // The first table, which is there.
      ...{ [2 * SECTOR]: 0x1000000000000000n },
    };
    for (const [at, value] of Object.entries(fields)) copy.writeBigUInt64LE(value, Number(at));
    const entry = (grain: number, value: bigint) => copy.writeBigUInt64LE(value, 16 * SECTOR + grain * 8);
    for (const [grain, nth] of places) entry(grain, 0x3000000000000000n | (BigInt(nth) << 48n));
    // Grains that were given back, or are zero.
    entry(5, 0x1000000000000000n);
    entry(6, 0x2000000000000000n);
  });
}

async function readBack(folder: string): Promise<Buffer> {
  const source = openSite('exports', filesSite.parse({ platform: 'files', path: join(folder, 'web01.vmdk') }));
  const request = { owner: OWNER, vm: 'web01', checkpoint: 'c', since: null, quiesce: 'never' } as const;
  const disks = (await source.describe('web01')).disks.map(({ id }) => id);
  const point = await source.openPoint({ ...request, disks });
  try {
    const all = Buffer.alloc(point.disks[0]!.reader.sizeBytes);
    await point.disks[0]!.reader.read(0, all);
    return all;
  } finally {
    await point.end();
  }
}

for (const [kind, make, end] of [
  ['vmfsSparse', vmfsSparse, 'delta'],
  ['seSparse', seSparse, 'sesparse'],
] as const) {
  test(`a disk of ESXi in a ${kind} file is read as what it holds, and refused where that is cut off`, async () => {
    await withFolder(async (folder) => {
      const part = `web01-${end}.vmdk`;
      const lines = [
        '# Disk DescriptorFile',
        'version=1',
        'CID=12345678',
        'parentCID=ffffffff',
        `createType="${kind}"`,
      ];
      lines.push(`RW ${DISK / SECTOR} ${kind.toUpperCase()} "${part}"`);
      await writeFile(join(folder, 'web01.vmdk'), lines.join('\n'));
      const whole = make();
      await writeFile(join(folder, part), whole);
      assert.ok((await readBack(folder)).equals(content));
      const site = openSite('exports', filesSite.parse({ platform: 'files', path: join(folder, 'web01.vmdk') }));
      const ids = (vm: { findings: { id: string; severity: string }[] }) =>
        vm.findings.filter(({ severity }) => severity === 'blocking').map(({ id }) => id);
      assert.deepEqual(ids(await site.describe('web01')), []);
      if (kind === 'seSparse') {
        const pending = changed(whole, (copy) => copy.writeBigUInt64LE(1n, 512 + 24));
        await writeFile(join(folder, part), pending);
        assert.deepEqual(ids(await site.describe('web01')), ['disk.log-not-replayed']);
      }
      for (const bytes of [1, 511, GRAIN - 1, GRAIN + 1, 3 * GRAIN]) {
        await writeFile(join(folder, part), whole.subarray(0, whole.length - bytes));
        const error = { code: 'HostileInput', message: /grain .* beyond its end/ };
        await assert.rejects(readBack(folder), error, `${bytes}`);
      }
    });
  });
}
