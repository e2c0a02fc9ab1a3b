import assert from 'node:assert/strict';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { filesSite } from '../../../src/config.js';
import { severity as severities, type Finding } from '../../../src/model/finding.js';
import { FILES_FINDINGS } from '../../../src/platforms/files/finding-kinds.js';
import { openSite } from '../../../src/platforms/registry.js';
import { CASES, type Files, type Images } from './finding-cases.js';
import { qemuImg, withFolder } from './image-fixture.js';

/** Every finding of machines in files, from descriptors and images as a site reads them. */

async function makeImages(folder: string): Promise<Images> {
  await writeFile(join(folder, 'base.raw'), Buffer.alloc(2 ** 20));
  await qemuImg(folder, 'create', '-q', '-f', 'qcow2', '-b', 'base.raw', '-F', 'raw', 'child');
  for (const [name, format] of Object.entries({
    qcow2: 'qcow2',
    kept: 'qcow2',
    vmdk: 'vmdk',
    vhd: 'vpc',
    vhdx: 'vhdx',
  })) {
    await qemuImg(folder, 'create', '-q', '-f', format, name, '1M');
  }
  await qemuImg(folder, 'snapshot', '-c', 'one', 'kept');
  const read = async (name: string) => [name, await readFile(join(folder, name))] as const;
  const names = ['qcow2', 'child', 'kept', 'vmdk', 'vhd', 'vhdx'];
  return Object.fromEntries(await Promise.all(names.map(read))) as Images;
}

const siteAt = (path: string, name: string) =>
  openSite('exports', filesSite.parse({ platform: 'files', path: join(path, name) }));

async function findingsOf(folder: string, files: Files): Promise<Finding[]> {
  await mkdir(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  const site = siteAt(folder, Object.keys(files)[0]!);
  const [machine] = await site.inventory();
  return (await site.describe(machine!.name)).findings;
}

const rank = (each: string) => severities.options.findIndex((option) => option === each);

test('each finding speaks where it should, no graver than its kind says, and not next to that', async (t) => {
  await withFolder(async (work) => {
    const images = await makeImages(work);
    for (const [id, [fires, not]] of Object.entries(CASES)) {
      await t.test(id, async () => {
        const loud = await findingsOf(join(work, `${id}-fires`), fires(images));
        const own = loud.filter((each) => each.id === id);
        assert.notEqual(own.length, 0, `only ${loud.map((each) => each.id).join()}`);
        for (const each of loud) {
          const kind = FILES_FINDINGS[each.id];
          assert.ok(kind, `${each.id} is on no list`);
          assert.ok(rank(each.severity) >= rank(kind.severity), `${each.id} is graver than its kind says`);
          assert.match(each.message, /^.{10,}[^ ]$/, each.id);
          assert.match(each.remedy, /^[A-Z`].{5,}\.$/, each.id);
        }
        const gravest = Math.min(...own.map((each) => rank(each.severity)));
        if (id !== 'disk.size-doubt') assert.equal(severities.options[gravest], FILES_FINDINGS[id]?.severity);
        const quiet = await findingsOf(join(work, `${id}-not`), not(images));
        assert.ok(!quiet.some((each) => each.id === id), 'here as well');
      });
    }
  });
});

test('an image that a program writes to is found, of a bare disk and of one in a package', async () => {
  await withFolder(async (folder) => {
    await qemuImg(folder, 'create', '-q', '-f', 'vmdk', 'a.vmdk', '1M');
    await writeFile(join(folder, 'a.vmx'), 'displayName = "a"\nscsi0:0.present = "TRUE"\nscsi0:0.fileName = "a.vmdk"');
    const found = async (disks: string[]) => {
      const site = siteAt(folder, 'a.vmx');
      return (await site.sourceFindings(await site.describe('a'), disks)).map(
        ({ id, severity }) => `${severity} ${id}`,
      );
    };
    assert.deepEqual(await found(['sda']), []);
    const writer = await open(join(folder, 'a.vmdk'), 'r+');
    try {
      assert.deepEqual(await found(['sda']), ['blocking disk.locked']);
      assert.deepEqual(await found([]), []);
    } finally {
      await writer.close();
    }
    assert.deepEqual(await found(['sda']), []);
  });
});

test('every finding of the list is tried here', () => {
  assert.deepEqual([...Object.keys(CASES), 'disk.locked'].sort(), Object.keys(FILES_FINDINGS).sort());
});
