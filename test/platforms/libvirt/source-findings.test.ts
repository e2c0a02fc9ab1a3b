import assert from 'node:assert/strict';
import test from 'node:test';
import { libvirtSite } from '../../../src/config.js';
import { VmferryError } from '../../../src/errors.js';
import type { Host, RunResult } from '../../../src/exec/host.js';
import { describeDomain } from '../../../src/platforms/libvirt/describe.js';
import { sourceFindings } from '../../../src/platforms/libvirt/source-findings.js';
import { Virsh } from '../../../src/platforms/libvirt/virsh.js';
import { parseXml } from '../../../src/platforms/xml.js';

/**
 * Each rule once where it speaks; the plain VM is where none does. The host is a fake that answers with what virsh 9.0 and
 * qemu-img 7.2 print; real ones are asked in claim.test.ts and guest.test.ts.
 */

const UUID = '3c1f0c6e-5a43-4b1f-9b50-0d0f6f1d3a10';
const AGENT = `<channel type='unix'><source mode='bind' path='/run/libvirt/qemu/channel/1-web01/org.qemu.guest_agent.0'/>
  <target type='virtio' name='org.qemu.guest_agent.0' state='connected'/></channel>`;

interface World {
  /** Attributes of the domain element. */
  live: boolean;
  /** The disk, as dumpxml shows it. */
  disk: string;
  devices: string;
  persistent: boolean;
  managedSave: boolean;
  state: string;
  job: string;
  backup: string;
  checkpoints: string;
  freeMib: number;
  missing: string;
  /** What qemu-img says of the image, beside what it says of every one. */
  image: Record<string, unknown>;
  /** Under format-specific. */
  compat: string;
  /** More of the element os. */
  os: string;
  /** What domblkinfo prints. */
  sizes: string;
  /** Paths of state beside the disks that are not there. */
  absent: string[];
}

const PLAIN: World = {
  live: true,
  disk: `<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none' discard='unmap'/>
    <source file='/var/lib/libvirt/images/web01.qcow2' index='1'/><backingStore/><target dev='vda' bus='virtio'/></disk>`,
  devices: AGENT,
  persistent: true,
  managedSave: false,
  state: 'running',
  job: 'Job type:         None        \n',
  backup: '',
  checkpoints: '',
  freeMib: 4096,
  missing: '',
  image: {},
  compat: '1.1',
  os: '',
  sizes: ' vda      1073741824   268435456    268435456\n',
  absent: [],
};

function definition(world: World): string {
  const id = world.live ? ` id='1'` : '';
  return `<domain type='kvm'${id}><name>web01</name><uuid>${UUID}</uuid><memory unit='KiB'>262144</memory><vcpu placement='static'>1</vcpu>
  <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type>${world.os}</os><devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
  ${world.disk}${world.devices}</devices></domain>\n`;
}

function dominfo({ persistent, managedSave, state }: World): string {
  return `Id:             1\nName:           web01\nUUID:           ${UUID}\nOS Type:        hvm\nState:          ${state}
CPU(s):         1\nMax memory:     262144 KiB\nPersistent:     ${persistent ? 'yes' : 'no'}\nAutostart:      disable
Managed save:   ${managedSave ? 'yes' : 'no'}\nSecurity model: none\n`;
}

function answer(world: World, command: string, args: readonly string[]): string {
  if (command === 'qemu-img') {
    const specific = { type: 'qcow2', data: { compat: world.compat, 'refcount-bits': 16 } };
    const all = { 'virtual-size': 2 ** 30, 'actual-size': 2 ** 28, format: 'qcow2', 'format-specific': specific };
    return JSON.stringify({ ...all, ...world.image });
  }
  if (command === 'sh' && args[1]?.includes('command -v')) return world.missing;
  if (command === 'sh' && args[1]?.includes('[ -e "$path" ]')) {
    return args
      .slice(3)
      .filter((path) => world.absent.includes(path))
      .map((path) => `${path}\n`)
      .join('');
  }
  if (command === 'sh' && args[1]?.includes('backup-dumpxml')) {
    const mark = args[3]!;
    const space = `${(world.freeMib * 2 ** 20) / 4096} 4096`;
    const run = world.live ? `${world.state}\n4711\n64055\n64055` : world.state;
    return [definition(world), world.backup, world.checkpoints, run, space].join(`\n${mark}\n`);
  }
  switch (args[3]) {
    case 'list':
      return ` ${UUID}   web01\n`;
    case 'dumpxml':
      return definition(args.includes('--inactive') ? { ...world, live: false } : world);
    case 'dominfo':
      return dominfo(world);
    case 'domjobinfo':
      return world.job;
    case 'domblkinfo':
      return world.sizes;
    default:
      throw new VmferryError('ToolFailed', `the fake knows no ${command} ${args.join(' ')}`);
  }
}

