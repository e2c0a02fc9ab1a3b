import assert from 'node:assert/strict';
import test from 'node:test';
import { libvirtSite } from '../../../src/config.js';
import { VmferryError } from '../../../src/errors.js';
import type { Host, RunResult } from '../../../src/exec/host.js';
import { severity as severities, type FindingKind } from '../../../src/model/finding.js';
import { describe } from '../../../src/platforms/libvirt/domain.js';
import { LIBVIRT_FINDINGS } from '../../../src/platforms/libvirt/finding-kinds.js';
import { sourceFindings } from '../../../src/platforms/libvirt/source-findings.js';
import { Virsh } from '../../../src/platforms/libvirt/virsh.js';

/**
 * Every finding of a libvirt source where it speaks, and next to that where it does not, from the domain's XML. The host is a
 * fake that answers with what virsh 9.0 and qemu-img 7.2 print; real ones are asked in claim.test.ts and guest.test.ts.
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
  /** What runs has in place of `devices`; null where that is the same. */
  plugged: string | null;
  /** More elements of the domain. */
  more: string;
  features: string;
  persistent: boolean;
  managedSave: boolean;
  state: string;
  job: string;
  backup: string;
  checkpoints: string;
  snapshots: string;
  /** What domcapabilities prints of backups. */
  backups: string;
  /** Who has the disk open for writing. */
  writer: string;
  freeMib: number;
  missing: string;
  /** What qemu-img says of the image, beside what it says of every one. */
  image: Record<string, unknown>;
  /** Under format-specific. */
  compat: string;
  /** More of the element os. */
  os: string;
  arch: string;
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
  plugged: null,
  more: '<memory unit="KiB">262144</memory><vcpu placement="static">1</vcpu>',
  features: '<features><acpi/></features>',
  persistent: true,
  managedSave: false,
  state: 'running',
  job: 'Job type:         None        \n',
  backup: '',
  checkpoints: '',
  snapshots: '',
  backups: `<backup supported='yes'/>`,
  writer: '',
  freeMib: 4096,
  missing: '',
  image: {},
  compat: '1.1',
  os: '',
  arch: 'x86_64',
  sizes: ' vda      1073741824   268435456    268435456\n',
  absent: [],
};

