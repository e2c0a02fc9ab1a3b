import { blocking, info, warning, type Finding } from '../../model/finding.js';
import type { XmlElement } from '../xml.js';
import {
  bootsFromElsewhere,
  cpusAdded,
  devicesLeft,
  otherArchitecture,
  passthrough,
  serialBackend,
  settingsLeft,
  sharedFolders,
  snapshots,
  suspended,
  tpmState,
  usbOfHost,
  variablesFormat,
} from './foreign-findings.js';
import { quoted } from './foreign-values.js';
import { serialPorts } from './vbox-devices.js';

/** What a VirtualBox machine has and its copy will not. */

/** Elements that are read, that have a finding of their own, or that are about VirtualBox and its windows only. */
const MACHINE = new Set([
  'MediaRegistry',
  'Description',
  'Hardware',
  'Platform',
  'StorageControllers',
  'Groups',
  'ExtraData',
  'Snapshot',
]);
const HARDWARE = new Set([
  ...['CPU', 'Memory', 'Firmware', 'HID', 'HPET', 'Chipset', 'Iommu', 'Paravirt', 'Boot', 'Display', 'BIOS', 'USB'],
  ...['Network', 'UART', 'LPT', 'AudioAdapter', 'RTC', 'SharedFolders', 'Clipboard', 'DragAndDrop', 'IO', 'HostPci'],
  ...['EmulatedUSB', 'Guest', 'GuestProperties', 'StorageControllers', 'TrustedPlatformModule', 'RemoteDisplay'],
  ...['VideoCapture', 'VideoRecording', 'Recording', 'USBController'],
]);

export function machineFindings(
  machine: XmlElement,
  hardware: XmlElement,
  has: { uefi: boolean; newer: string | null },
): Finding[] {
  return [
    ...(has.newer === null ? [] : [newerVersion(has.newer)]),
    ...state(machine),
    ...firmware(hardware, has.uefi),
    ...hostDevices(hardware),
    ...(machine.at('Platform')?.get('architecture') === 'ARM' ? [otherArchitecture('ARM')] : []),
    ...(cpuOf(machine, hardware)?.get('hotplug') === 'true' ? [cpusAdded()] : []),
    ...ballooned(hardware),
    ...devicesLeft(devices(hardware)),
    ...settingsLeft(settings(machine, hardware)),
  ];
}

function newerVersion(version: string): Finding {
  return {
    id: 'vbox.version',
    ...warning(
      `The machine's file is of version ${version}, which is newer than what is known here.`,
      'Compare the description with what VirtualBox shows.',
    ),
  };
}

function state(machine: XmlElement): Finding[] {
  const saved = machine.get('stateFile');
  const taken = machine.all('Snapshot').flatMap(snapshotNames);
  return [...(saved ? [suspended(saved)] : []), ...(taken.length > 0 ? [snapshots(taken)] : [])];
}

/** A snapshot and those that were made after it; how deep they may go is bounded by the reader of XML. */
function snapshotNames(snapshot: XmlElement): string[] {
  const later = snapshot.at('Snapshots')?.all('Snapshot') ?? [];
  return [snapshot.get('name') ?? '', ...later.flatMap(snapshotNames)];
}

function firmware(hardware: XmlElement, uefi: boolean): Finding[] {
  const findings: Finding[] = [];
  if (uefi) findings.push(variablesFormat('VirtualBox'));
  if (hardware.at('Firmware')?.get('type') === 'EFI32') {
    findings.push({
      id: 'firmware.32-bit',
      ...blocking(
        'The VM starts with a 32-bit UEFI; at the target there is only one of 64 bits.',
        'Install a 64-bit boot loader in the guest, and set its firmware to EFI at the source.',
      ),
    });
  }
  const tpm = hardware.at('TrustedPlatformModule')?.get('type') ?? 'None';
  if (tpm === 'Host') {
    findings.push({
      id: 'tpm.passthrough',
      ...blocking(
        "The VM uses the host's own TPM, whose keys cannot leave it.",
        'Unseal what the guest keeps in it (such as disk keys), and remove the device.',
      ),
    });
  } else if (tpm !== 'None') {
    findings.push(tpmState(tpm === 'Swtpm' ? 'lies with another program' : "is in VirtualBox's NVRAM file"));
  }
  const orders = (hardware.at('Boot')?.all('Order') ?? []).filter((each) => (each.get('device') ?? 'None') !== 'None');
  orders.sort((a, b) => Number(a.get('position')) - Number(b.get('position')));
  const first = orders[0]?.get('device');
  if (first && first !== 'HardDisk') {
    findings.push(bootsFromElsewhere(quoted(orders.map((each) => each.get('device')).join(', '))));
  }
  return findings;
}

