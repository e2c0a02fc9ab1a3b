import assert from 'node:assert/strict';
import test from 'node:test';
import type { Host } from '../../../src/exec/host.js';
import { LocalHost } from '../../../src/exec/local.js';
import { targetTools } from '../../../src/platforms/libvirt/target-domain.js';
import { Virsh } from '../../../src/platforms/libvirt/virsh.js';
import { libvirtSite } from '../../../src/config.js';

test('whether KVM works is found out at the assessment, and not again while the guest is down', async () => {
  const local = new LocalHost();
  let commands = 0;
  const host: Host = {
    name: local.name,
    local: local.local,
    run: (...args) => {
      commands += 1;
      return local.run(...args);
    },
    runBinary: (...args) => local.runBinary(...args),
    forwardSocket: (...args) => local.forwardSocket(args[0]),
    converse: (...args) => local.converse(...args),
    close: () => local.close(),
  };
  const uri = 'qemu:///system';
  const config = libvirtSite.parse({ platform: 'libvirt', uri });
  // What is asked here needs no replica.
  const tools = targetTools({ site: 'dc-new', config, host, virsh: new Virsh(host, uri) }, undefined as never);
  const found = await tools.tryAccelerator();
  assert.equal(commands, 1);
  assert.equal(await tools.accelerator(), found);
  assert.equal(commands, 1);
  assert.equal(await tools.tryAccelerator(), found);
  assert.equal(commands, 2, 'the next assessment looks again');
});
