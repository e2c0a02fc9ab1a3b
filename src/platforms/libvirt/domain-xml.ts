import { VmferryError } from '../../errors.js';
import type { DiskFormat } from '../../model/package.js';
import { machineAt, modelAt } from '../../model/target.js';
import { libosinfoId, topologyFits, type VmDescription, type VmDisk, type VmNic } from '../../model/vm.js';
import type { TargetVm } from '../platform.js';
import type { Accelerator } from '../accelerator.js';
import type { Firmware } from './firmware.js';
import { LIMITS } from './limits.js';
import { markElement, type Role } from './mark.js';
import { xml, type XmlElement } from '../xml.js';

/**
 * The definition of a VM for this site, built from the normalised description and nothing else: what is not named here
 * does not come over. Shapes: libvirt.org/formatdomain.html.
 */
export interface DomainParts {
  vm: TargetVm;
  name: string;
  uuid: string;
  role: Role;
  accelerator: Accelerator;
  /** The disk that a source disk has become, by id. Disks without one stay behind. */
  disks: ReadonlyMap<string, { path: string; format: DiskFormat }>;
  /** The network of each NIC; null for one that leads nowhere. */
  network(nic: VmNic): { kind: 'network' | 'bridge'; name: string } | null;
  linksUp: boolean;
  firmware: (Firmware & { nvramPath: string }) | null;
  /** File that the first serial port is recorded in; null for none. */
  consoleLog: string | null;
  /** For a description that goes elsewhere: without our mark, its firmware chosen where it is defined. */
  portable?: { nvramPath: string | null };
}

const PREFIX = { ide: 'hd', sata: 'sd', scsi: 'sd', virtio: 'vd', nvme: 'nvme' } as const;

/** @throws VmferryError `HostileInput` for what no domain can hold, `NotSupported` for a bus that libvirt cannot give. */
export function domainXml(parts: DomainParts): string {
  const { vm, firmware, portable } = parts;
  const { description } = vm;
  mustBePlain(parts.name, 'name');
  const portableUefi = portable !== undefined && description.firmware === 'uefi';
  return xml(
    'domain',
    { type: parts.accelerator === 'kvm' ? 'kvm' : 'qemu' },
    xml('name', {}, parts.name),
    xml('uuid', {}, parts.uuid),
    parts.portable ? guestOs(description) : xml('metadata', {}, markElement(vm.owner, parts.role)),
    xml('memory', { unit: 'KiB' }, Math.ceil(description.memoryBytes / 1024)),
    xml('vcpu', {}, description.cpu.count),
    xml(
      'os',
      { firmware: portableUefi ? 'efi' : null },
      xml('type', { arch: 'x86_64', machine: machineAt(LIMITS, description) }, 'hvm'),
      firmware &&
        xml('loader', { readonly: 'yes', secure: firmware.secureBoot ? 'yes' : 'no', type: 'pflash' }, firmware.code),
      firmware && xml('nvram', { template: firmware.template }, firmware.nvramPath),
      portableUefi && chosenFirmware(description.secureBoot),
      portableUefi && portable.nvramPath !== null && xml('nvram', {}, portable.nvramPath),
      !description.disks.some((disk) => disk.bootOrder !== null) && xml('boot', { dev: 'hd' }),
    ),
    xml(
      'features',
      {},
      xml('acpi'),
      xml('apic'),
      (firmware?.secureBoot ?? (portable && description.secureBoot)) && xml('smm', { state: 'on' }),
    ),
    cpu(description, parts.accelerator),
    xml('clock', { offset: description.clock }),
    xml('on_poweroff', {}, 'destroy'),
    xml('on_reboot', {}, 'restart'),
    xml('on_crash', {}, 'destroy'),
    xml('devices', {}, ...devices(parts)),
  ).toString();
}

/** libosinfo's name of the guest's system, as its own tools write it. */
function guestOs(description: VmDescription): XmlElement | null {
  const id = libosinfoId(description.guestOs);
  const uri = 'http://libosinfo.org/xmlns/libvirt/domain/1.0';
  if (id === null) return null;
  return xml('metadata', {}, xml('libosinfo:libosinfo', { 'xmlns:libosinfo': uri }, xml('libosinfo:os', { id })));
}

