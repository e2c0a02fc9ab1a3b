import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { z } from 'zod';
import { diskFormat, FORMATS_OF, type PackagePlan } from '../../../../src/model/package.js';
import { openSite } from '../../../../src/platforms/registry.js';
import { parseXml } from '../../../../src/platforms/xml.js';
import { DISK } from '../../libvirt/vm-fixture.js';
import { bench, host, ID, MIB, OWNER, siteConfig, work, type FilesBench } from './bench.js';

const NOTHING = { nvram: null, tpm: null };

async function written({ site, vm }: FilesBench, plan: PackagePlan) {
  await site.packaging!.write(vm, NOTHING, plan, work);
  const results = await site.packaging!.prove(vm, plan, work);
  assert.deepEqual(
    results.filter(({ passed }) => !passed),
    [],
  );
  return results;
}

for (const format of diskFormat.options) {
  test(`disks written as ${format} hold, by qemu-img, what the replica does`, async (t) => {
    const made = await bench(t);
    const { directory, site, contents } = made;
    const results = await written(made, { kind: 'images', diskFormat: format });
    assert.deepEqual(
      results.map(({ probe }) => probe),
      ['package: disk vda', 'package: disk vdb'],
    );
    assert.match(results[0]!.detail, /root digest [0-9a-f]{64}$/);
    assert.deepEqual(await readdir(directory), ['.vmferry'], 'nothing is seen before it is accepted');
    await site.finalize('web01', ID, false);
    const files = (await readdir(join(directory, 'web01'))).sort();
    assert.equal(files.length, 2);
    for (const [index, id] of ['vda', 'vdb'].entries()) {
      const raw = contents.get(id)!;
      const path = join(directory, 'web01', files[index]!);
      const { stdout } = await host.run('qemu-img', ['info', '--output=json', '-f', format, path]);
      assert.match(stdout, new RegExp(`"virtual-size": ${(await stat(raw)).size},`));
      const { stdout: said } = await host.run('qemu-img', ['compare', '-f', format, '-F', 'raw', path, raw]);
      assert.match(said, /Images are identical/);
    }
  });
}

for (const kind of ['ovf', 'libvirt-xml'] as const) {
  for (const format of FORMATS_OF[kind]) {
    test(`a package of the kind ${kind} with ${format} disks reads back as the same machine`, async (t) => {
      const made = await bench(t);
      const [description] = await written(made, { kind, diskFormat: format });
      assert.equal(description!.probe, 'package: description');
    });
  }
}

test('disks of several buses in turn are grouped in an OVF, whose readers take one controller after the other', async (t) => {
  const buses = { vda: 'virtio', sda: 'scsi', vdb: 'virtio', hda: 'ide' } as const;
  const disks = Object.entries(buses).map(([id, bus], order) => ({
    ...{ ...DISK, id, bus, order, sizeBytes: (order + 4) * MIB },
    controllerModel: bus === 'scsi' ? 'lsilogic' : null,
  }));
  const made = await bench(t, { disks, machine: 'pc' });
  await written(made, { kind: 'ovf', diskFormat: 'raw' });
  await made.site.finalize('web01', ID, false);
  assert.deepEqual(
    (await made.site.describe('web01')).disks.map(({ bus, sizeBytes }) => [bus, sizeBytes / MIB]),
    [
      ['sata', 4],
      ['sata', 6],
      ['scsi', 5],
      ['ide', 7],
    ],
  );
});

test("libvirt's XML has one SCSI controller, and no topology of another number of CPUs", async (t) => {
  const disks = ['lsisas1068', 'buslogic'].map((controllerModel, order) => ({
    ...{ ...DISK, id: `sd${'ab'[order]}`, bus: 'scsi' as const, order, sizeBytes: 4 * MIB, controllerModel },
  }));
  const cpu = { count: 2, sockets: 1, coresPerSocket: 2, threadsPerCore: 2, model: null };
  const made = await bench(t, { disks, cpu });
  await written(made, { kind: 'libvirt-xml', diskFormat: 'raw' });
});

