import type { VmDescription } from '../../model/vm.js';
import type { ForeignVm } from './foreign.js';
import { filesTwice, sameFile } from './foreign-findings.js';
import { foreignDisks } from './foreign-disks.js';
import { dashedUuid, hostile, MAX_CPUS, MAX_MEMORY_BYTES } from './foreign-values.js';
import { describeNics, describeSound, serialPorts } from './vmx-devices.js';
import { VmxDictionary } from './vmx-dictionary.js';
import { describeRemovable, hardDisks } from './vmx-disks.js';
import { diskFindings } from './vmx-disk-findings.js';
import { machineFindings } from './vmx-findings.js';
import { leftBehind } from './vmx-left-behind.js';

/**
 * VMware's machine file. There is no specification; keys and defaults are those of VMware's manuals, of libvirt's
 * notes on the format (src/vmx/vmx.c) and of files that Workstation, Fusion and ESXi write.
 */

/** What vSphere's largest machine has is far below. */
const MAX_MEMORY_MIB = MAX_MEMORY_BYTES / 2 ** 20;
/** What VMware gives a machine whose file does not say. */
const DEFAULT_MEMORY_MIB = 32;

/** @param what How the file is called in messages. @throws VmferryError `HostileInput`. */
export function parseVmx(text: string, what: string): ForeignVm {
  const vmx = new VmxDictionary(text, what);
  if (vmx.keys().length === 0) throw hostile(what, 'it is empty');
  const guestOs = vmx.text('guestOS');
  const listed = hardDisks(vmx);
  const { disks, foreign } = foreignDisks(listed.disks);
  const { nics, findings: nicFindings } = describeNics(vmx);
  const uefi = vmx.raw('firmware').toLowerCase() === 'efi';
  const nvram = vmx.text('nvram');
  const vm: VmDescription = {
    name: vmx.text('displayName') ?? '',
    uuid: dashedUuid(vmx.raw('uuid.bios')) ?? '',
    firmware: uefi ? 'uefi' : 'bios',
    secureBoot: uefi && vmx.flag('uefi.secureBoot.enabled'),
    // Its content is in the NVRAM file, encrypted.
    tpm: hasTpm(vmx) ? { model: 'tpm-crb', version: '2.0', statePath: null } : null,
    memoryBytes: vmx.number('memsize', DEFAULT_MEMORY_MIB, 1, MAX_MEMORY_MIB) * 2 ** 20,
    cpu: cpuOf(vmx),
    disks,
    removable: describeRemovable(vmx),
    nics,
    display: vmx.flag('svga.present', true) ? 'vmvga' : null,
    sound: describeSound(vmx),
    guestOs,
    // A 440BX, which is what QEMU's "pc" is; its firmware for UEFI with Secure Boot needs the other.
    machine: uefi ? null : 'pc',
    serialPorts: serialPorts(vmx).length,
    guestAgentChannel: false,
    clock: clockOf(vmx, guestOs),
    rng: false,
    nvramPath: uefi ? nvram : null,
    findings: [
      ...machineFindings(vmx, { uefi, tpm: hasTpm(vmx) }),
      ...listed.findings,
      ...filesTwice(sameFile(disks)),
      ...diskFindings(
        vmx,
        listed.disks.map((each, index) => ({ ...each, id: disks[index]!.id })),
      ),
      ...nicFindings,
      ...leftBehind(vmx),
    ],
  };
  return { vm, disks: foreign };
}

/** Workstation and Fusion give one by themselves where `autoAddVTPM` says so. */
function hasTpm(vmx: VmxDictionary): boolean {
  const automatic = vmx.raw('managedvm.autoAddVTPM').toLowerCase();
  return vmx.flag('vtpm.present') || !['', 'false', '0', 'no', 'off', 'none'].includes(automatic);
}

/** The count of cores has to fit that of processors; 0 leaves it to VMware (vSphere 8). */
function cpuOf(vmx: VmxDictionary): VmDescription['cpu'] {
  const count = vmx.number('numvcpus', 1, 1, MAX_CPUS);
  const wanted = vmx.number('cpuid.coresPerSocket', 1, 0, MAX_CPUS);
  const coresPerSocket = wanted > 0 && count % wanted === 0 ? wanted : 1;
  return { count, sockets: count / coresPerSocket, coresPerSocket, threadsPerCore: 1, model: null };
}

/** A guest of Windows keeps its clock in local time; `diffFromUTC` are the seconds by which it was set off. */
function clockOf(vmx: VmxDictionary, guestOs: string | null): 'utc' | 'localtime' {
  const offset = vmx.raw('rtc.diffFromUTC').trim();
  if (offset !== '') return /^[+-]?0+$/.test(offset) ? 'utc' : 'localtime';
  return /^(win|longhorn|whistler|dos)/i.test(guestOs ?? '') ? 'localtime' : 'utc';
}
