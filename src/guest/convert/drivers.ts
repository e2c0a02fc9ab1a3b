import type { VmDescription, VmDisk, VmNic } from '../../model/vm.js';

/** Linux modules that drive the devices a target gives (drivers/ata, drivers/scsi, drivers/net of the kernel's source). */

/** One of each list is needed. */
export type Need = readonly string[];

const SCSI: Record<string, Need[]> = {
  'virtio-scsi': [['virtio_scsi'], ['virtio_pci']],
  'virtio-transitional': [['virtio_scsi'], ['virtio_pci']],
  lsilogic: [['mptspi']],
  lsisas1068: [['mptsas']],
  lsisas1078: [['megaraid_sas']],
  vmpvscsi: [['vmw_pvscsi']],
};
const NICS: Record<string, Need[]> = {
  virtio: [['virtio_net'], ['virtio_pci']],
  e1000: [['e1000']],
  e1000e: [['e1000e']],
  rtl8139: [['8139cp', '8139too']],
  pcnet: [['pcnet32']],
  ne2k_pci: [['ne2k-pci']],
  vmxnet3: [['vmxnet3']],
  igb: [['igb']],
};

/** What the initramfs, or the kernel itself, has to hold so that the disk is found. */
export function diskNeeds({ bus, controllerModel }: Pick<VmDisk, 'bus' | 'controllerModel'>): Need[] {
  if (bus === 'virtio') return [['virtio_blk'], ['virtio_pci']];
  if (bus === 'sata') return [['ahci'], ['sd_mod']];
  if (bus === 'ide')
    return [
      ['ata_piix', 'pata_acpi', 'ata_generic', 'piix'],
      ['sd_mod', 'ide-gd_mod', 'ide-disk'],
    ];
  if (bus === 'nvme') return [['nvme']];
  return [...(SCSI[controllerModel ?? 'lsilogic'] ?? []), ['sd_mod']];
}

export function nicNeeds({ model }: Pick<VmNic, 'model'>): Need[] {
  return NICS[model] ?? [[model]];
}

/** Needs of the whole VM: those of the boot, which lie in the initramfs, and those of the running system. */
export function needsOf(vm: VmDescription): { boot: Need[]; run: Need[] } {
  return { boot: vm.disks.flatMap(diskNeeds), run: vm.nics.flatMap(nicNeeds) };
}
