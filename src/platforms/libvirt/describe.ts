import type { VmDescription, VmNic } from '../../model/vm.js';
import { describeDisks, describeRemovable, type DiskFacts } from './describe-disks.js';
import { memoryBytes } from './memory-bytes.js';
import { notCarriedOver } from './not-carried-over.js';
import { tuningFindings } from './tuning.js';
import type { XmlElement } from '../xml.js';

/** Domain XML (libvirt.org/formatdomain.html) to the normalised VM. */

export interface DescribeInput {
  /** The persistent definition, or the live one of a VM that has no other. */
  definition: XmlElement;
  /** What runs; null when it does not. Its disks and NICs count, since hot-plugging changes only these. */
  live: XmlElement | null;
  /** By target device. */
  disks: ReadonlyMap<string, DiskFacts>;
}

export function describeDomain({ definition, live, disks }: DescribeInput): VmDescription {
  const running = live ?? definition;
  const os = definition.at('os');
  // libvirt chooses the firmware's files at the first start, so a running domain knows more than its definition.
  const loader = running.at('os/loader') ?? os?.at('loader') ?? null;
  const uefi = os?.get('firmware') === 'efi' || loader?.get('type') === 'pflash';
  const devices = definition.at('devices');
  const found = describeDisks(running, disks);
  return {
    name: definition.text('name') ?? '',
    uuid: definition.text('uuid') ?? '',
    firmware: uefi ? 'uefi' : 'bios',
    secureBoot: uefi && secureBoot(definition, loader),
    tpm: tpmOf(definition),
    memoryBytes: memoryBytes(definition.at('memory')),
    cpu: cpuOf(definition),
    disks: found.disks,
    removable: describeRemovable(running),
    nics: (running.at('devices')?.all('interface') ?? []).map(nicOf),
    display: devices?.at('video/model')?.get('type') ?? null,
    sound: devices?.at('sound')?.get('model') ?? null,
    guestOs: guestOs(definition),
    machine: machineFamily(definition),
    serialPorts: devices?.all('serial').length ?? 0,
    guestAgentChannel: agentChannel(definition) !== null,
    clock: definition.at('clock')?.get('offset') === 'localtime' ? 'localtime' : 'utc',
    rng: devices?.at('rng') != null,
    nvramPath: uefi ? (nvramOf(running) ?? nvramOf(definition)) : null,
    findings: [...notCarriedOver(definition, live), ...tuningFindings(definition), ...found.findings],
  };
}

/** The guest agent's channel, or null. In a running domain its target has a `state`. */
export function agentChannel(domain: XmlElement): XmlElement | null {
  const channels = domain.at('devices')?.all('channel') ?? [];
  return channels.find((each) => each.at('target')?.get('name') === 'org.qemu.guest_agent.0') ?? null;
}

function cpuOf(domain: XmlElement): VmDescription['cpu'] {
  const most = Number(domain.text('vcpu') ?? 1);
  const count = Number(domain.at('vcpu')?.get('current') ?? most);
  const cpu = domain.at('cpu');
  const topology = cpu?.at('topology');
  const mode = cpu?.get('mode') ?? (cpu ? 'custom' : null);
  const model = mode === 'custom' ? (cpu?.text('model') ?? null) : mode;
  if (!topology) return { count, sockets: count, coresPerSocket: 1, threadsPerCore: 1, model };
  const number = (name: string) => Number(topology.get(name) ?? 1);
  return {
    count,
    sockets: number('sockets'),
    coresPerSocket: number('dies') * number('cores'),
    threadsPerCore: number('threads'),
    model,
  };
}

function secureBoot(domain: XmlElement, loader: XmlElement | null): boolean {
  const features = domain.at('os/firmware')?.all('feature') ?? [];
  const feature = features.find((each) => each.get('name') === 'secure-boot');
  return feature ? feature.get('enabled') === 'yes' : loader?.get('secure') === 'yes';
}

function tpmOf(domain: XmlElement): VmDescription['tpm'] {
  const tpm = domain.at('devices/tpm');
  if (!tpm) return null;
  const backend = tpm.at('backend');
  const version = backend?.get('version') ?? '2.0';
  const uuid = domain.text('uuid') ?? '';
  // State in a place of its own (`source`) has a finding instead.
  const emulated = backend?.get('type') === 'emulator' && !backend.at('source') && /^[0-9a-f-]{36}$/.test(uuid);
  return {
    model: tpm.get('model') ?? 'tpm-tis',
    version,
    // libvirt's qemu driver, virTPMCreateEmulatorStoragePath.
    statePath: emulated ? `/var/lib/libvirt/swtpm/${uuid}/${version === '1.2' ? 'tpm1.2' : 'tpm2'}` : null,
  };
}

function nicOf(element: XmlElement): VmNic {
  const source = element.at('source');
  const type = element.get('type');
  const kind = type === 'network' || type === 'bridge' ? type : 'other';
  const named = kind === 'other' ? (source?.get('dev') ?? source?.get('network')) : source?.get(kind);
  return {
    mac: (element.at('mac')?.get('address') ?? '').toLowerCase(),
    network: named ?? type ?? 'unknown',
    networkKind: kind,
    // A part of the host's own card has no model that another host could give.
    model: element.at('model')?.get('type') ?? (type === 'hostdev' ? 'virtio' : 'rtl8139'),
  };
}

function machineFamily(domain: XmlElement): string | null {
  const machine = domain.at('os/type')?.get('machine');
  if (!machine) return null;
  if (/q35/.test(machine)) return 'q35';
  return /^pc(-|$)|i440fx/.test(machine) ? 'pc' : machine;
}

/** As libosinfo's metadata says it: `http://debian.org/debian/12`. */
function guestOs(domain: XmlElement): string | null {
  const elements = domain.at('metadata')?.all() ?? [];
  const info = elements.find((each) => /(^|:)libosinfo$/.test(each.name));
  return (
    info
      ?.all()
      .find((each) => /(^|:)os$/.test(each.name))
      ?.get('id') ?? null
  );
}

function nvramOf(domain: XmlElement): string | null {
  const nvram = domain.at('os/nvram');
  return nvram ? (nvram.at('source')?.get('file') ?? (nvram.text() || null)) : null;
}
