import { blocking, info, warning, type Finding } from '../../model/finding.js';
import {
  bootsFromElsewhere,
  firmwareMismatch,
  otherArchitecture,
  passthrough,
  serialBackend,
  sharedFolders,
  suspended,
  tpmState,
  usbOfHost,
  variablesFormat,
} from './foreign-findings.js';
import { dashedUuid, listed, quoted } from './foreign-values.js';
import { tuningFindings } from './vmware-tuning.js';
import { serialPorts } from './vmx-devices.js';
import type { VmxDictionary } from './vmx-dictionary.js';

/** What a .vmx says of the machine as a whole, and of devices of its host, that somebody has to know. */

export function machineFindings(vmx: VmxDictionary, has: { uefi: boolean; tpm: boolean }): Finding[] {
  return [
    ...asAFile(vmx),
    ...state(vmx),
    ...processors(vmx),
    ...start(vmx, has.uefi),
    ...hostDevices(vmx, has.tpm),
    ...tuningFindings(vmx.keys().map((key) => [key, vmx.raw(key)])),
  ];
}

function asAFile(vmx: VmxDictionary): Finding[] {
  const findings: Finding[] = [];
  const encoding = vmx.raw('.encoding') || 'UTF-8';
  if (!/^utf-?8$/i.test(encoding)) {
    findings.push({
      id: 'vmx.encoding',
      ...info(
        `The machine's file is written in ${quoted(encoding)}.`,
        'See whether the names of the VM, its networks and its files are read right.',
      ),
    });
  }
  if (vmx.ambiguous.size > 0) {
    findings.push({
      id: 'vmx.duplicate-key',
      ...warning(
        `These settings stand in the file more than once, each with another value: ${listed([...vmx.ambiguous])}. The last one is taken.`,
        'Remove the wrong ones from the file. VMware itself does not start such a VM.',
      ),
    });
  }
  if (dashedUuid(vmx.raw('uuid.bios')) === null) {
    findings.push({
      id: 'vm.uuid',
      ...warning(
        'The file gives the VM no UUID (uuid.bios); at the target it gets a new one.',
        'See whether licences in the guest depend on it.',
      ),
    });
  }
  if (!vmx.has('memsize')) {
    findings.push({
      id: 'memory.unstated',
      ...warning(
        "The file does not say how much memory the VM has; VMware's default of 32 MiB is taken.",
        'Set it at the source, and save the VM.',
      ),
    });
  }
  return findings;
}

function state(vmx: VmxDictionary): Finding[] {
  const findings: Finding[] = [];
  const partly = vmx.raw('vmx.encryptionType').toLowerCase() === 'partial';
  if (['encryption.keySafe', 'encryption.data', 'encryption.encryptedKey'].some((key) => vmx.raw(key) !== '')) {
    findings.push({
      id: 'vm.encrypted',
      ...blocking(
        partly
          ? 'The VM is encrypted in part: its NVRAM, its TPM and some of its settings cannot be read, its disks can.'
          : 'The VM is encrypted; its settings and its disks cannot be read.',
        'Remove the encryption at the source (VM settings, Access Control), and its TPM before that.',
      ),
    });
  }
  const saved = vmx.raw('checkpoint.vmState');
  if (saved !== '') findings.push(suspended(saved));
  return findings;
}

function processors(vmx: VmxDictionary): Finding[] {
  const findings: Finding[] = [];
  const guest = vmx.raw('guestOS').toLowerCase();
  if (guest.startsWith('arm')) findings.push(otherArchitecture('ARM'));
  const cores = vmx.raw('cpuid.coresPerSocket').trim() || '1';
  if (cores !== '0' && (Number(vmx.raw('numvcpus').trim()) || 1) % Number(cores) !== 0) {
    findings.push({
      id: 'cpu.topology',
      ...info(
        `The VM's processors cannot be shared out over sockets of ${quoted(cores)} cores; each gets a socket of its own.`,
        'See whether the software in the guest counts sockets for its licence.',
      ),
    });
  }
  const offset = vmx.raw('rtc.diffFromUTC').trim();
  if (offset !== '' && !/^[+-]?0+$/.test(offset)) {
    findings.push({
      id: 'clock.offset',
      ...info(
        `The VM's clock is set off from UTC by ${quoted(offset)} seconds; at the target it has the local time of its host.`,
        'Look at the time in the guest after its first start.',
      ),
    });
  }
  return findings;
}

function start(vmx: VmxDictionary, uefi: boolean): Finding[] {
  const findings: Finding[] = [];
  const firmware = vmx.raw('firmware').toLowerCase();
  if (!['', 'bios', 'efi'].includes(firmware)) {
    findings.push({
      id: 'firmware.unknown',
      ...warning(
        `The VM has the firmware ${quoted(firmware)}, which is not known; it is taken for a BIOS.`,
        'See how the guest starts, and correct the setting "firmware" ("bios" or "efi") at the source.',
      ),
    });
  }
  if (!uefi && vmx.flag('uefi.secureBoot.enabled')) findings.push(firmwareMismatch());
  if (uefi && vmx.raw('nvram') !== '') findings.push(variablesFormat('VMware'));
  const order = vmx.raw('bios.bootOrder').toLowerCase();
  const first = order
    .replace(/^allow:/, '')
    .split(',', 1)[0]!
    .trim();
  if (!['', 'hdd', 'disk'].includes(first) && !order.startsWith('deny:'))
    findings.push(bootsFromElsewhere(quoted(order)));
  return findings;
}

function hostDevices(vmx: VmxDictionary, tpm: boolean): Finding[] {
  const pci = vmx.present('pciPassthru').length;
  const usb = [...vmx.keys()].filter((key) => /^usb\.autoconnect\.device\d+$/i.test(key) && vmx.raw(key) !== '').length;
  const folders = vmx
    .present('sharedFolder')
    .filter((number) => vmx.flag(`sharedFolder${number}.enabled`, true)).length;
  const ports = serialPorts(vmx);
  return [
    ...(pci > 0 ? [passthrough(pci)] : []),
    ...(usb > 0 ? [usbOfHost(usb)] : []),
    ...(folders > 0 ? [sharedFolders(folders)] : []),
    ...(ports.length > 0 ? [serialBackend(ports)] : []),
    ...(tpm ? [tpmState("is in VMware's NVRAM file, encrypted")] : []),
  ];
}