test('an OVA has descriptor, manifest and disks in the order of its references, and is the machine that was moved', async (t) => {
  const made = await bench(t);
  const { directory, site } = made;
  await written(made, { kind: 'ova', diskFormat: 'vmdk' });
  await site.finalize('web01', ID, false);
  assert.deepEqual(await readdir(directory), ['.vmferry', 'web01.ova']);
  assert.equal(await site.readReplica(ID), null);
  const { stdout } = await host.run('tar', ['-tf', join(directory, 'web01.ova')]);
  assert.deepEqual(stdout.trim().split('\n'), ['web01.ovf', 'web01.mf', 'web01-disk1.vmdk', 'web01-disk2.vmdk']);
  const { stdout: info } = await host.run('sh', [
    ...['-c', 'cd "$1" && tar -xf ../exports/web01.ova && qemu-img info web01-disk1.vmdk && sha256sum -c --quiet sums'],
    ...['sh', await unpackFolder(directory)],
  ]);
  assert.match(info, /streamOptimized/);
  const found = await site.describe('web01');
  assert.equal(found.uuid, made.vm.description.uuid);
  assert.deepEqual(
    found.nics.map(({ mac, network, model }) => [mac, network, model]),
    [['52:54:00:11:22:33', 'VM Network', 'e1000']],
  );
  assert.deepEqual(
    found.disks.map(({ bus, sizeBytes }) => [bus, sizeBytes]),
    [
      ['sata', 24 * MIB],
      ['sata', 5 * MIB + 3584],
    ],
  );
  assert.deepEqual(found.cpu, { count: 4, sockets: 1, coresPerSocket: 4, threadsPerCore: 1, model: null });
  const text = (await host.run('tar', ['-xOf', join(directory, 'web01.ova'), 'web01.ovf'])).stdout;
  const envelope = parseXml(text);
  assert.equal(envelope.text('VirtualSystem/VirtualHardwareSection/System/vssd:VirtualSystemType'), 'vmx-10');
});

test("virt-v2v, which reads VMware's OVAs, finds the machine in one of ours", async (t) => {
  const made = await bench(t);
  made.vm.description.nics.push({ mac: '52:54:00:aa:bb:cc', network: 'dmz', networkKind: 'network', model: 'vmxnet3' });
  await written(made, { kind: 'ova', diskFormat: 'vmdk' });
  await made.site.finalize('web01', ID, false);
  const { stdout } = await host.run('sh', [
    ...['-c', 'LIBGUESTFS_BACKEND=direct exec virt-v2v -i ova "$1" --print-source', 'sh'],
    join(made.directory, 'web01.ova'),
  ]);
  assert.match(stdout, /source name: web01\n/);
  assert.match(stdout, /memory: 268435456 \(bytes\)/);
  assert.match(stdout, /nr vCPUs: 4\n/);
  assert.match(stdout, /firmware: bios|source firmware: bios/i);
  assert.equal([...stdout.matchAll(/\[sata\]/g)].length, 2);
  assert.match(stdout, /VM Network/);
  assert.match(stdout, /dmz/);
});

/** Beside the directory, with the digests of the manifest as sha256sum takes them. */
async function unpackFolder(directory: string): Promise<string> {
  const folder = `${directory}-unpacked`;
  await mkdir(folder);
  const manifest = (await host.run('tar', ['-xOf', join(directory, 'web01.ova'), 'web01.mf'])).stdout;
  const lines = [...manifest.matchAll(/^SHA256\((.*)\)= ([0-9a-f]{64})$/gm)];
  assert.equal(lines.length, 3);
  await writeFile(join(folder, 'sums'), lines.map(([, name, digest]) => `${digest}  ${name}\n`).join(''));
  return folder;
}

