import type { Facts } from '../../src/checks/index.js';
import { rateFrom } from '../../src/checks/rate.js';
import type { Abilities } from '../../src/model/abilities.js';
import type { GuestReadiness } from '../../src/model/guest-inside.js';
import type { PackagePlan } from '../../src/model/package.js';
import type { TargetFacts, TargetLimits } from '../../src/model/target.js';
import { describeDomain } from '../../src/platforms/libvirt/describe.js';
import type { ImageInfo } from '../../src/platforms/libvirt/image-info.js';
import { LIMITS } from '../../src/platforms/libvirt/limits.js';
import { parseXml } from '../../src/platforms/xml.js';
import type { GuestFacts } from '../../src/model/vm.js';
import { daemonsIn } from '../../src/platforms/libvirt/tools.js';
import { programsIn } from '../../src/platforms/tool-versions.js';
import { onVirtio } from '../../src/model/devices.js';
import { migrateVmRequest, type MigrateVmInput } from '../../src/request/migrate-vm.js';

/**
 * Facts as an assessment puts them together: the VM from a domain as `virsh dumpxml` shows it, the target as libvirt
 * declares it, the request as it is parsed. A test changes what it is about; of the plain one no rule has anything to say.
 */
export interface Given {
  uuid: string;
  memory: string;
  vcpu: string;
  os: string;
  /** More elements of the domain, such as cpu. */
  more: string;
  guestOs: string;
  disks: string;
  nics: string;
  devices: string;
  /** The domain's devices are the source's, and become virtio. */
  toVirtio: boolean;
  /** Of each disk; null for what the site does not know. */
  sizeBytes: number;
  allocatedBytes: number | null;
  /** Whether the images are qcow2 whose changes can be tracked. */
  tracked: boolean;
  running: boolean;
  source: Partial<Abilities>;
  able: Partial<Abilities>;
  target: Partial<TargetFacts>;
  limits: Partial<TargetLimits>;
  readiness: GuestReadiness | null;
  /** What the running guest answered. */
  seen: GuestFacts | null;
  /** What `virsh version --daemon` and the other programs print at each site; null where they are not asked. */
  tools: { source: string; target: string } | null;
  networks: Record<string, string>;
  request: Partial<MigrateVmInput>;
  package: PackagePlan | null;
}

export const MIB = 2 ** 20;
export const GIB = 2 ** 30;
export const ID = '0123456789ab';
export const UUID = '3c1f0c6e-5a43-4b1f-9b50-0d0f6f1d3a10';

export const disk = (dev = 'vda', bus = 'virtio', more = '', format = 'qcow2') =>
  `<disk type='file' device='disk'><driver name='qemu' type='${format}'/><source file='/images/${dev}.img' index='1'/>
   <backingStore/><target dev='${dev}' bus='${bus}'/>${more}</disk>`;
export const nic = (network = 'lan', mac = '52:54:00:11:22:33', model = 'virtio') =>
  `<interface type='network'><mac address='${mac}'/><source network='${network}' bridge='virbr0'/><model type='${model}'/></interface>`;
export const AGENT = `<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='connected'/></channel>`;
export const Q35 = `<type arch='x86_64' machine='pc-q35-7.2'>hvm</type>`;
export const I440FX = `<type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type>`;
export const uefi = (secure = 'no') =>
  `${Q35}<loader readonly='yes' secure='${secure}' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader><nvram>/nvram/web01_VARS.fd</nvram>`;

const PLAIN: Given = {
  toVirtio: false,
  uuid: UUID,
  memory: `<memory unit='KiB'>524288</memory><currentMemory unit='KiB'>524288</currentMemory>`,
  vcpu: `<vcpu placement='static'>2</vcpu>`,
  os: `${Q35}<boot dev='hd'/>`,
  more: '',
  guestOs: 'http://debian.org/debian/12',
  disks: disk(),
  nics: nic(),
  devices: AGENT,
  sizeBytes: 64 * MIB,
  allocatedBytes: MIB,
  tracked: true,
  running: true,
  source: {},
  able: {},
  target: {},
  limits: {},
  readiness: null,
  seen: null,
  tools: null,
  networks: { lan: 'lan' },
  request: {},
  package: null,
};

