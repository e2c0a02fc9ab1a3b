import type { Finding } from '../../model/finding.js';
import type { VmDescription, VmNic } from '../../model/vm.js';
import type { XmlElement } from '../xml.js';
import type { ForeignVm } from './foreign.js';
import { devicesLeft, nicModel, passthrough, tpmState, withoutMac } from './foreign-findings.js';
import { dashedUuid, hostile, listed, macAddress, plainText, quoted } from './foreign-values.js';
import type { OvfPackage } from './ovf.js';
import { describeDisks } from './ovf-disks.js';
import { configOf, hardwareOf, itemsOf, TYPE, type Item } from './ovf-hardware.js';
import { attribute, child, children, kindOf, numberOf, sections, textOf, unitBytes } from './ovf-xml.js';

/** One `VirtualSystem` of an envelope to the normalised VM. */

const MOST_CPUS = 4096;

export function describeSystem(system: XmlElement, found: OvfPackage, what: string): ForeignVm {
  const all = hardwareOf(system);
  const hardware = all[0];
  if (!hardware) throw hostile(what, 'a machine in it has no hardware');
  const items = itemsOf(hardware, found.configuration);
  const config = configOf(hardware);
  const vbox = child(system, 'Machine');
  const drives = describeDisks(items, found);
  const nics = describeNics(items, what);
  const firmware = firmwareOf(system, config, vbox);
  const tpm = tpmOf(items, vbox);
  const vm: VmDescription = {
    name: nameOf(system, hardware, what),
    uuid: uuidOf(system, hardware, config, vbox),
    firmware: firmware.uefi ? 'uefi' : 'bios',
    secureBoot: firmware.secureBoot,
    tpm: tpm === null ? null : { model: 'tpm-crb', version: tpm, statePath: null },
    memoryBytes: memoryOf(items, what),
    cpu: cpuOf(items, what),
    disks: drives.disks,
    removable: drives.removable,
    nics: nics.nics,
    display: displayOf(items),
    sound: soundOf(items),
    guestOs: guestOsOf(system, vbox, what),
    machine: firmware.machine,
    serialPorts: items.filter(({ type }) => type === TYPE.serial).length,
    guestAgentChannel: false,
    clock: clockOf(system, vbox),
    rng: items.some(({ element }) => textOf(element, 'Type') === 'rng'),
    nvramPath: null,
    findings: [
      ...packageFindings(found, all.length),
      ...drives.findings,
      ...nics.findings,
      ...(tpm === null ? [] : [tpmState('is not in the package')]),
      ...left(items),
      ...properties(system),
    ],
  };
  return { vm, disks: drives.foreign };
}

function nameOf(system: XmlElement, hardware: XmlElement, what: string): string {
  const identifier = child(hardware, 'System');
  const name =
    textOf(system, 'Name') ??
    (identifier ? textOf(identifier, 'VirtualSystemIdentifier') : null) ??
    attribute(system, 'id') ??
    '';
  return plainText(name, 'the name of the machine', what);
}

/** VMware writes none but in some settings; VirtualBox with its own machine, oVirt as the id of the system. */
function uuidOf(
  system: XmlElement,
  hardware: XmlElement,
  config: ReadonlyMap<string, string>,
  vbox: XmlElement | null,
): string {
  const settings = child(hardware, 'System');
  const candidates = [
    vbox ? attribute(vbox, 'uuid') : null,
    config.get('uuid'),
    config.get('uuid.bios'),
    settings ? textOf(settings, 'InstanceID') : null,
    attribute(sections(system, 'OperatingSystemSection')[0] ?? system, 'id'),
    attribute(system, 'id'),
  ];
  for (const each of candidates) {
    const uuid = dashedUuid(each ?? '');
    if (uuid !== null) return uuid;
  }
  return '';
}

function firmwareOf(
  system: XmlElement,
  config: ReadonlyMap<string, string>,
  vbox: XmlElement | null,
): { uefi: boolean; secureBoot: boolean; machine: string | null } {
  const own = vbox ? child(vbox, 'Hardware') : null;
  const named = own ? (child(own, 'Firmware') ?? child(child(own, 'BIOS') ?? own, 'Firmware')) : null;
  const chipset = own ? child(own, 'Chipset') : null;
  // oVirt's BiosType (ovirt-engine, BiosType): 1 i440fx, 2 q35 with BIOS, 3 q35 with UEFI, 4 with secure boot, too.
  const bios = numberOf(textOf(system, 'BiosType'));
  const uefi =
    /^efi$/i.test(config.get('firmware') ?? '') || /^EFI/i.test(named ? (attribute(named, 'type') ?? '') : '');
  const machine = chipset ? (attribute(chipset, 'type') === 'ICH9' ? 'q35' : 'pc') : null;
  return {
    uefi: uefi || bios === 3 || bios === 4,
    secureBoot: config.get('bootOptions.efiSecureBootEnabled') === 'true' || bios === 4,
    machine: machine ?? (bios === 1 ? 'pc' : bios !== null && bios >= 2 ? 'q35' : null),
  };
}