test('firmware, secure boot, controllers and drives of an OVF are those of the machine', async (t) => {
  const made = await bench(t, {
    firmware: 'uefi',
    secureBoot: true,
    machine: 'q35',
    sound: 'ich6',
    guestOs: 'http://debian.org/debian/12',
    removable: [
      { kind: 'cdrom', bus: 'sata' },
      { kind: 'floppy', bus: 'fdc' },
    ],
  });
  const { description } = made.vm;
  const buses = [
    { bus: 'scsi', controllerModel: 'vmpvscsi' },
    { bus: 'nvme', controllerModel: null },
  ] as const;
  // In the other order: the second is booted from first.
  description.disks.forEach((disk, index) => Object.assign(disk, buses[index], { order: 1 - index }));
  description.nics.push({ mac: '52:54:00:aa:bb:cc', network: 'a "b" & <c>', networkKind: 'bridge', model: 'vmxnet3' });
  made.vm.networks['a "b" & <c>'] = 'a "b" & <c>';
  await written(made, { kind: 'ovf', diskFormat: 'vmdk' });
  await made.site.finalize('web01', ID, false);
  const found = await made.site.describe('web01');
  assert.deepEqual([found.firmware, found.secureBoot, found.sound], ['uefi', true, 'ich6']);
  assert.deepEqual(
    found.disks.map(({ bus, controllerModel, sizeBytes }) => [bus, controllerModel, sizeBytes]),
    [
      ['nvme', null, 5 * MIB + 3584],
      ['scsi', 'vmpvscsi', 24 * MIB],
    ],
  );
  assert.deepEqual(
    found.nics.map(({ network, model }) => [network, model]),
    [
      ['VM Network', 'e1000'],
      ['a "b" & <c>', 'vmxnet3'],
    ],
  );
  assert.deepEqual(found.removable, [{ kind: 'cdrom', bus: 'sata' }]);
  assert.equal(found.guestOs, 'debian6_64Guest');
});

test('the UEFI variables go with libvirt XML, whose paths are those of the directory', async (t) => {
  // What VMware calls the guest has no word in libvirt's XML.
  const guestOs = 'debian10_64Guest';
  const made = await bench(t, { firmware: 'uefi', machine: 'q35', nvramPath: '/nvram/web01.fd', guestOs });
  const nvram = randomBytes(4096);
  const plan = { kind: 'libvirt-xml', diskFormat: 'raw' } as const;
  await made.site.packaging!.write(made.vm, { nvram, tpm: null }, plan, work);
  assert.ok((await made.site.packaging!.prove(made.vm, plan, work)).every(({ passed }) => passed));
  await made.site.finalize('web01', ID, false);
  const folder = join(made.directory, 'web01');
  const domain = parseXml(await readFile(join(folder, 'web01.xml'), 'utf8'));
  // libvirt's own schema; its test driver takes no other type.
  const text = domain.toString().replace(/^<domain type="kvm"/, '<domain type="test"');
  await host.run('sh', ['-c', 'cat | virsh -c test:///default define --validate --file /dev/stdin'], { input: text });
  assert.equal(domain.at('devices/disk/source')?.get('file'), join(folder, 'web01-disk1.raw'));
  assert.equal(domain.at('devices/interface/source')?.get('network'), 'VM Network');
  assert.equal(domain.at('metadata'), null);
  assert.deepEqual((await made.site.readSideState('web01')).nvram, nvram);
});

