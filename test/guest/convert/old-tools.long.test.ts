import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { unpackPackages } from '../../../lab/debian.js';
import { LocalHost } from '../../../src/exec/local.js';
import { applianceTree } from '../../../src/guest/appliance-tree.js';
import { removeOldTools } from '../../../src/guest/convert/old-tools.js';
import { inAppliance } from '../../../src/guest/open-appliance.js';
import { makeGuestImage } from '../inspect/guest-image.js';

/** Removal by a guest's own rpm: Debian's, in a guest with a database that it wrote itself. */

const machine = new LocalHost();
const RPM = ['rpm', 'rpm-common', 'librpm9', 'librpmio9', 'librpmbuild9', 'librpmsign9'];

test('tools of the old platform are removed by rpm, and those that it does not know stay and are named', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-rpm-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const programs = join(folder, 'programs');
  await unpackPackages(RPM, programs);
  const environment = [
    `LD_LIBRARY_PATH=${programs}/usr/lib/x86_64-linux-gnu`,
    `RPM_CONFIGDIR=${programs}/usr/lib/rpm`,
    `HOME=${folder}`,
  ];
  const run = (name: string, ...args: string[]) =>
    machine.run('env', [...environment, join(programs, 'usr/bin', name), ...args], { timeoutMs: 120_000 });
  const spec = `Name: open-vm-tools
Version: 12.1.0
Release: 1
Summary: tools
License: none
BuildArch: noarch
%description
tools
%install
mkdir -p %{buildroot}/usr/bin
echo x >%{buildroot}/usr/bin/vmtoolsd
%files
/usr/bin/vmtoolsd
`;
  await writeFile(join(folder, 'tools.spec'), spec);
  const plain = ['--define', '__spec_install_post %{nil}', '--define', '_build_id_links none'];
  const places = ['--define', `_topdir ${folder}/top`, '--define', `_rpmdir ${folder}/out`];
  await run('rpmbuild', '-bb', ...places, ...plain, join(folder, 'tools.spec'));

  const path = join(folder, 'guest.raw');
  await makeGuestImage(path, {
    files: { '/etc/fstab': '', '/usr/sbin/VBoxService': 'x' },
    bootCode: true,
    modules: [],
    early: [],
    sizeMib: 200,
    shape: async (root) => {
      for (const name of ['usr/bin/rpm', 'usr/lib/rpm'])
        await cp(join(programs, name), join(root, name), { recursive: true });
      const { stdout } = await machine.run('env', [...environment, 'ldd', join(programs, 'usr/bin/rpm')]);
      for (const [, library = ''] of stdout.matchAll(/(\/\S+) \(0x/g)) {
        const at = library.startsWith(programs) ? library.slice(programs.length) : library;
        await mkdir(dirname(join(root, at)), { recursive: true });
        await cp(library, join(root, at), { dereference: true });
      }
      await mkdir(join(root, 'usr/lib/rpm/macros.d'), { recursive: true });
      // Where everybody else's rpm has it; Debian's keeps one for each user.
      await writeFile(join(root, 'usr/lib/rpm/macros.d/macros.place'), '%_dbpath /var/lib/rpm\n');
      const into = ['--root', root, '--define', '_dbpath /var/lib/rpm', '--force-debian', '--nodeps'];
      await run('rpm', ...into, '-i', join(folder, 'out/noarch/open-vm-tools-12.1.0-1.noarch.rpm'));
    },
  });
  const disks = [{ id: 'sda', path, format: 'raw' as const }];
  await inAppliance({ host: machine, accelerator: 'tcg', disks }, { readOnly: false }, async (appliance) => {
    await appliance.command(['mount', `${appliance.devices.get('sda')}1`, '/']);
    const done = await removeOldTools(appliance, applianceTree(appliance), { os: null, applications: [] });
    assert.deepEqual(done.changes, ['removed the tools of VMware: open-vm-tools'], JSON.stringify(done));
    assert.deepEqual(
      done.findings.map(({ id, message }) => `${id}: ${message}`),
      ['guest.tools-kept: The tools of VirtualBox stay in the guest (no package known here brought them).'],
    );
    assert.equal(await appliance.fileBytes('/usr/bin/vmtoolsd'), null);
  });
});
