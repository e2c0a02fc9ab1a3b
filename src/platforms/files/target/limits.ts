import type { PackagePlan } from '../../../model/package.js';
import type { TargetLimits } from '../../../model/target.js';
import { LIMITS as LIBVIRT } from '../../libvirt/limits.js';

/**
 * What VMware and VirtualBox both take from an OVF. Drives: four channels of IDE, four controllers of AHCI with 30 ports
 * at VMware of which VirtualBox has one, one SCSI controller with 15 units, one of NVMe with 15 (VMware, "Virtual Machine
 * Limitations and Requirements"; VirtualBox, ovfreader.cpp for names of kinds).
 */
const BUSES = { ide: 4, sata: 30, scsi: 15, nvme: 15 };

const OVF: TargetLimits = {
  // VMware, configuration maximums of hardware version 13.
  cpus: 128,
  name: {
    // As the name of a file, with room for `-disk12.vmdk`; what OVF tools take out of names is left out.
    pattern: /^[A-Za-z0-9_](?:[^\\/:*?"<>|%\p{Cc}]*[^\s.\\/:*?"<>|%\p{Cc}])?$/u,
    // VMware's most.
    mostBytes: 80,
    inWords:
      'of 80 bytes at most, without \\ / : * ? " < > | % and control characters, that begin with a letter, a digit or "_" and end with no space or dot',
  },
  machines: { pc: BUSES, q35: BUSES },
  machineFor: { bios: 'pc', uefi: 'q35' },
  // Of the replica; what a package's images hold is a check of its own.
  largestDiskBytes: { qcow2: 2 ** 51, raw: Number.MAX_SAFE_INTEGER },
  diskUnitBytes: 512,
  sectorBytes: [512],
  // The one that every guest of today has a driver for.
  otherBus: 'sata',
  // Of those that VirtualBox does not know (E1000E, VMXNET3) it makes PCnet (7.2, tried), so others become what both have.
  nicModels: { has: ['e1000', 'e1000e', 'vmxnet3', 'pcnet'], otherwise: 'e1000' },
  scsiControllers: { has: ['lsilogic', 'lsisas1068', 'vmpvscsi', 'buslogic'], otherwise: 'lsilogic' },
  displays: { has: ['vmvga', 'vga', 'none'], otherwise: 'vmvga' },
  sounds: { has: ['ich6', 'es1370'], otherwise: null },
  tpmVersions: ['1.2', '2.0'],
};

/** Of images alone nothing is described, so that nothing of it can be too much. */
const IMAGES: TargetLimits = {
  ...LIBVIRT,
  name: OVF.name,
  otherBus: 'sata',
};

export function limitsOf({ kind }: PackagePlan): TargetLimits {
  if (kind === 'images') return IMAGES;
  if (kind === 'libvirt-xml') return { ...LIBVIRT, name: OVF.name };
  return OVF;
}