/** Left to libvirt (libvirt.org/formatdomain.html, firmware autoselection). */
function chosenFirmware(secureBoot: boolean): XmlElement {
  const enabled = secureBoot ? 'yes' : 'no';
  return xml(
    'firmware',
    {},
    xml('feature', { enabled, name: 'secure-boot' }),
    xml('feature', { enabled, name: 'enrolled-keys' }),
  );
}

function cpu({ cpu }: VmDescription, accelerator: string) {
  const { sockets, coresPerSocket, threadsPerCore, model } = cpu;
  const topology = topologyFits(cpu) && xml('topology', { sockets, cores: coresPerSocket, threads: threadsPerCore });
  if (model === null) return xml('cpu', {}, topology);
  if (['host-passthrough', 'host-model', 'maximum'].includes(model)) {
    return xml('cpu', { mode: accelerator === 'kvm' ? model : 'maximum' }, topology);
  }
  const check = accelerator === 'kvm' ? 'partial' : 'none';
  return xml('cpu', { mode: 'custom', match: 'exact', check }, xml('model', { fallback: 'allow' }, model), topology);
}

function devices(parts: DomainParts): XmlElement[] {
  const { description } = parts.vm;
  const kept = description.disks.filter((disk) => parts.disks.has(disk.id));
  const names = deviceNames(kept);
  const ports = Array.from({ length: Math.max(1, description.serialPorts) }, (_, port) =>
    xml(
      'serial',
      { type: 'pty' },
      port === 0 && parts.consoleLog !== null && xml('log', { file: parts.consoleLog, append: 'on' }),
      xml('target', { port }),
    ),
  );
  return [
    ...kept.map((disk) => diskElement(disk, names.get(disk.id) ?? disk.id, parts)),
    ...removable(description, new Set(names.values())),
    ...scsiControllers(kept),
    ...description.nics.map((nic) => nicElement(nic, parts)),
    ...ports,
    ...(description.guestAgentChannel
      ? [xml('channel', { type: 'unix' }, xml('target', { type: 'virtio', name: 'org.qemu.guest_agent.0' }))]
      : []),
    ...tpm(description),
    ...screen(description),
    ...sound(description),
    ...(description.rng ? [xml('rng', { model: 'virtio' }, xml('backend', { model: 'random' }, '/dev/urandom'))] : []),
  ];
}

/** The name that the source uses where it fits the bus, else the next free one of that kind. */
function deviceNames(disks: readonly VmDisk[]): Map<string, string> {
  const names = new Map<string, string>();
  const taken = new Set<string>();
  const fits = (disk: VmDisk) => new RegExp(`^${PREFIX[disk.bus]}[a-z]{1,2}$`).test(disk.id);
  for (const disk of disks.filter(fits)) {
    names.set(disk.id, disk.id);
    taken.add(disk.id);
  }
  for (const disk of disks.filter((each) => !fits(each))) names.set(disk.id, freeName(PREFIX[disk.bus], taken));
  return names;
}

function freeName(prefix: string, taken: Set<string>): string {
  for (let index = 0; ; index++) {
    const letters = index < 26 ? '' : String.fromCharCode(96 + Math.floor(index / 26));
    const name = `${prefix}${letters}${String.fromCharCode(97 + (index % 26))}`;
    if (taken.has(name)) continue;
    taken.add(name);
    return name;
  }
}

function diskElement(disk: VmDisk, device: string, parts: DomainParts): XmlElement {
  const file = parts.disks.get(disk.id);
  if (!file) throw new VmferryError('Internal', `cannot define disk ${disk.id}: it has no file`);
  if (disk.bus === 'nvme') {
    throw new VmferryError('NotSupported', `cannot define disk ${disk.id}: libvirt emulates no NVMe disks`, {
      platform: 'libvirt',
    });
  }
  if (disk.serial !== null && !/^[A-Za-z0-9_.+ -]*$/.test(disk.serial)) {
    throw new VmferryError('HostileInput', `cannot define disk ${disk.id}: its serial holds odd characters`);
  }
  return xml(
    'disk',
    { type: 'file', device: 'disk' },
    xml('driver', { name: 'qemu', type: file.format, discard: disk.discard ? 'unmap' : null }),
    xml('source', { file: file.path }),
    xml('target', { dev: device, bus: disk.bus }),
    disk.serial ? xml('serial', {}, disk.serial) : null,
    disk.bootOrder === null ? null : xml('boot', { order: disk.bootOrder }),
  );
}

