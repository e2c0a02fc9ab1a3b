import type { GuestKernel } from './guest.js';
import type { VmDescription, VmDisk, VmNic } from './vm.js';

/** Linux modules that drive the devices a target gives (drivers/ata, drivers/scsi, drivers/net of the kernel's source). */
export const DRIVERS = [
  ...['virtio_pci', 'virtio_blk', 'virtio_scsi', 'virtio_net'],
  ...['sd_mod', 'ahci', 'ata_piix', 'ata_generic', 'pata_acpi', 'nvme'],
  ...['mptspi', 'mptsas', 'megaraid_sas', 'vmw_pvscsi'],
  ...['e1000', 'e1000e', 'igb', 'vmxnet3', '8139cp', '8139too', 'pcnet32', 'ne2k_pci'],
] as const;

/** One of each list is needed. */
export type Need = readonly (typeof DRIVERS)[number][];

const SCSI: Record<string, Need[]> = {
  'virtio-scsi': [['virtio_pci'], ['virtio_scsi']],
  'virtio-transitional': [['virtio_pci'], ['virtio_scsi']],
  lsilogic: [['mptspi']],
  lsisas1068: [['mptsas']],
  lsisas1078: [['megaraid_sas']],
  vmpvscsi: [['vmw_pvscsi']],
};
const NICS: Record<string, Need[]> = {
  virtio: [['virtio_pci'], ['virtio_net']],
  e1000: [['e1000']],
  e1000e: [['e1000e']],
  rtl8139: [['8139cp', '8139too']],
  pcnet: [['pcnet32']],
  ne2k_pci: [['ne2k_pci']],
  vmxnet3: [['vmxnet3']],
  igb: [['igb']],
};

/** What the initramfs, or the kernel itself, has to hold so that the disk is found. Nothing for a controller not known here. */
export function diskNeeds({ bus, controllerModel }: Pick<VmDisk, 'bus' | 'controllerModel'>): Need[] {
  if (bus === 'virtio') return [['virtio_pci'], ['virtio_blk']];
  if (bus === 'sata') return [['ahci'], ['sd_mod']];
  if (bus === 'ide') return [['ata_piix', 'ata_generic', 'pata_acpi'], ['sd_mod']];
  if (bus === 'nvme') return [['nvme']];
  // Where nothing else is said, a target puts SCSI disks on virtio's controller.
  const model = Object.hasOwn(SCSI, controllerModel ?? '') ? (controllerModel ?? '') : null;
  if (model === null && controllerModel !== null) return [];
  return [...(SCSI[model ?? 'virtio-scsi'] ?? []), ['sd_mod']];
}

/** What the running system needs. Nothing for a model not known here. */
export function nicNeeds({ model }: Pick<VmNic, 'model'>): Need[] {
  return Object.hasOwn(NICS, model) ? (NICS[model] ?? []) : [];
}

/** Needs of the whole VM: those of the boot, which lie in the initramfs, and those of the running system. */
export function needsOf(vm: Pick<VmDescription, 'disks' | 'nics'>): { boot: Need[]; run: Need[] } {
  return { boot: vm.disks.flatMap(diskNeeds), run: vm.nics.flatMap(nicNeeds) };
}

/**
 * Needs that the kernel does not meet: before its root file system is there, or, for `run`, at all. Those of which the
 * initramfs would have to tell, and could not be read, count as met; `initramfsRead` says so.
 */
export function missingDrivers(kernel: GuestKernel, { boot, run }: { boot: Need[]; run: Need[] }): Need[] {
  const has = (name: string, states: readonly string[]) =>
    states.includes((kernel.drivers as Record<string, string>)[name] ?? 'none');
  const early = ['built-in', 'initramfs', ...(kernel.initramfsRead ? [] : ['module'])];
  const lacking = (needs: readonly Need[], states: readonly string[]) =>
    needs.filter((need) => !need.some((name) => has(name, states)));
  return [...lacking(boot, early), ...lacking(run, ['built-in', 'initramfs', 'module'])];
}
