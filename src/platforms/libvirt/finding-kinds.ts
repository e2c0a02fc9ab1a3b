import type { Finding, FindingKind } from '../../model/finding.js';

/** Everything that a libvirt source finds by itself. A finding of another id does not compile. */
export const LIBVIRT_FINDINGS = {
  'site.tools': {
    severity: 'blocking',
    title: 'Programs that the site needs are not there.',
    basis: 'They were looked for at the site.',
  },
  'site.backup-unsupported': {
    severity: 'blocking',
    title: "The VM runs, and the site's libvirt or QEMU has no backup jobs, by which a running VM is copied.",
    basis:
      'libvirt.org/formatdomaincaps.html, backup (from libvirt 6.0 with QEMU 4.2; by itself from libvirt 7.6 with QEMU 6.1).',
  },
  'scratch.space': {
    severity: 'blocking',
    title: 'There is too little room at the source for a backup job.',
    basis: 'libvirt.org/formatbackup.html, scratch: what the guest overwrites while the job runs is kept there.',
  },
  'vm.transient': {
    severity: 'blocking',
    title: 'The VM has no definition that stays when it stops.',
    basis: 'virsh dominfo, Persistent.',
  },
  'vm.managed-save': {
    severity: 'blocking',
    title: "The VM's memory is saved beside its disks.",
    basis: 'virsh dominfo, Managed save.',
  },
  'vm.paused': {
    severity: 'warning',
    title: 'The VM is paused.',
    basis: 'virsh domstate.',
  },
  'vm.snapshots': {
    severity: 'warning',
    title: 'The VM has snapshots, which are not carried over.',
    basis: 'libvirt.org/formatsnapshot.html; virsh snapshot-list.',
  },
  'vm.managed': {
    severity: 'warning',
    title: 'OpenStack, oVirt and their like look after the VM, and may start it again or move it.',
    basis: 'What they write into the metadata (libvirt.org/formatdomain.html, metadata).',
  },
  'vm.lease': {
    severity: 'warning',
    title: 'The VM holds leases of a lock manager, as highly available VMs do.',
    basis: 'libvirt.org/formatdomain.html, device leases.',
  },
  'job.foreign': {
    severity: 'blocking',
    title: 'Another job works on the VM: a backup, a migration, a dump.',
    basis: 'virsh domjobinfo, and the backup job of libvirt.org/formatbackup.html.',
  },
  'checkpoint.foreign': {
    severity: 'warning',
    title: "Other software tracks the VM's changes.",
    basis: 'virsh checkpoint-list.',
  },
  'definition.differs': {
    severity: 'warning',
    title: 'What runs has other disks or network cards than what is defined.',
    basis: 'virsh dumpxml against virsh dumpxml --inactive.',
  },
  'agent.missing': {
    severity: 'info',
    title: 'There is a channel for the guest agent, and nobody answers (without a channel, see above).',
    basis: 'libvirt.org/formatdomain.html, channel: the state of its target.',
  },
  'shutdown.no-acpi': {
    severity: 'warning',
    title: 'The guest cannot be asked to shut down: the VM has no ACPI, and no agent answers.',
    basis: 'virsh(1), shutdown --mode; libvirt.org/formatdomain.html, features.',
  },
  'shutdown.not-off': {
    severity: 'warning',
    title: 'The VM does not end when its guest shuts down.',
    basis: 'libvirt.org/formatdomain.html, on_poweroff.',
  },
  'boot.direct-kernel': {
    severity: 'blocking',
    title: 'The VM boots a kernel from a file of its host.',
    basis: 'libvirt.org/formatdomain.html, direct kernel boot.',
  },
  'cpu.architecture': {
    severity: 'blocking',
    title: 'The VM is not for x86.',
    basis: 'libvirt.org/formatdomain.html, os/type.',
  },
  'cpu.host-model': {
    severity: 'warning',
    title: 'The VM has the processor of its host.',
    basis: 'libvirt.org/formatdomain.html, cpu mode.',
  },
  'cpu.numa': {
    severity: 'warning',
    title: 'The guest sees NUMA nodes, or its memory is bound to those of its host.',
    basis: 'libvirt.org/formatdomain.html, cpu/numa and numatune.',
  },
  'cpu.pinned': {
    severity: 'warning',
    title: 'The VM is pinned to processors of its host.',
    basis: 'libvirt.org/formatdomain.html, cputune and vcpu/cpuset.',
  },
  'cpu.hotplug': {
    severity: 'info',
    title: 'The VM has fewer processors than could be plugged in.',
    basis: 'libvirt.org/formatdomain.html, vcpu/current.',
  },
  'memory.hotplug': {
    severity: 'info',
    title: 'Memory can be plugged into the VM.',
    basis: 'libvirt.org/formatdomain.html, maxMemory and memory devices.',
  },
  'memory.ballooned': {
    severity: 'info',
    title: 'The VM gave memory back to its host.',
    basis: 'libvirt.org/formatdomain.html, currentMemory.',
  },
  'tuning.limits': {
    severity: 'info',
    title: 'Shares and limits of the VM are not carried over.',
    basis: 'libvirt.org/formatdomain.html, cputune, blkiotune, memtune, iothreads.',
  },
  'firmware.variables-missing': {
    severity: 'blocking',
    title: 'The file of the UEFI variables of a VM that runs is not there.',
    basis: 'libvirt.org/formatdomain.html, nvram; it was looked for.',
  },
  'firmware.variables-elsewhere': {
    severity: 'blocking',
    title: 'The UEFI variables lie in no file.',
    basis: 'libvirt.org/formatdomain.html, nvram type.',
  },
  'tpm.state-missing': {
    severity: 'blocking',
    title: 'The state of the TPM of a VM that runs is not there.',
    basis: "libvirt's QEMU driver, where it keeps an emulated TPM; it was looked for.",
  },
  'tpm.passthrough': {
    severity: 'blocking',
    title: "The VM uses its host's TPM.",
    basis: 'libvirt.org/formatdomain.html, TPM backend.',
  },
  'tpm.external': {
    severity: 'blocking',
    title: "The TPM's state lies elsewhere than where libvirt keeps it.",
    basis: 'libvirt.org/formatdomain.html, TPM backend.',
  },
  'tpm.encrypted': {
    severity: 'blocking',
    title: "The TPM's state is encrypted with a secret of the host.",
    basis: 'libvirt.org/formatdomain.html, TPM encryption.',
  },
  'hostdev.passthrough': {
    severity: 'blocking',
    title: 'Devices of the host are passed through to the VM.',
    basis: 'libvirt.org/formatdomain.html, hostdev.',
  },
  'hostdev.usb': {
    severity: 'blocking',
    title: 'USB devices of the host are passed through to the VM; a warning where it can start without them.',
    basis: 'libvirt.org/formatdomain.html, hostdev of the type usb, startupPolicy.',
  },
  'nic.sriov': {
    severity: 'blocking',
    title: 'A network card of the VM is a part of one of the host (SR-IOV).',
    basis: 'libvirt.org/formatdomain.html, interface of the type hostdev.',
  },
  'nic.kind': {
    severity: 'warning',
    title: 'A network card is connected in another way than by a network or a bridge.',
    basis: 'libvirt.org/formatdomain.html, interface type.',
  },
  'filesystem.shared': {
    severity: 'blocking',
    title: 'The guest uses a folder of its host.',
    basis: 'libvirt.org/formatdomain.html, filesystem.',
  },
  'security.encrypted-memory': {
    severity: 'blocking',
    title: "The VM's memory is encrypted by its host's processor.",
    basis: 'libvirt.org/formatdomain.html, launchSecurity.',
  },
  'qemu.commandline': {
    severity: 'warning',
    title: 'The VM has arguments that are given straight to QEMU.',
    basis: 'libvirt.org/drvqemu.html, pass-through of arbitrary commands.',
  },
  'device.not-carried-over': {
    severity: 'info',
    title: 'The VM has devices that its copy will not have.',
    basis: 'What is on no list of devices that are carried over.',
  },
  'setting.not-carried-over': {
    severity: 'info',
    title: 'The VM has settings that its copy will not have.',
    basis: 'What is on no list of elements that are carried over.',
  },
  'removable.medium': {
    severity: 'info',
    title: 'A CD or floppy is inserted.',
    basis: 'libvirt.org/formatdomain.html, disk of the device cdrom or floppy.',
  },
  'disk.unreadable': {
    severity: 'blocking',
    title: "A disk's size cannot be read.",
    basis: 'virsh domblkinfo, and qemu-img info.',
  },
  'disk.locked': {
    severity: 'blocking',
    title: 'The VM is off, and another program has a disk open for writing.',
    basis: "proc(5), fdinfo, of every process of the host; QEMU's image locking (qemu-img(1), -U).",
  },
  'disk.block-job': {
    severity: 'blocking',
    title: 'A disk is just copied or merged with its snapshots.',
    basis: 'libvirt.org/formatdomain.html, mirror; libvirt 9.0 begins no backup job beside it (tried).',
  },
  'disk.network': {
    severity: 'blocking',
    title: 'A disk lies on storage that is reached over the network.',
    basis: 'libvirt.org/formatdomain.html, disk type.',
  },
  'disk.format': {
    severity: 'blocking',
    title: 'A disk has a format that cannot be read here.',
    basis: 'libvirt.org/formatdomain.html, driver type of a disk.',
  },
  'disk.encrypted': {
    severity: 'blocking',
    title: 'A disk is encrypted with a secret of the host.',
    basis: 'libvirt.org/formatstorageencryption.html; qemu-img info.',
  },
  'disk.shareable': {
    severity: 'blocking',
    title: 'Other VMs may write to a disk.',
    basis: 'libvirt.org/formatdomain.html, shareable.',
  },
  'disk.transient': {
    severity: 'blocking',
    title: 'What the guest writes to a disk is thrown away.',
    basis: 'libvirt.org/formatdomain.html, transient.',
  },
  'disk.lun-passthrough': {
    severity: 'blocking',
    title: 'A disk is a SCSI device of the host.',
    basis: 'libvirt.org/formatdomain.html, disk of the device lun.',
  },
  'disk.readonly': {
    severity: 'warning',
    title: 'A disk is read-only, and will not be.',
    basis: 'libvirt.org/formatdomain.html, readonly.',
  },
  'disk.bus': {
    severity: 'warning',
    title: 'A disk is on a bus that is not carried over.',
    basis: 'libvirt.org/formatdomain.html, target bus of a disk.',
  },
  'disk.backing-chain': {
    severity: 'info',
    title: 'A disk stands on other images; its copy is one.',
    basis: 'qemu-img info, backing file.',
  },
  'disk.internal-snapshots': {
    severity: 'warning',
    title: 'The image of a disk holds snapshots, which stay behind.',
    basis: 'qemu-img info, snapshots.',
  },
} as const satisfies Record<string, FindingKind>;

export type LibvirtFinding = Finding & { id: keyof typeof LIBVIRT_FINDINGS };
