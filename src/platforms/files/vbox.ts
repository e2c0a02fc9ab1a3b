import { VmferryError } from '../../errors.js';
import type { VmDescription } from '../../model/vm.js';
import { parseXml, type XmlElement } from '../xml.js';
import type { ForeignVm } from './foreign.js';
import { filesTwice, sameFile } from './foreign-findings.js';
import { foreignDisks } from './foreign-disks.js';
import { dashedUuid, hostile, MAX_CPUS, plainText, quoted, wholeNumber } from './foreign-values.js';
import { describeAudio, describeNics, serialPorts } from './vbox-devices.js';
import { describeRemovable, hardDisks } from './vbox-disks.js';
import { machineFindings } from './vbox-findings.js';

/**
 * VirtualBox's machine file (src/VBox/Main/xml/VirtualBox-settings.xsd): versions 1.12 (VirtualBox 4.0) to 1.19 (7.0),
 * and 1.20 (7.1), which has some elements elsewhere. Newer ones are read in the same way, with a finding.
 */
const OLDEST = 12;
const NEWEST = 20;

/** @param what How the file is called in messages. @throws VmferryError `HostileInput`, `NotSupported`. */
export function parseVbox(text: string, what: string): ForeignVm {
  const root = parseXml(text, what);
  const version = versionOf(root, what);
  const machine = machineOf(root, what);
  const hardware = machine.at('Hardware');
  if (!hardware) throw hostile(what, 'the machine has no hardware');
  // The guest sees Hardware/@uuid, which a clone may have beside the one of the machine.
  const uuid = dashedUuid(hardware.get('uuid') ?? machine.get('uuid') ?? '');
  if (uuid === null) throw hostile(what, 'the machine has no UUID');
  const listed = hardDisks(machine, what);
  const { disks, foreign } = foreignDisks(listed.disks);
  const { nics, findings: nicFindings } = describeNics(hardware, what);
  const uefi = /^EFI/.test(hardware.at('Firmware')?.get('type') ?? 'BIOS');
  const tpm = tpmVersion(hardware);
  const nvram = (hardware.at('Firmware/NVRAM') ?? hardware.at('BIOS/NVRAM'))?.get('path');
  const clock = (machine.at('Platform/RTC') ?? hardware.at('RTC'))?.get('localOrUTC');
  const guestOs = machine.get('OSType');
  const vm: VmDescription = {
    name: plainText(machine.get('name') ?? '', 'the name', what),
    uuid,
    firmware: uefi ? 'uefi' : 'bios',
    // It is among the UEFI variables, not here.
    secureBoot: false,
    tpm: tpm === null ? null : { model: 'tpm-crb', version: tpm, statePath: null },
    memoryBytes: memoryBytes(hardware, what),
    cpu: cpuOf(machine, hardware, what),
    disks,
    removable: describeRemovable(machine),
    nics,
    display: displayOf(hardware),
    sound: describeAudio(hardware),
    guestOs: guestOs === null ? null : plainText(guestOs, 'OSType', what),
    machine: (machine.at('Platform/Chipset') ?? hardware.at('Chipset'))?.get('type') === 'ICH9' ? 'q35' : 'pc',
    serialPorts: serialPorts(hardware).length,
    guestAgentChannel: false,
    clock: clock === 'UTC' ? 'utc' : 'localtime',
    rng: false,
    nvramPath: uefi && nvram ? plainText(nvram, 'the path of the NVRAM', what) : null,
    findings: [
      ...machineFindings(machine, hardware, { uefi, newer: version > NEWEST ? `1.${version}` : null }),
      ...listed.findingsOf(disks.map(({ id }) => id)),
      ...filesTwice(sameFile(disks)),
      ...nicFindings,
    ],
  };
  return { vm, disks: foreign };
}

/** `1.19-linux`: only the second number matters. */
function versionOf(root: XmlElement, what: string): number {
  if (root.name !== 'VirtualBox')
    throw hostile(what, `it is no file of VirtualBox but has ${quoted(root.name)} as its root`);
  const version = root.get('version') ?? '';
  const minor = Number(/^1\.(\d{1,3})(-|$)/.exec(version)?.[1] ?? NaN);
  if (!(minor >= OLDEST)) {
    throw new VmferryError(
      'NotSupported',
      `cannot read ${what}: settings of version ${quoted(version)} are not known`,
      {
        platform: 'files',
        remedy: 'Open the VM in a current VirtualBox once, which brings the file up to date.',
      },
    );
  }
  return minor;
}

function machineOf(root: XmlElement, what: string): XmlElement {
  if (root.at('MachineEncrypted')) {
    throw new VmferryError('NotSupported', `cannot read ${what}: the machine is encrypted`, {
      platform: 'files',
      remedy: 'Remove its encryption at the source: `VBoxManage encryptvm VM setencryption --cipher ""`.',
    });
  }
  const machine = root.at('Machine');
  if (!machine) throw hostile(what, 'there is no machine in it');
  return machine;
}

function memoryBytes(hardware: XmlElement, what: string): number {
  const size = hardware.at('Memory')?.get('RAMSize') ?? '';
  return wholeNumber(size, 'RAMSize', what, 1, 64 * 1024 * 1024) * 2 ** 20;
}

function cpuOf(machine: XmlElement, hardware: XmlElement, what: string): VmDescription['cpu'] {
  const cpu = machine.at('Platform/CPU') ?? hardware.at('CPU');
  const count = wholeNumber(cpu?.get('count') ?? '1', 'the count of processors', what, 1, MAX_CPUS);
  // VirtualBox shows all as cores of one socket.
  return { count, sockets: 1, coresPerSocket: count, threadsPerCore: 1, model: null };
}

/** Version of the TPM that VirtualBox emulates, or of the one that it leads to; null where there is none. */
function tpmVersion(hardware: XmlElement): string | null {
  const type = hardware.at('TrustedPlatformModule')?.get('type') ?? 'None';
  if (type === 'None') return null;
  return type === 'v1_2' ? '1.2' : '2.0';
}

/** VMSVGA is VMware's card. The others are VirtualBox's own, which a plain VGA comes next to. */
function displayOf(hardware: XmlElement): string | null {
  const controller = hardware.at('Display')?.get('controller') ?? 'VBoxVGA';
  if (controller === 'None' || controller === 'Null') return null;
  return controller === 'VMSVGA' ? 'vmvga' : 'vga';
}