function hostDevices(hardware: XmlElement): Finding[] {
  const pci = hardware.at('HostPci/Devices')?.all('Device').length ?? 0;
  const usb = hardware.at('USB/DeviceFilters')?.all('DeviceFilter') ?? [];
  const filters = usb.filter((each) => each.get('active') === 'true').length;
  const folders = hardware.at('SharedFolders')?.all('SharedFolder').length ?? 0;
  const ports = serialPorts(hardware).filter((each) => (each.get('hostMode') ?? 'Disconnected') !== 'Disconnected');
  return [
    ...(pci > 0 ? [passthrough(pci)] : []),
    ...(filters > 0 ? [usbOfHost(filters)] : []),
    ...(folders > 0 ? [sharedFolders(folders)] : []),
    ...(ports.length > 0 ? [serialBackend(ports.map((each) => each.get('slot') ?? ''))] : []),
  ];
}

function devices(hardware: XmlElement): string[] {
  const isOn = (path: string) => hardware.at(path)?.get('enabled') === 'true';
  const parallel = (hardware.at('LPT')?.all('Port') ?? []).filter((each) => each.get('enabled') === 'true');
  return [
    ...parallel.map((each) => `parallel port ${each.get('slot') ?? ''}`),
    ...(isOn('EmulatedUSB/CardReader') ? ['card reader'] : []),
    ...(isOn('EmulatedUSB/Webcam') ? ['webcam'] : []),
  ];
}

function cpuOf(machine: XmlElement, hardware: XmlElement): XmlElement | null {
  return machine.at('Platform/CPU') ?? hardware.at('CPU');
}

function ballooned(hardware: XmlElement): Finding[] {
  const mebibytes = hardware.at('Guest')?.get('memoryBalloonSize') ?? '';
  if (['', '0'].includes(mebibytes)) return [];
  return [
    {
      id: 'memory.ballooned',
      ...info(
        `The VM gives memory back to its host (ballooning, ${quoted(mebibytes)} MiB); at the target it has all of it.`,
        'Ask for less with "memory" if the target shall not give it all.',
      ),
    },
  ];
}

function settings(machine: XmlElement, hardware: XmlElement): string[] {
  const cpu = cpuOf(machine, hardware);
  const extra = machine.at('ExtraData')?.all('ExtraDataItem') ?? [];
  const meant = extra.map((each) => each.get('name') ?? '').filter((name) => !/^GUI\//.test(name));
  const limits = hardware.at('IO/BandwidthGroups')?.all('BandwidthGroup') ?? [];
  return [
    ...(Number(cpu?.get('executionCap') ?? 100) < 100 ? ['CPU executionCap'] : []),
    ...(cpu?.at('NestedHWVirt')?.get('enabled') === 'true' ? ['NestedHWVirt'] : []),
    ...(hardware.at('Display')?.get('accelerate3D') === 'true' ? ['accelerate3D'] : []),
    ...(Number(hardware.at('Display')?.get('monitorCount') ?? 1) > 1 ? ['monitorCount'] : []),
    ...(hardware.at('RemoteDisplay')?.get('enabled') === 'true' ? ['RemoteDisplay'] : []),
    ...(limits.length > 0 ? ['BandwidthGroups'] : []),
    ...(machine.at('Description') ? ['Description'] : []),
    ...meant,
    ...strange(machine, MACHINE),
    ...strange(hardware, HARDWARE),
  ];
}

function strange(element: XmlElement, known: ReadonlySet<string>): string[] {
  return [...new Set(element.all().map((each) => each.name))].filter((name) => !known.has(name)).sort();
}