test('a package whose disk was changed does not pass, and one that was undone is gone for good', async (t) => {
  const made = await bench(t);
  const { directory, site, vm } = made;
  const plan = { kind: 'ovf', diskFormat: 'raw' } as const;
  await written(made, plan);
  const path = join(directory, '.vmferry', `.vmferry-${ID}`, 'package', 'web01', 'web01-disk2.raw');
  const file = await open(path, 'r+');
  await file.write(Buffer.from('x'), 0, 1, MIB);
  await file.close();
  const results = await site.packaging!.prove(vm, plan, work);
  assert.deepEqual(
    results.map(({ passed }) => passed),
    [true, false, false],
    'the manifest does not fit any more',
  );
  assert.match(results[2]!.detail, /web01-disk2\.raw/);
  await assert.rejects(site.removeReplica(ID), { code: 'Unsafe' });
  assert.ok((await site.listOwned()).some(({ kind, name }) => kind === 'files-target' && name === 'web01'));
  await site.undefine(ID);
  await site.undefine(ID);
  await assert.rejects(site.packaging!.write(vm, NOTHING, plan, work), { code: 'Superseded' });
  assert.deepEqual(
    (await site.listOwned()).map(({ kind }) => kind),
    ['files-replica'],
  );
  await site.removeReplica(ID);
  assert.deepEqual(await site.listOwned(), []);
  assert.deepEqual(await readdir(directory), ['.vmferry']);
});

test('images that differ from the replica are told block by block', async (t) => {
  const made = await bench(t);
  const { directory, site, vm } = made;
  const plan = { kind: 'images', diskFormat: 'raw' } as const;
  await written(made, plan);
  const path = join(directory, '.vmferry', `.vmferry-${ID}`, 'package', 'web01', 'web01-disk1.raw');
  const file = await open(path, 'r+');
  await file.write(Buffer.from('x'), 0, 1, MIB);
  await file.close();
  const results = await site.packaging!.prove(vm, plan, work);
  assert.deepEqual(
    results.map(({ passed }) => passed),
    [false, true],
  );
  assert.match(results[0]!.detail, /^1 blocks of 64 KiB differ/);
});

test('the package of a converted guest holds what its conversion made of it, and an undo takes both away', async (t) => {
  const made = await bench(t);
  const { directory, site, vm, contents } = made;
  const result = z.strictObject({ kind: z.string() });
  const converts = () =>
    site.convert(ID, 'cutover', result, async ({ disks }) => {
      assert.deepEqual(
        disks.map(({ id }) => id),
        ['vda', 'vdb'],
      );
      await host.run('qemu-io', ['-f', 'qcow2', '-c', 'write -P 0x5a 1M 64k', '--', disks[0]!.path]);
      return { kind: 'light' };
    });
  assert.deepEqual(await converts(), { kind: 'light' });
  const plan = { kind: 'libvirt-xml', diskFormat: 'qcow2' } as const;
  const [, first, second] = await written(made, plan);
  assert.match(first!.detail, /with the guest converted/);
  assert.match(second!.detail, /with the guest converted/);
  const folder = join(directory, '.vmferry', `.vmferry-${ID}`);
  const disk = join(folder, 'package', 'web01', 'web01-disk1.qcow2');
  const differs = await host.run('qemu-img', ['compare', '-f', 'qcow2', '-F', 'raw', disk, contents.get('vda')!], {
    okExitCodes: [0, 1],
  });
  assert.match(differs.stdout, /Content mismatch at offset 1048576/);
  await host.run('qemu-io', ['-f', 'qcow2', '-c', 'write -P 0x5b 1M 64k', '--', disk]);
  const results = await site.packaging!.prove(vm, plan, work);
  assert.deepEqual(
    results.map(({ passed }) => passed),
    [true, false, true],
  );
  assert.match(results[1]!.detail, /^1 blocks of 64 KiB differ from the converted guest/);
  await site.undefine(ID);
  assert.deepEqual(
    (await readdir(folder)).filter((name) => /package|cutover/.test(name)),
    [],
  );
  await assert.rejects(converts(), { code: 'Superseded' });
  assert.deepEqual(
    (await site.listOwned()).map(({ kind }) => kind),
    ['files-replica'],
  );
});

