import assert from 'node:assert/strict';
import test from 'node:test';
import { libvirtSite } from '../../../src/config.js';
import type { Host } from '../../../src/exec/host.js';
import { apparmorState, backupRule } from '../../../src/platforms/libvirt/apparmor.js';
import { Virsh } from '../../../src/platforms/libvirt/virsh.js';

/** As `virsh capabilities` of libvirt 9.0 shows it; no AppArmor is tried here, only what is said of it. */
const capabilities = (models: string[]) =>
  `<capabilities><host><uuid>3c1f0c6e-5a43-4b1f-9b50-0d0f6f1d3a10</uuid><cpu><arch>x86_64</arch></cpu>${models
    .map((model) => `<secmodel><model>${model}</model><doi>0</doi></secmodel>`)
    .join('')}</host></capabilities>`;

async function stateOf(models: string[], local: string | null, scratchDir = '/var/lib/libvirt/images') {
  const run = (command: string) =>
    Promise.resolve(
      command === 'virsh'
        ? { stdout: capabilities(models), stderr: '', exitCode: 0 }
        : { stdout: local ?? '', stderr: '', exitCode: local === null ? 44 : 0 },
    );
  const host = { name: 'dc-old', run } as unknown as Host;
  const config = libvirtSite.parse({ platform: 'libvirt', uri: 'qemu:///system', scratchDir });
  return apparmorState({ site: 'dc-old', config, host, virsh: new Virsh(host, config.uri) });
}

test('where VMs are not confined nothing has to be allowed', async () => {
  assert.deepEqual(await stateOf(['none', 'dac'], null), { confined: false, backupsAllowed: true, remedy: null });
});

test('where they are, the scratch folder has to be named in the profile, and the line to add is given', async () => {
  for (const local of [null, '', `# ${backupRule('/var/lib/libvirt/images')}`, '"/var/lib/libvirt/images/iso/*" r,']) {
    const state = await stateOf(['apparmor', 'dac'], local);
    assert.equal(state.backupsAllowed, false, String(local));
    assert.ok(state.remedy?.includes('"/var/lib/libvirt/images/vmferry-*/*" rwk,'));
  }
  for (const local of [`\n  ${backupRule('/var/lib/libvirt/images')}\n`, '/var/lib/libvirt/images/** rw,']) {
    assert.deepEqual(await stateOf(['apparmor', 'dac'], local), { confined: true, backupsAllowed: true, remedy: null });
  }
  assert.equal((await stateOf(['apparmor'], backupRule('/scratch/'), '/scratch/')).backupsAllowed, true);
});
