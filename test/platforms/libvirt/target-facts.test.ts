import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { libvirtSite } from '../../../src/config.js';
import { LocalHost } from '../../../src/exec/local.js';
import { askedStorage, usableCpuModels } from '../../../src/platforms/libvirt/target-facts.js';
import { Virsh } from '../../../src/platforms/libvirt/virsh.js';

test('a storage that a request names is told with its room, or with why it cannot be used', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'vmferry-room-'));
  try {
    const host = new LocalHost();
    const config = libvirtSite.parse({ platform: 'libvirt', uri: 'qemu:///system', storage: `${directory}/` });
    const at = { site: 'dc-new', config, host, virsh: new Virsh(host, config.uri) };
    const own = await askedStorage(at, null);
    assert.ok('path' in own && own.freeBytes > 0);
    assert.deepEqual({ ...own, freeBytes: 0 }, { asked: null, name: `${directory}/`, path: directory, freeBytes: 0 });
    const missing = await askedStorage(at, '/not/there');
    assert.deepEqual([missing.asked, missing.name, 'path' in missing], ['/not/there', '/not/there', false]);
    assert.ok('problem' in missing && /\/not\/there/.test(missing.problem));
    await assert.rejects(askedStorage(at, null, AbortSignal.abort()));
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('the CPU models that a guest can have are those that libvirt does not call unusable', () => {
  const text = (mode: string) => `<domainCapabilities><path>/usr/bin/qemu-system-x86_64</path><domain>kvm</domain>
    <cpu><mode name='host-passthrough' supported='yes'/>${mode}</cpu></domainCapabilities>`;
  const models = `<model usable='yes' vendor='unknown'>qemu64</model><model usable='no' vendor='AMD'>EPYC</model>
    <model usable='unknown'>core2duo</model>`;
  assert.deepEqual(usableCpuModels(text(`<mode name='custom' supported='yes'>${models}</mode>`)), [
    'qemu64',
    'core2duo',
  ]);
  assert.equal(usableCpuModels(text(`<mode name='custom' supported='no'/>`)), null);
  assert.equal(usableCpuModels('<domainCapabilities/>'), null);
});
