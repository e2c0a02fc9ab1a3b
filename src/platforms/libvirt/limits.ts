import type { TargetLimits } from '../../model/target.js';

/**
 * What a VM can be given here. Drives on PCI: a bus number is a byte (PCI Local Bus 3.0, 3.2.2.3.2), on q35 each drive takes
 * a root port with a bus of its own (libvirt.org/pci-hotplug.html), and some are left for other devices.
 */
const PCI_DRIVES = 200;
/** Unit 7 is the controller's own (libvirt.org/formatdomain.html, drive addresses). More than one controller is not defined. */
const SCSI_DRIVES = 15;

export const LIMITS: TargetLimits = {
  // More need an IOMMU with extended interrupt mode, which is not defined (libvirt.org/formatdomain.html, iommu).
  cpus: 255,
  name: {
    pattern: /^[^-.\s/\p{Cc}](?:[^/\p{Cc}]*[^\s/\p{Cc}])?$/u,
    // As a file's name, with room for `-rehearsal-<id>` and `.xml`.
    mostBytes: 220,
    inWords:
      'of 220 bytes at most, without "/" and control characters, that begin with no "-", "." or space and end with no space',
  },
  machines: {
    // The PIIX3 has two channels of two drives each; AHCI controllers are added as needed.
    pc: { ide: 4, sata: PCI_DRIVES, scsi: SCSI_DRIVES, virtio: PCI_DRIVES },
    q35: { sata: PCI_DRIVES, scsi: SCSI_DRIVES, virtio: PCI_DRIVES },
  },
  machineFor: { bios: 'pc', uefi: 'q35' },
  largestDiskBytes: {
    // With clusters of 64 KiB and the largest L1 table that QEMU takes, 32 MiB (block/qcow2.h); tried with qemu-img 7.2.
    qcow2: 2 ** 51,
    // QEMU takes 8 EiB; a description can say no more than this.
    raw: Number.MAX_SAFE_INTEGER,
  },
  // QEMU rounds up (block/qcow2.c, block/raw-format.c).
  diskUnitBytes: 512,
  // Others would need the element blockio.
  sectorBytes: [512],
  otherBus: null,
  nicModels: {
    has: ['virtio', 'e1000', 'e1000e', 'rtl8139', 'ne2k_pci', 'pcnet', 'vmxnet3', 'igb'],
    otherwise: 'e1000',
  },
  scsiControllers: {
    has: ['virtio-scsi', 'lsilogic', 'lsisas1068', 'lsisas1078', 'virtio-transitional', 'vmpvscsi'],
    otherwise: 'virtio-scsi',
  },
  displays: { has: ['vga', 'cirrus', 'virtio', 'qxl', 'bochs', 'none'], otherwise: 'vga' },
  sounds: { has: ['ich6', 'ich7', 'ich9', 'ac97', 'es1370', 'sb16'], otherwise: null },
  tpmVersions: ['1.2', '2.0'],
};