function tpmOf(items: readonly Item[], vbox: XmlElement | null): string | null {
  if (items.some(({ subType, element }) => /vtpm/i.test(subType) || /^tpm$/i.test(textOf(element, 'Type') ?? '')))
    return '2.0';
  const own = vbox ? child(child(vbox, 'Hardware') ?? vbox, 'TrustedPlatformModule') : null;
  const type = own ? (attribute(own, 'type') ?? 'None') : 'None';
  return type === 'None' ? null : type === 'v1_2' ? '1.2' : '2.0';
}

function memoryOf(items: readonly Item[], what: string): number {
  const item = items.find(({ type }) => type === TYPE.memory);
  if (!item) throw hostile(what, 'a machine in it has no memory');
  const unit = unitBytes(item.units, 2 ** 20);
  const bytes = (item.quantity ?? 0) * (unit ?? 0);
  if (bytes > 0 && bytes <= 64 * 2 ** 40) return bytes;
  throw hostile(what, `its memory of ${item.quantity ?? 'no'} ${quoted(item.units ?? '')} is absurd`);
}

/** VMware says the cores of a socket beside the count, oVirt all three factors. */
function cpuOf(items: readonly Item[], what: string): VmDescription['cpu'] {
  const item = items.find(({ type }) => type === TYPE.cpu);
  const number = (name: string) => (item ? numberOf(textOf(item.element, name)) : null);
  const sockets = number('num_of_sockets');
  const perSocket = number('cpu_per_socket');
  const threads = number('threads_per_cpu') ?? 1;
  const count = sockets !== null && perSocket !== null ? sockets * perSocket * threads : (item?.quantity ?? 1);
  if (count < 1 || count > MOST_CPUS) throw hostile(what, `its ${count} processors are absurd`);
  if (sockets !== null && perSocket !== null) {
    return { count, sockets, coresPerSocket: perSocket, threadsPerCore: threads, model: null };
  }
  const cores = number('CoresPerSocket') ?? 1;
  const fits = cores >= 1 && count % cores === 0;
  return {
    count,
    sockets: fits ? count / cores : count,
    coresPerSocket: fits ? cores : 1,
    threadsPerCore: 1,
    model: null,
  };
}

const NIC_MODELS: [RegExp, string][] = [
  [/^e1000e$|82574/i, 'e1000e'],
  [/^e1000|8254\d/i, 'e1000'],
  [/vmxnet ?3/i, 'vmxnet3'],
  [/pcnet|vlance|Am79C97/i, 'pcnet'],
  [/virtio|^3$|^pv$/i, 'virtio'],
  [/rtl8139|^1$/i, 'rtl8139'],
  [/^2$/, 'e1000'],
];

function describeNics(items: readonly Item[], what: string): { nics: VmNic[]; findings: Finding[] } {
  const findings: Finding[] = [];
  const nics = items
    .filter(({ type }) => type === TYPE.ethernet || type === TYPE.ethernetPort)
    .map((item, index): VmNic => {
      const name = item.name || `number ${index + 1}`;
      const given = item.address ?? '';
      const mac = given === '' ? '' : macAddress(given);
      if (mac === null) throw hostile(what, `the network card ${quoted(name)} has the MAC address ${quoted(given)}`);
      if (mac === '') findings.push(withoutMac(quoted(name)));
      // oVirt has numbers for models, and VMware's several words are a choice of which the first one counts.
      const wished = item.subType.split(/[\s,]+/)[0] ?? '';
      const model = NIC_MODELS.find(([pattern]) => pattern.test(wished))?.[1] ?? null;
      if (model === null && wished !== '') findings.push(nicModel(quoted(name), wished));
      const network = plainText(item.connections[0] ?? '', 'the name of a network', what);
      return { mac, network: network || 'unknown', networkKind: 'network', model: model ?? 'e1000' };
    });
  return { nics, findings };
}

function displayOf(items: readonly Item[]): string | null {
  const item = items.find(({ type, element }) => type === TYPE.graphics || textOf(element, 'Type') === 'video');
  if (!item) return null;
  const named = textOf(item.element, 'Device') ?? item.subType;
  return /qxl|virtio|cirrus|vga|bochs/i.exec(named)?.[0]?.toLowerCase() ?? 'vga';
}

const SOUND_MODELS: [RegExp, string][] = [
  [/hda|hdaudio|ich6/i, 'ich6'],
  [/ensoniq|es137\d/i, 'es1370'],
  [/sb16/i, 'sb16'],
  [/ac97/i, 'ac97'],
];