test('a link where the folder of replicas belongs is not followed', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'vmferry-link-test-'));
  t.after(() => rm(root, { recursive: true }));
  const [directory, elsewhere] = [join(root, 'exports'), join(root, 'elsewhere')];
  await mkdir(directory);
  await mkdir(elsewhere);
  await symlink(elsewhere, join(directory, '.vmferry'));
  const site = openSite('exports', siteConfig(directory, join(root, 'state')));
  const disks = [{ id: 'vda', sizeBytes: MIB, format: 'qcow2' as const, storage: null }];
  await assert.rejects(site.createReplica({ owner: OWNER, targetName: 'web01', disks }), {
    code: 'Unsafe',
    message: /is a link or a file, no folder/,
  });
  assert.deepEqual(await readdir(elsewhere), []);
});

test('a file that has the name is never written over, whenever it came', async (t) => {
  const made = await bench(t);
  const { directory, site, vm } = made;
  const plan = { kind: 'ova', diskFormat: 'vmdk' } as const;
  const path = join(directory, 'web01.ova');
  await writeFile(path, 'mine');
  assert.ok((await site.targetFacts([null])).vms.some(({ name }) => name === 'web01'));
  await assert.rejects(site.packaging!.write(vm, NOTHING, plan, work), { code: 'Conflict' });
  await host.run('mv', [path, `${path}.old`]);
  await written(made, plan);
  await writeFile(path, 'mine');
  await assert.rejects(site.finalize('web01', ID, false), { code: 'Conflict' });
  assert.equal(await readFile(path, 'utf8'), 'mine');
  await host.run('rm', [path]);
  await site.finalize('web01', ID, false);
  await site.finalize('web01', ID, false);
  assert.ok((await stat(path)).size > 100 * 1024);
});

test('two tries at once leave one whole package, and a try that was killed is begun anew', async (t) => {
  const made = await bench(t);
  const { directory, site, vm } = made;
  const plan = { kind: 'ova', diskFormat: 'vmdk' } as const;
  const folder = join(directory, '.vmferry', `.vmferry-${ID}`);
  await mkdir(join(folder, 'writing-dead', 'parts'), { recursive: true });
  await writeFile(join(folder, 'writing-dead', 'parts', 'web01-disk1.vmdk'), 'half');
  const again = openSite('exports', siteConfig(directory, join(directory, '..', 'state')));
  const tries = await Promise.allSettled([site, again].map((each) => each.packaging!.write(vm, NOTHING, plan, work)));
  assert.ok(tries.some(({ status }) => status === 'fulfilled'));
  for (const each of tries) {
    if (each.status === 'rejected') assert.equal((each.reason as { code: string }).code, 'Superseded');
  }
  await written(made, plan);
  assert.deepEqual(
    (await readdir(folder)).filter((each) => each.startsWith('writing-')),
    [],
  );
});

test('a package can be cancelled while it is written', async (t) => {
  const made = await bench(t);
  const stop = new AbortController();
  const onProgress = () => stop.abort();
  const writing = made.site.packaging!.write(
    made.vm,
    NOTHING,
    { kind: 'ova', diskFormat: 'vmdk' },
    { onProgress, signal: stop.signal },
  );
  await assert.rejects(writing, { code: 'Cancelled' });
  assert.deepEqual(
    (await made.site.listOwned()).map(({ kind }) => kind),
    ['files-replica'],
  );
});

test('what a migration left is removed for its owner, with the package that nobody accepted', async (t) => {
  const made = await bench(t);
  await written(made, { kind: 'ovf', diskFormat: 'qcow2' });
  await assert.rejects(made.site.removeLeft({ ...OWNER, cluster: 'another' }), { code: 'Superseded' });
  await made.site.removeLeft(OWNER);
  await made.site.removeLeft(OWNER);
  assert.deepEqual(await made.site.listOwned(), []);
  assert.deepEqual(await readdir(join(made.directory, '.vmferry')), ['storages']);
});