/** Empty drives, as the source has them. */
function removable(description: VmDescription, taken: Set<string>): XmlElement[] {
  const q35 = machineAt(LIMITS, description) === 'q35';
  return description.removable.flatMap(({ kind, bus }) => {
    if (kind === 'floppy') {
      if (q35) return [];
      return [
        xml('disk', { type: 'file', device: 'floppy' }, xml('target', { dev: freeName('fd', taken), bus: 'fdc' })),
      ];
    }
    const fit = bus === 'scsi' ? 'scsi' : q35 || bus === 'sata' ? 'sata' : 'ide';
    const dev = freeName(PREFIX[fit], taken);
    return [xml('disk', { type: 'file', device: 'cdrom' }, xml('target', { dev, bus: fit }), xml('readonly'))];
  });
}

function scsiControllers(disks: readonly VmDisk[]): XmlElement[] {
  const first = disks.find((disk) => disk.bus === 'scsi');
  if (!first) return [];
  const model = modelAt(LIMITS.scsiControllers, first.controllerModel ?? '');
  return [xml('controller', { type: 'scsi', index: 0, model })];
}

function nicElement(nic: VmNic, parts: DomainParts): XmlElement {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(nic.mac)) {
    throw new VmferryError('HostileInput', `cannot define a NIC: ${JSON.stringify(nic.mac)} is no MAC address`);
  }
  const network = parts.network(nic);
  return xml(
    'interface',
    { type: network?.kind ?? 'udp' },
    xml('mac', { address: nic.mac }),
    network ? xml('source', { [network.kind]: network.name }) : deadEnd(nic, parts),
    xml('model', { type: modelAt(LIMITS.nicModels, nic.model) }),
    xml('link', { state: parts.linksUp ? 'up' : 'down' }),
  );
}

/**
 * A cable that leads nowhere, with its link up: frames go as datagrams to port 1 of a loopback address of this migration's
 * own, where nothing listens. No bridge and no tap device is made, at which the host itself would answer ARP for any of its
 * addresses. (libvirt's type `null` says the same, and ends libvirtd 9.0 when the domain starts.)
 */
function deadEnd(nic: VmNic, parts: DomainParts): XmlElement {
  const id = parts.vm.owner.migrationId;
  const byte = (at: number) => (parseInt(id.slice(at, at + 2), 16) % 254) + 1;
  const address = `127.${byte(0)}.${byte(2)}.${byte(4)}`;
  const port = 20_000 + (parseInt(id.slice(6, 10), 16) % 10_000) + parts.vm.description.nics.indexOf(nic);
  return xml('source', { address, port: 1 }, xml('local', { address, port }));
}

function tpm({ tpm: given }: VmDescription): XmlElement[] {
  if (!given) return [];
  const model = ['tpm-tis', 'tpm-crb'].includes(given.model) ? given.model : 'tpm-crb';
  const version = given.version === '1.2' ? '1.2' : '2.0';
  return [xml('tpm', { model }, xml('backend', { type: 'emulator', version }))];
}

/** A picture for people: VNC that only the host itself can reach. */
function screen({ display }: VmDescription): XmlElement[] {
  if (display === null || display === 'none') return [];
  return [
    xml('graphics', { type: 'vnc', port: -1, autoport: 'yes', listen: '127.0.0.1' }),
    xml('video', {}, xml('model', { type: modelAt(LIMITS.displays, display) })),
  ];
}

function sound({ sound: given }: VmDescription): XmlElement[] {
  const model = given && modelAt(LIMITS.sounds, given);
  return model ? [xml('sound', { model })] : [];
}

function mustBePlain(name: string, what: string): void {
  if (!LIMITS.name.pattern.test(name)) {
    throw new VmferryError('HostileInput', `cannot define a VM: ${JSON.stringify(name)} is not fit as its ${what}`);
  }
}