function soundOf(items: readonly Item[]): string | null {
  const item = items.find(
    ({ type, subType, element }) =>
      type === TYPE.sound || /sound/i.test(subType) || textOf(element, 'Type') === 'sound',
  );
  if (!item) return null;
  const named = `${item.subType} ${textOf(item.element, 'Device') ?? ''}`;
  return SOUND_MODELS.find(([pattern]) => pattern.test(named))?.[1] ?? 'ich6';
}

/** The maker's own word for it, else CIM's description. */
function guestOsOf(system: XmlElement, vbox: XmlElement | null, what: string): string | null {
  const section = sections(system, 'OperatingSystemSection')[0];
  const own = section ? (children(section, 'OSType')[0]?.text() ?? null) : null;
  const text =
    (section ? attribute(section, 'osType') : null) ??
    own ??
    (vbox ? attribute(vbox, 'OSType') : null) ??
    (section ? textOf(section, 'Description') : null);
  return text === null || text === '' ? null : plainText(text, 'the guest OS', what);
}

function clockOf(system: XmlElement, vbox: XmlElement | null): VmDescription['clock'] {
  const own = vbox ? child(vbox, 'Hardware') : null;
  const rtc = own ? child(own, 'RTC') : null;
  if (rtc) return attribute(rtc, 'localOrUTC') === 'UTC' ? 'utc' : 'localtime';
  const section = sections(system, 'OperatingSystemSection')[0];
  // Windows keeps local time in its clock, whatever the hypervisor is told.
  return section && /windows/i.test(`${attribute(section, 'osType') ?? ''} ${textOf(section, 'Description') ?? ''}`)
    ? 'localtime'
    : 'utc';
}

function packageFindings(found: OvfPackage, hardwares: number): Finding[] {
  const findings: Finding[] = [];
  const add = (id: string, severity: Finding['severity'], message: string, remedy: string) =>
    findings.push({ id, severity, message, remedy });
  if (found.encrypted) {
    add('vm.encrypted', 'blocking', 'The package is encrypted.', 'Export the machine again without encryption.');
  }
  if (found.strange.length > 0) {
    const message = `The package has parts that have to be understood and are not: ${listed(found.strange)}.`;
    add('ovf.section-unknown', 'blocking', message, 'Waive this finding when the machine can do without them.');
  }
  if (found.configuration !== null) {
    const message = `The package offers several sizes; ${quoted(found.configuration)}, its default, is taken.`;
    add('ovf.configuration', 'info', message, 'Give cpus and memory in the request for another one.');
  }
  if (hardwares > 1) {
    const message = `The package describes the hardware in ${hardwares} ways; the first one is taken.`;
    add('ovf.hardware-choice', 'info', message, 'Export the machine again for one platform if that is the wrong one.');
  }
  return findings;
}

/** Numbers of items that mean something above, or nothing elsewhere. */
const CARRIED = new Set<number>([
  ...[TYPE.cpu, TYPE.memory, TYPE.ide, TYPE.scsi, TYPE.ethernet, TYPE.floppy, TYPE.cd, TYPE.dvd, TYPE.disk],
  ...[TYPE.extent, TYPE.storage, TYPE.usb, TYPE.graphics, TYPE.logicalDisk, TYPE.ethernetPort, TYPE.serial, TYPE.sound],
]);

function left(items: readonly Item[]): Finding[] {
  const others = items.filter(({ type, subType, element }) => {
    if (CARRIED.has(type) || /vtpm|sound|vmci/i.test(subType)) return false;
    return !/^(balloon|rng|video|sound|controller|graphics|tpm|channel|console)$/i.test(textOf(element, 'Type') ?? '');
  });
  const devices = others.filter(({ subType, name }) => /passthr|pci|sriov|vgpu/i.test(`${subType} ${name}`));
  // oVirt's agents and framebuffers; every machine has them.
  const rest = others.filter((each) => !devices.includes(each) && ![0, 26].includes(each.type));
  return [
    ...(devices.length > 0 ? [passthrough(devices.length)] : []),
    ...devicesLeft(rest.map((each) => each.name || `type ${each.type}`)),
  ];
}

/** Values that the guest is given at its start, by VMware's tools or on a CD. */
function properties(system: XmlElement): Finding[] {
  const products = system.all().filter((each) => kindOf(each) === 'ProductSection');
  const count = products.flatMap((each) => children(each, 'Property')).length;
  const transport = hardwareOf(system)[0] ? attribute(hardwareOf(system)[0]!, 'transport') : null;
  if (count === 0 || !transport) return [];
  return [
    {
      id: 'ovf.properties',
      severity: 'warning',
      message: `The guest expects ${count} value(s) from its platform when it starts (by ${quoted(transport)}); nothing gives them at the target.`,
      remedy: 'See that it has kept them from its first start, or set them in the guest.',
    },
  ];
}