async function findings(change: Partial<World>, disks = ['vda']): Promise<string[]> {
  const world = { ...PLAIN, ...change };
  const run = (command: string, args: readonly string[]): Promise<RunResult> =>
    Promise.resolve({ stdout: answer(world, command, args), stderr: '', exitCode: 0 });
  const host = { name: 'dc-old', run } as unknown as Host;
  const config = libvirtSite.parse({ platform: 'libvirt', uri: 'qemu:///system' });
  const at = { site: 'dc-old', config, host, virsh: new Virsh(host, config.uri) };
  const domain = parseXml(definition(world));
  const vm = describeDomain({ definition: domain, live: null, disks: new Map() });
  const found = await sourceFindings(at, vm, disks);
  for (const each of found) assert.ok(each.message && each.remedy, each.id);
  return found.map((each) => `${each.severity} ${each.id}`);
}

const disk = (more: string, attributes = `type='file' device='disk'`, format = 'qcow2') =>
  `<disk ${attributes}><driver name='qemu' type='${format}'/><source file='/images/web01'/><target dev='vda' bus='virtio'/>${more}</disk>`;

const NVRAM = '/var/lib/libvirt/qemu/nvram/web01_VARS.fd';
const UEFI = `<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader><nvram>${NVRAM}</nvram>`;
const TPM_STATE = `/var/lib/libvirt/swtpm/${UUID}/tpm2`;
const TPM = `${AGENT}<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>`;

const CASES: Record<string, Partial<World>> = {
  'blocking site.tools': { missing: 'qemu-nbd\n' },
  'blocking vm.transient': { persistent: false },
  'blocking vm.managed-save': { managedSave: true },
  'warning vm.paused': { state: 'paused' },
  'blocking job.foreign': { job: 'Job type:         Unbounded   \nOperation:        Outgoing migration\n' },
  'warning checkpoint.foreign': { checkpoints: ' nightly\n' },
  'info agent.missing': { devices: AGENT.replace(` state='connected'`, ` state='disconnected'`) },
  'info removable.medium': {
    devices: `${AGENT}<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='/iso/setup.iso'/><target dev='sda' bus='sata'/><readonly/></disk>`,
  },
  'blocking scratch.space': { freeMib: 1023 },
  'blocking firmware.variables-missing': { os: UEFI, absent: [NVRAM] },
  'blocking tpm.state-missing': { devices: TPM, absent: [TPM_STATE] },
  'blocking disk.shareable': { disk: disk('<shareable/>') },
  'blocking disk.transient': { disk: disk('<transient/>') },
  'warning disk.readonly': { disk: disk('<readonly/>') },
  'blocking disk.lun-passthrough': { disk: disk('', `type='block' device='lun'`) },
  'blocking disk.network': { disk: disk('', `type='network' device='disk'`) },
  'blocking disk.format': { disk: disk('', undefined, 'vmdk') },
  'blocking disk.encrypted': { disk: disk(`<encryption format='luks'/>`) },
  'info disk.backing-chain': { image: { 'full-backing-filename': '/images/base.qcow2' } },
  'warning disk.internal-snapshots': { image: { snapshots: [{ name: 'before' }] } },
};

test('of a plain VM nothing is said, whether it runs or not', async () => {
  assert.deepEqual(await findings({}), []);
  assert.deepEqual(await findings({ live: false, state: 'shut off' }), []);
});

for (const [expected, change] of Object.entries(CASES)) {
  test(`source finding: ${expected}`, async () => {
    assert.deepEqual(await findings(change), [expected]);
  });
}

test('what the description says of a disk is said again, unless the disk is left behind', async () => {
  const unreadable = { disk: disk('', undefined, 'raw').replace(`bus='virtio'`, `bus='usb'`), sizes: '' };
  const said = ['blocking disk.unreadable', 'warning disk.bus'];
  assert.deepEqual(await findings(unreadable), said);
  assert.deepEqual(await findings(unreadable, []), []);
});

test('variables and TPM state that are there are no findings, nor those that a VM which is off may never have had', async () => {
  const both = { os: UEFI, devices: TPM };
  assert.deepEqual(await findings(both), []);
  const absent = [NVRAM, TPM_STATE];
  assert.deepEqual(await findings({ ...both, absent, live: false, state: 'shut off' }), []);
  assert.deepEqual(await findings({ ...both, absent }), [
    'blocking firmware.variables-missing',
    'blocking tpm.state-missing',
  ]);
});

test('jobs and checkpoints of vmferry are no findings; those of others are, whichever way they show', async () => {
  const job = 'Job type:         Unbounded   \nOperation:        Backup      \n';
  const backup = (socket: string) =>
    `<domainbackup mode='pull'><server transport='unix' socket='${socket}'/></domainbackup>`;
  const ours = '/var/lib/libvirt/images/vmferry-0123456789ab-3/nbd.sock';
  assert.deepEqual(await findings({ job, backup: backup(ours), checkpoints: ' vmferry-0123456789ab-2\n' }), []);
  assert.deepEqual(await findings({ job, backup: backup('/tmp/theirs.sock') }), ['blocking job.foreign']);
});

test('that changes are not tracked or no agent has a channel is for the checks to say, from the description', async () => {
  assert.deepEqual(await findings({ disk: disk('', undefined, 'raw') }), []);
  assert.deepEqual(await findings({ compat: '0.10' }), []);
  assert.deepEqual(await findings({ devices: '' }), []);
});

test('encryption is seen in the image as well', async () => {
  assert.deepEqual(await findings({ image: { encrypted: true } }), ['blocking disk.encrypted']);
});