function definition(world: World): string {
  const id = world.live ? ` id='1'` : '';
  return `<domain type='kvm'${id}><name>web01</name><uuid>${UUID}</uuid>${world.more}
  <os><type arch='${world.arch}' machine='pc-q35-7.2'>hvm</type>${world.os}</os>${world.features}<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
  ${world.disk}${(world.live ? world.plugged : null) ?? world.devices}</devices></domain>\n`;
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
  if (command === 'sh' && args[1]?.includes('-samefile')) return `${args[3]}${world.writer}\n`;
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
    case 'snapshot-list':
      return world.snapshots;
    case 'domcapabilities':
      return `<domainCapabilities><features><genid supported='yes'/>${world.backups}</features></domainCapabilities>`;
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
  const vm = await describe(at, 'web01');
  // As a judgement puts them together: the source says those of disks again, of the disks that are copied.
  const described = vm.findings.filter(({ id }) => !id.startsWith('disk.'));
  const found = [...described, ...(await sourceFindings(at, vm, disks))];
  const kinds: Record<string, FindingKind> = LIBVIRT_FINDINGS;
  for (const { id, severity, message, remedy } of found) {
    assert.match(message, /^[A-Za-z\d].{10,}[^ ]$/, id);
    assert.match(remedy, /^[A-Z`].{5,}\.$/, id);
    assert.ok(rank(severity) >= rank(kinds[id]!.severity), `${id} is graver than its kind says`);
  }
  return found.map((each) => `${each.severity} ${each.id}`);
}

const disk = (more: string, attributes = `type='file' device='disk'`, format = 'qcow2') =>
  `<disk ${attributes}><driver name='qemu' type='${format}'/><source file='/images/web01'/><target dev='vda' bus='virtio'/>${more}</disk>`;

const NVRAM = '/var/lib/libvirt/qemu/nvram/web01_VARS.fd';
const UEFI = `<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader><nvram>${NVRAM}</nvram>`;
const TPM_STATE = `/var/lib/libvirt/swtpm/${UUID}/tpm2`;

const rank = (each: string) => severities.options.findIndex((option) => option === each);
const AND = (more: string): Partial<World> => ({ devices: AGENT + more });
const inside = (more: string): Partial<World> => ({ more: PLAIN.more + more });
const hostdev = (attributes: string, source: string) =>
  AND(`<hostdev mode='subsystem' ${attributes}>${source}</hostdev>`);
const card = (type: string, source: string) =>
  `<interface type='${type}'><mac address='52:54:00:11:22:33'/><source ${source}/><model type='virtio'/></interface>`;
const tpm = (backend: string) => AND(`<tpm model='tpm-crb'><backend ${backend}</backend></tpm>`);
const OWN_TPM = tpm(`type='emulator' version='2.0'>`);
const metadata = (uri: string) => inside(`<metadata><m:vm xmlns:m='${uri}'/></metadata>`);
const cpus = (more: string) => ({ more: `<memory unit="KiB">262144</memory>${more}` });

const CASES: Record<string, [fires: Partial<World>, not: Partial<World>]> = {
  'blocking site.tools': [{ missing: 'qemu-nbd\n' }, {}],
  'blocking site.backup-unsupported': [
    { backups: `<backup supported='no'/>` },
    { backups: `<backup supported='no'/>`, live: false, state: 'shut off' },
  ],
  'blocking vm.transient': [{ persistent: false }, {}],
  'blocking vm.managed-save': [{ managedSave: true }, {}],
  'warning vm.paused': [{ state: 'paused' }, { state: 'running' }],
  'warning vm.snapshots': [{ snapshots: ' before\n after\n' }, { snapshots: '\n' }],
  'warning vm.managed': [metadata('http://openstack.org/xmlns/libvirt/nova/1.1'), metadata('http://example.org/notes')],
  'warning vm.lease': [
    AND(`<lease><lockspace>area</lockspace><key>web01</key><target path='/leases/web01' offset='1024'/></lease>`),
    AND(`<rng model='virtio'/>`),
  ],
  'blocking job.foreign': [
    { job: 'Job type:         Unbounded   \nOperation:        Outgoing migration\n' },
    { job: 'Job type:         None        \n' },
  ],
  'warning checkpoint.foreign': [{ checkpoints: ' nightly\n' }, { checkpoints: ' vmferry-0123456789ab-2\n' }],
  'warning definition.differs': [
    { plugged: AGENT + card('network', `network='lan'`) },
    { devices: AGENT + card('network', `network='lan'`) },
  ],
  'info agent.missing': [{ devices: AGENT.replace(` state='connected'`, ` state='disconnected'`) }, { devices: AGENT }],
  'warning shutdown.no-acpi': [
    { devices: '', features: '' },
    { devices: AGENT, features: '' },
  ],
  'warning shutdown.not-off': [
    inside('<on_poweroff>restart</on_poweroff>'),
    inside('<on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot>'),
  ],
  'blocking boot.direct-kernel': [{ os: '<kernel>/boot/vmlinuz</kernel>' }, { os: `<boot dev='hd'/>` }],
  'blocking cpu.architecture': [{ arch: 'aarch64' }, { arch: 'i686' }],
  'warning cpu.host-model': [
    inside(`<cpu mode='host-passthrough'/>`),
    inside(`<cpu mode='custom'><model>qemu64</model></cpu>`),
  ],
  'info cpu.host-model': [inside(`<cpu mode='host-model'/>`), {}],
  'warning cpu.numa': [
    inside(`<cpu><numa><cell id='0' cpus='0' memory='262144' unit='KiB'/></numa></cpu>`),
    inside(`<cpu><topology sockets='1' cores='1' threads='1'/></cpu>`),
  ],
  'warning cpu.pinned': [
    inside(`<cputune><vcpupin vcpu='0' cpuset='3'/></cputune>`),
    cpus(`<vcpu placement='static'>1</vcpu>`),
  ],
  'info cpu.hotplug': [cpus(`<vcpu current='1'>2</vcpu>`), cpus('<vcpu>2</vcpu>')],
  'info memory.hotplug': [
    inside(`<maxMemory slots='4' unit='GiB'>4</maxMemory>`),
    inside(`<currentMemory unit='KiB'>262144</currentMemory>`),
  ],
  'info memory.ballooned': [
    inside(`<currentMemory unit='KiB'>131072</currentMemory>`),
    inside(`<currentMemory unit='KiB'>262144</currentMemory>`),
  ],
  'info tuning.limits': [inside('<cputune><shares>512</shares></cputune>'), inside('<cputune/>')],
  'blocking firmware.variables-missing': [{ os: UEFI, absent: [NVRAM] }, { os: UEFI }],
  'blocking firmware.variables-elsewhere': [
    { os: UEFI.replace(/<nvram>.*<.nvram>/, `<nvram type='block'><source dev='/dev/vg/vars'/></nvram>`) },
    { os: UEFI.replace(/<nvram>.*<.nvram>/, `<nvram type='file'><source file='${NVRAM}'/></nvram>`) },
  ],
  'blocking tpm.state-missing': [{ ...OWN_TPM, absent: [TPM_STATE] }, OWN_TPM],
  'blocking tpm.passthrough': [tpm(`type='passthrough'><device path='/dev/tpm0'/>`), OWN_TPM],
  'blocking tpm.external': [tpm(`type='external'><source type='unix' mode='connect' path='/run/tpm.sock'/>`), OWN_TPM],
  'blocking tpm.encrypted': [tpm(`type='emulator' version='2.0'><encryption secret='${UUID}'/>`), OWN_TPM],
  'blocking hostdev.passthrough': [
    hostdev(`type='pci' managed='yes'`, `<source><address bus='0x06' slot='0x02'/></source>`),
    hostdev(`type='usb'`, `<source><vendor id='0x1234'/></source>`),
  ],
  'blocking hostdev.usb': [
    hostdev(`type='usb'`, `<source><vendor id='0x1234'/></source>`),
    hostdev(`type='usb'`, `<source startupPolicy='optional'><vendor id='0x1234'/></source>`),
  ],
  'warning hostdev.usb': [
    hostdev(`type='usb'`, `<source startupPolicy='optional'><vendor id='0x1234'/></source>`),
    AND(`<input type='tablet' bus='usb'/>`),
  ],
  'blocking nic.sriov': [
    AND(
      `<interface type='hostdev' managed='yes'><mac address='52:54:00:11:22:33'/><source><address type='pci' bus='0x06'/></source></interface>`,
    ),
    AND(card('network', `network='lan'`)),
  ],
  'warning nic.kind': [AND(card('direct', `dev='eth0' mode='bridge'`)), AND(card('bridge', `bridge='br0'`))],
  'blocking filesystem.shared': [
    AND(`<filesystem type='mount'><source dir='/srv'/><target dir='srv'/></filesystem>`),
    AND(`<controller type='usb' index='0'/>`),
  ],
  'blocking security.encrypted-memory': [inside(`<launchSecurity type='sev'/>`), inside(`<seclabel type='none'/>`)],
  'warning qemu.commandline': [
    inside(
      `<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><qemu:arg value='-s'/></qemu:commandline>`,
    ),
    inside('<description>-s</description>'),
  ],
  'info device.not-carried-over': [AND(`<watchdog model='i6300esb'/>`), AND(`<sound model='ich9'/>`)],
  'info setting.not-carried-over': [inside('<memoryBacking><hugepages/></memoryBacking>'), inside('<title>a</title>')],
  'info removable.medium': [
    AND(`<disk type='file' device='cdrom'><source file='/iso/setup.iso'/><target dev='sda' bus='sata'/></disk>`),
    AND(`<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>`),
  ],
  'blocking scratch.space': [{ freeMib: 1023 }, { freeMib: 1024 }],
  'blocking disk.unreadable': [{ sizes: '', image: { 'virtual-size': 'x' } }, { sizes: '' }],
  'blocking disk.locked': [
    { live: false, state: 'shut off', writer: 'qemu-nbd (process 4711)' },
    { writer: 'qemu-system-x86 (process 4711)' },
  ],
  'blocking disk.block-job': [
    { disk: disk(`<mirror type='file' job='active-commit' ready='yes'/>`) },
    { disk: disk(`<backingStore type='file'/>`) },
  ],
  'blocking disk.shareable': [{ disk: disk('<shareable/>') }, { disk: disk(`<serial>shareable</serial>`) }],
  'blocking disk.transient': [{ disk: disk('<transient/>') }, { disk: disk('') }],
  'warning disk.readonly': [{ disk: disk('<readonly/>') }, { disk: disk('') }],
  'blocking disk.lun-passthrough': [
    { disk: disk('', `type='block' device='lun'`) },
    { disk: disk('', `type='block' device='disk'`) },
  ],
  'blocking disk.network': [
    { disk: disk('', `type='network' device='disk'`) },
    { disk: disk('', `type='block' device='disk'`) },
  ],
  'blocking disk.format': [{ disk: disk('', undefined, 'vmdk') }, { disk: disk('', undefined, 'raw') }],
  'blocking disk.encrypted': [{ disk: disk(`<encryption format='luks'/>`) }, { image: { encrypted: false } }],
  'warning disk.bus': [
    { disk: disk('').replace(`bus='virtio'`, `bus='usb'`) },
    { disk: disk('').replace(`bus='virtio'`, `bus='sata'`) },
  ],
  'info disk.backing-chain': [{ image: { 'full-backing-filename': '/images/base.qcow2' } }, {}],
  'warning disk.internal-snapshots': [{ image: { snapshots: [{ name: 'before' }] } }, { image: { snapshots: [] } }],
};

test('of a plain VM nothing is said, whether it runs or not', async () => {
  assert.deepEqual(await findings({}), []);
  assert.deepEqual(await findings({ live: false, state: 'shut off' }), []);
});

for (const [expected, [fires, not]] of Object.entries(CASES)) {
  test(`source finding: ${expected}`, async () => {
    assert.deepEqual(await findings(fires), [expected]);
    assert.ok(!(await findings(not)).includes(expected), `${expected} here as well`);
  });
}

test('every finding of a libvirt source has a case in which it speaks and one in which it does not', () => {
  const tried = new Set(Object.keys(CASES).map((each) => each.split(' ')[1]));
  assert.deepEqual([...tried].sort(), Object.keys(LIBVIRT_FINDINGS).sort());
});

test('what the description says of a disk is said again, unless the disk is left behind', async () => {
  const unreadable = { disk: disk('', undefined, 'raw').replace(`bus='virtio'`, `bus='usb'`), sizes: '' };
  const said = ['blocking disk.unreadable', 'warning disk.bus'];
  assert.deepEqual(await findings(unreadable), said);
  assert.deepEqual(await findings(unreadable, []), []);
});

test('variables and TPM state that are there are no findings, nor those that a VM which is off may never have had', async () => {
  const both = { os: UEFI, ...OWN_TPM };
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
