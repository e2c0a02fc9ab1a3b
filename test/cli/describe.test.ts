import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { vmDescription } from '../../src/model/vm.js';
import { vmferry } from './capture.js';

/** `describe` of machines in files, without any site. */

const run = promisify(execFile);
let work: string;
before(async () => {
  work = await mkdtemp(join(tmpdir(), 'vmferry-describe-'));
  await run('qemu-img', ['create', '-q', '-f', 'vmdk', join(work, 'web01.vmdk'), '40M']);
  const vmx = ['displayName = "web01"', 'memsize = "1024"', 'scsi0.present = "TRUE"', 'scsi0.virtualDev = "pvscsi"'];
  const disk = ['scsi0:0.present = "TRUE"', 'scsi0:0.fileName = "web01.vmdk"', 'guestOS = "debian11-64"'];
  await writeFile(join(work, 'web01.vmx'), [...vmx, ...disk].join('\n'));
});
after(() => rm(work, { recursive: true }));

test('a machine in files is described by its path, or by the folder that holds nothing else', async () => {
  for (const place of [join(work, 'web01.vmx'), work]) {
    const { exit, out, err } = await vmferry(['describe', place, '--json'], {});
    assert.equal(exit, 0, err);
    const vm = vmDescription.parse(JSON.parse(out));
    assert.deepEqual(
      [vm.name, vm.memoryBytes, vm.disks[0]!.sizeBytes, vm.disks[0]!.controllerModel, vm.disks[0]!.format],
      ['web01', 2 ** 30, 40 * 2 ** 20, 'vmpvscsi', 'vmdk'],
    );
  }
  const { out } = await vmferry(['describe', join(work, 'web01.vmx')], {});
  assert.match(out, /^web01 [^]*disk {6}sda scsi 40 MiB vmdk web01\.vmdk\n/);
});

test('a place that holds several machines, none, or nothing that is known says what there is and what to do', async () => {
  const several = join(work, 'several');
  await mkdir(several);
  for (const name of ['a.qcow2', 'b.qcow2']) {
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', join(several, name), '1M']);
  }
  const refused = async (words: RegExp, ...args: string[]) => {
    const { exit, out, err } = await vmferry(['describe', ...args], {});
    assert.notEqual(exit, 0);
    assert.equal(out, '');
    assert.match(err, words);
  };
  await refused(/several machines[^]*a, b/, several);
  await mkdir(join(work, 'none'));
  await refused(/no machine at/, join(work, 'none'));
  await refused(/its name is of no kind that is known here[^]*\.ova/, '/etc/passwd');
  await refused(/cannot open .*missing\.ova/, join(work, 'missing.ova'));
  await refused(/there is no such file, and no site of that name[^]*Sites: none/, 'dc-old');
  const config = join(work, 'vmferry.yaml');
  await writeFile(config, 'sites:\n  dc-old: { platform: files, path: /srv }\n');
  await refused(/it is a site[^]*`vmferry inventory dc-old` lists them/, 'dc-old', '--config', config);
  await refused(/no site of that name[^]*Sites: dc-old/, 'dc-new', '--config', config);
  await writeFile(join(work, 'evil.ova'), await readFile('/bin/true'));
  await refused(/cannot read .*evil\.ova at byte 0: it is no tar archive, or the checksum/, join(work, 'evil.ova'));
});
