import type { FindingKind } from '../../model/finding.js';

/** What is found of disks and their files. */
export const DISK_FINDINGS: Readonly<Record<string, FindingKind>> = {
  'disk.backing-format': {
    severity: 'warning',
    title: 'An image does not say of which format the one beneath it is.',
    basis: 'QEMU, docs/interop/qcow2.txt, header extension 0xe2792aca.',
  },
  'disk.bus': {
    severity: 'warning',
    title: 'A disk is on a bus that is not carried over.',
    basis: 'VirtualBox-settings.xsd, StorageController.',
  },
  'disk.capacity': {
    severity: 'blocking',
    title: "The descriptor's capacity of a disk cannot be read.",
    basis: 'DSP0243, DiskSection: ovf:capacity, ovf:capacityAllocationUnits.',
  },
  'disk.corrupt': {
    severity: 'blocking',
    title: 'An image is marked as corrupt.',
    basis: 'QEMU, docs/interop/qcow2.txt, incompatible features.',
  },
  'disk.cut-off': {
    severity: 'blocking',
    title: 'A file or a raw disk is shorter than the descriptor says.',
    basis: 'DSP0243, References: ovf:size; DiskSection: ovf:capacity.',
  },
  'disk.delta': {
    severity: 'blocking',
    title: 'A disk holds only what differs from another.',
    basis: 'DSP0243, DiskSection: ovf:parentRef.',
  },
  'disk.differencing': {
    severity: 'blocking',
    title: 'An image holds only what differs from its parent, and cannot be read with it.',
    basis: "Microsoft, VHD 1.0 and MS-VHDX; VirtualBox's VDI; VMware, Virtual Disk Format 5.0, parentCID.",
  },
  'disk.dirty': {
    severity: 'warning',
    title: 'An image was not closed, or is in use.',
    basis: 'QEMU, docs/interop/qcow2.txt; VMware, Virtual Disk Format 5.0, uncleanShutdown.',
  },
  'disk.empty': {
    severity: 'info',
    title: 'A disk has a size and no file: it is made empty.',
    basis: 'DSP0243, DiskSection: ovf:fileRef is optional.',
  },
  'disk.encrypted': {
    severity: 'blocking',
    title: 'A disk is encrypted.',
    basis: "The image's header, or VirtualBox-settings.xsd, CRYPT/KeyId.",
  },
  'disk.extent-not-read': {
    severity: 'blocking',
    title: 'A VMDK has parts that QEMU leaves out.',
    basis: 'VMware, Virtual Disk Format 5.0, extent descriptions; QEMU, block/vmdk.c.',
  },
  'disk.file-size': {
    severity: 'warning',
    title: 'A file has another size than the descriptor says.',
    basis: 'DSP0243, References: ovf:size.',
  },
  'disk.footer-missing': {
    severity: 'warning',
    title: 'A VHD does not end with its footer.',
    basis: 'Microsoft, VHD 1.0, hard disk footer.',
  },
  'disk.format': {
    severity: 'blocking',
    title: 'A disk has a format that cannot be read here.',
    basis: 'VirtualBox-settings.xsd, HardDisk format.',
  },
  'disk.format-doubt': {
    severity: 'warning',
    title: 'What was declared as raw looks like another format, or compressed.',
    basis: 'The first bytes of the image.',
  },
  'disk.format-guessed': {
    severity: 'warning',
    title: 'The name of an image does not say its format.',
    basis: 'The first bytes of the image.',
  },
  'disk.format-unknown': {
    severity: 'warning',
    title: "The descriptor's format of a disk is not known.",
    basis: 'DSP0243, DiskSection: ovf:format.',
  },
  'disk.independent': {
    severity: 'info',
    title: 'A disk is left out of snapshots.',
    basis: 'VMX mode; VirtualBox-settings.xsd, Writethrough.',
  },
  'disk.kind': {
    severity: 'blocking',
    title: 'A drive is of a kind that cannot be read.',
    basis: 'VMX deviceType.',
  },
  'disk.kind-not-read': {
    severity: 'blocking',
    title: 'A VMDK is of a kind that QEMU cannot read.',
    basis: 'VMware, Virtual Disk Format 5.0, createType; QEMU, block/vmdk.c.',
  },
  'disk.locked': {
    severity: 'blocking',
    title: 'Another program has an image open for writing.',
    basis: 'proc(5), fdinfo, of every process of this machine.',
  },
  'disk.log-not-replayed': {
    severity: 'blocking',
    title: 'An image has writes in its log only.',
    basis: 'MS-VHDX, Log; seSparse VMDK as QEMU reads it (block/vmdk.c).',
  },
  'disk.no-controller': {
    severity: 'warning',
    title: 'No controller is said for a disk.',
    basis: 'DSP0243, VirtualHardwareSection: Parent of an item.',
  },
  'disk.no-file': {
    severity: 'blocking',
    title: 'A disk names no file, or one that the descriptor lacks.',
    basis: 'DSP0243, DiskSection; VMX fileName; VirtualBox-settings.xsd, MediaRegistry.',
  },
  'disk.no-size': {
    severity: 'blocking',
    title: 'A disk has neither content nor a size.',
    basis: 'The descriptor and the image.',
  },
  'disk.outside': {
    severity: 'blocking',
    title: 'A disk is no file beside the descriptor.',
    basis: 'Nothing outside the package is opened.',
  },
  'disk.raw-device': {
    severity: 'blocking',
    title: 'A disk is a device of its host.',
    basis: 'VMX deviceType; VMware, Virtual Disk Format 5.0, VMFSRDM; oVirt, lun_id.',
  },
  'disk.readonly': {
    severity: 'warning',
    title: 'A disk is read-only, and will not be.',
    basis: 'oVirt, read-only; VirtualBox-settings.xsd, Readonly.',
  },
  'disk.redo-log': {
    severity: 'blocking',
    title: 'The latest changes of a disk are in a redo log.',
    basis: 'VMX redo.',
  },
  'disk.same-file': {
    severity: 'warning',
    title: 'More than one disk stands for the same file.',
    basis: 'DSP0243, DiskSection: ovf:fileRef; the names of files in VMX, .vbox and libvirt XML.',
  },
  'disk.same-name': {
    severity: 'blocking',
    title: 'Disks that were different files have the same name.',
    basis: 'libvirt, domain XML, disk source; beside the XML only the last part of a path counts.',
  },
  'disk.sector-size': {
    severity: 'blocking',
    title: 'A disk has sectors of 4096 bytes.',
    basis: 'MS-VHDX, Logical Sector Size.',
  },
  'disk.shareable': {
    severity: 'blocking',
    title: 'Other machines may write to a disk.',
    basis: 'VMX sharing and sharedBus; DSP0243, SharedDiskSection; VirtualBox-settings.xsd, Shareable.',
  },
  'disk.size-differs': {
    severity: 'warning',
    title: 'A disk has another size than the descriptor says.',
    basis: 'DSP0243, DiskSection: ovf:capacity, against the image.',
  },
  'disk.size-doubt': {
    severity: 'warning',
    title: 'A VHD has another size by its geometry.',
    basis: 'Microsoft, VHD 1.0; QEMU, block/vpc.c, whose size counts of which creator.',
  },
  'disk.snapshot-layer': {
    severity: 'info',
    title: 'A disk is the newest of several layers that snapshots made.',
    basis: "VMware's names of such layers (-000001.vmdk).",
  },
  'disk.snapshots': {
    severity: 'info',
    title: 'The image of a disk holds snapshots, which stay behind.',
    basis: 'QEMU, docs/interop/qcow2.txt, snapshots.',
  },
  'disk.transient': {
    severity: 'warning',
    title: 'A disk forgets what is written when the VM stops.',
    basis: 'VMX mode; VirtualBox-settings.xsd, Immutable.',
  },
  'disk.unaligned': {
    severity: 'warning',
    title: 'A disk ends within a sector.',
    basis: 'ATA and SCSI address whole blocks.',
  },
  'disk.unattached': {
    severity: 'warning',
    title: 'The descriptor has disks that no VM uses.',
    basis: 'DSP0243, DiskSection, against the items.',
  },
  'disk.unreadable': {
    severity: 'blocking',
    title: "A disk's file is not there.",
    basis: 'It was looked for beside the descriptor.',
  },
  'file.compression': {
    severity: 'blocking',
    title: 'A file is compressed in a way that is not known.',
    basis: 'DSP0243, References: ovf:compression.',
  },
  'file.unused': {
    severity: 'info',
    title: 'The package has files that no VM uses.',
    basis: 'DSP0243, References, against the disks.',
  },
};
