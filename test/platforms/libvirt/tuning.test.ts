import assert from 'node:assert/strict';
import test from 'node:test';
import { describeDomain } from '../../../src/platforms/libvirt/describe.js';
import { parseXml } from '../../../src/platforms/xml.js';

/** What of a domain is fitted to its host, told apart from what is not. */

const PLAIN = `<memory unit='MiB'>512</memory><vcpu>2</vcpu>`;

function found(inner: string, devices = ''): string[] {
  const domain = parseXml(
    `<domain type='kvm'><name>vm</name><uuid>3c1f0c6e-5a43-4b1f-9b50-0d0f6f1d3a10</uuid>${inner}<devices>${devices}</devices></domain>`,
  );
  const { findings } = describeDomain({ definition: domain, live: null, disks: new Map() });
  for (const { message, remedy } of findings) assert.match(`${message} ${remedy}`, /^[A-Z].+\.$/);
  return findings.map(({ id, severity }) => `${severity} ${id}`);
}

/** By what is found: a domain in which it is, and one much like it in which it is not. */
const CASES: [expected: string, has: [string, string?], hasNot: [string, string?]][] = [
  [
    'warning cpu.numa',
    [`${PLAIN}<cpu><numa><cell id='0' cpus='0-1' memory='512' unit='MiB'/></numa></cpu>`],
    [`${PLAIN}<cpu><topology sockets='1' cores='2' threads='1'/></cpu>`],
  ],
  ['warning cpu.numa', [`${PLAIN}<numatune><memory mode='strict' nodeset='0'/></numatune>`], [PLAIN]],
  ['warning cpu.pinned', [`${PLAIN}<cputune><vcpupin vcpu='0' cpuset='1'/></cputune>`], [PLAIN]],
  ['warning cpu.pinned', [`<memory>524288</memory><vcpu cpuset='0-1'>2</vcpu>`], [PLAIN]],
  [
    'info tuning.limits',
    [`${PLAIN}<cputune><shares>512</shares></cputune>`],
    [`${PLAIN}<cputune><emulatorpin cpuset='1'/></cputune>`],
  ],
  ['info tuning.limits', [`${PLAIN}<blkiotune><weight>500</weight></blkiotune>`], [PLAIN]],
  [
    'info cpu.hotplug',
    [`<memory>524288</memory><vcpu current='2'>8</vcpu>`],
    [`<memory>524288</memory><vcpu current='8'>8</vcpu>`],
  ],
  ['info memory.hotplug', [`${PLAIN}<maxMemory slots='4' unit='GiB'>8</maxMemory>`], [PLAIN]],
  [
    'info memory.hotplug',
    [PLAIN, `<memory model='dimm'><target><size unit='MiB'>512</size></target></memory>`],
    [PLAIN, `<memballoon model='virtio'/>`],
  ],
  [
    'info memory.ballooned',
    [`${PLAIN}<currentMemory unit='MiB'>256</currentMemory>`],
    [`${PLAIN}<currentMemory unit='MiB'>512</currentMemory>`],
  ],
  [
    'warning vm.managed',
    [
      `${PLAIN}<metadata><nova:instance xmlns:nova='http://openstack.org/xmlns/libvirt/nova/1.1'><nova:name>x</nova:name></nova:instance></metadata>`,
    ],
    [`${PLAIN}<metadata><app:note xmlns:app='http://example.org/nova'><app:name>x</app:name></app:note></metadata>`],
  ],
  [
    'warning vm.managed',
    [`${PLAIN}<metadata><ovirt-vm:vm xmlns:ovirt-vm='http://ovirt.org/vm/1.0'/></metadata>`],
    [`${PLAIN}<metadata/>`],
  ],
];

for (const [expected, has, hasNot] of CASES) {
  test(`found: ${expected}, in ${has.join(' ').slice(PLAIN.length, PLAIN.length + 50)}`, () => {
    assert.deepEqual(found(...has), [expected]);
    assert.ok(!found(...hasNot).includes(expected), `${expected} here as well`);
  });
}