const ABLE: Abilities = {
  ...{
    source: true,
    target: true,
    boots: true,
    changeTracking: true,
    quiesce: true,
    guestAgent: true,
    isolatedBoot: true,
  },
};

export const TARGET: TargetFacts = {
  networks: ['lan', 'dmz'].map((name) => ({ name, isolated: false, kind: 'network' as const })),
  storages: [{ name: 'default', path: '/images', freeBytes: 10 * GIB }],
  askedStorages: [{ asked: null, name: 'default', path: '/images', freeBytes: 10 * GIB }],
  vms: [{ name: 'db01', uuid: '00000000-0000-4000-8000-000000000001', macs: ['52:54:00:00:00:01'] }],
  cpus: 4,
  cpuModels: ['qemu64', 'Skylake-Client'],
  memoryBytes: 8 * GIB,
  freeMemoryBytes: 4 * GIB,
  firmware: { bios: true, uefi: true, secureBoot: true },
  tpm: true,
  accelerator: 'kvm',
  limits: LIMITS,
};

export function factsOf(change: Partial<Given> = {}): Facts {
  const given = { ...PLAIN, ...change };
  const domain = parseXml(`<domain type='kvm' id='3'><name>web01</name><uuid>${given.uuid}</uuid>
    <metadata><libosinfo:libosinfo xmlns:libosinfo='http://libosinfo.org/xmlns/libvirt/domain/1.0'>${
      given.guestOs && `<libosinfo:os id='${given.guestOs}'/>`
    }</libosinfo:libosinfo></metadata>
    ${given.memory}${given.vcpu}<os>${given.os}</os>${given.more}<features><acpi/></features>
    <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>${given.disks}${given.nics}${given.devices}</devices></domain>`);
  const ids = [...given.disks.matchAll(/<target dev='(\w+)'/g)].map((match) => match[1]!);
  const image: ImageInfo = {
    ...{ format: 'qcow2', sizeBytes: given.sizeBytes, allocatedBytes: given.allocatedBytes, backingFile: null },
    ...{ encrypted: false, snapshots: [], tracksChanges: given.tracked, bitmaps: [] },
  };
  const known = new Map(
    ids.map((id) => [
      id,
      { path: `/images/${id}.img`, sizeBytes: given.sizeBytes, allocatedBytes: given.allocatedBytes, image },
    ]),
  );
  const vm = describeDomain({ definition: domain, live: given.running ? domain : null, disks: known });
  const request = migrateVmRequest.parse({ vm: 'web01', source: 'dc-old', target: 'dc-new', ...given.request });
  const wanted = vm.disks.filter(({ id }) => !request.excludeDisks.includes(id));
  return {
    migrationId: ID,
    source: { abilities: { ...ABLE, ...given.source }, running: given.running },
    vm: { ...(given.toVirtio ? onVirtio(vm) : vm), disks: given.toVirtio ? onVirtio(vm).disks : wanted, findings: [] },
    devicesFrom: given.toVirtio ? vm : null,
    readiness: given.readiness,
    seen: given.seen,
    tools: given.tools && {
      source: { ...daemonsIn(given.tools.source), ...programsIn(given.tools.source) },
      target: { ...daemonsIn(given.tools.target), ...programsIn(given.tools.target) },
    },
    targetName: request.targetName ?? vm.name,
    networks: given.networks,
    disks: wanted.map(({ id, sizeBytes }) => ({
      ...{ id, sizeBytes, format: request.diskFormat === 'raw' ? 'raw' : 'qcow2' },
      storage: request.diskStorage[id] ?? request.storage ?? null,
    })),
    target: {
      ...TARGET,
      ...given.target,
      limits: { ...LIMITS, ...given.limits },
      abilities: { ...ABLE, ...given.able },
    },
    rate: rateFrom({ source: request.source, target: request.target, bandwidth: request.sync.bandwidth }),
    package: given.package,
    request,
  };
}
