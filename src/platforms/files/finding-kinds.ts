import type { FindingKind } from '../../model/finding.js';
import { DISK_FINDINGS } from './finding-kinds-disks.js';

/** What is found of machines as a whole, and of their devices. */
const MACHINE_FINDINGS: Readonly<Record<string, FindingKind>> = {
  'boot.direct-kernel': {
    severity: 'blocking',
    title: 'The VM boots a kernel from a file of its host (oVirt).',
    basis: 'oVirt engine, OvfWriter: kernel_url, initrd_url.',
  },
  'boot.order': {
    severity: 'info',
    title: 'The VM tries other things than its disks first.',
    basis: 'VMX bios.bootOrder; OVF BootOrderSection of VMware; VirtualBox-settings.xsd, Boot.',
  },
  'clock.offset': {
    severity: 'info',
    title: "The VM's clock is set off from UTC.",
    basis: 'VMX rtc.diffFromUTC.',
  },
  'cpu.architecture': {
    severity: 'blocking',
    title: 'The VM is not for x86.',
    basis: "The guest's system as declared, or VirtualBox-settings.xsd, Platform.",
  },
  'cpu.hotplug': {
    severity: 'info',
    title: 'Processors can be added to the VM while it runs.',
    basis: 'VMX vcpu.hotadd; OVF cpuHotAddEnabled; VirtualBox-settings.xsd, CPU hotplug.',
  },
  'cpu.numa': {
    severity: 'warning',
    title: 'The VM is laid out for NUMA nodes.',
    basis: 'VMX numa.nodeAffinity and numa.vcpu; in an OVF the same as ExtraConfig.',
  },
  'cpu.pinned': {
    severity: 'warning',
    title: 'The VM is tied to processors or memory of its host.',
    basis:
      'VMX sched.cpu.affinity, sched.cpu.latencySensitivity, sched.mem.affinity; in an OVF the same as ExtraConfig.',
  },
  'cpu.topology': {
    severity: 'warning',
    title: 'The processors do not make whole sockets; each gets a socket.',
    basis: 'VMX cpuid.coresPerSocket; OVF CoresPerSocket.',
  },
  'cpu.unstated': {
    severity: 'warning',
    title: 'The number of processors is not said.',
    basis: 'DSP0243, VirtualHardwareSection: VirtualQuantity of an item of the type 3.',
  },
  'device.not-carried-over': {
    severity: 'info',
    title: 'The VM has devices that its copy will not have.',
    basis: 'What is on no list of devices that are carried over.',
  },
  'device.nvdimm': {
    severity: 'blocking',
    title: 'The VM has persistent memory.',
    basis: "VMware's OVF, vmware.nvdimm.device.",
  },
  'device.required': {
    severity: 'blocking',
    title: 'The descriptor requires a device that is not carried over.',
    basis: 'DSP0243, VirtualHardwareSection: ovf:required of an item.',
  },
  'filesystem.shared': {
    severity: 'warning',
    title: 'The guest is given folders of its host.',
    basis: 'VMX sharedFolder; VirtualBox-settings.xsd, SharedFolders.',
  },
  'firmware.32-bit': {
    severity: 'blocking',
    title: 'The VM starts with a 32-bit UEFI.',
    basis: 'VirtualBox-settings.xsd, EFI32.',
  },
  'firmware.mismatch': {
    severity: 'warning',
    title: 'The VM is described with secure boot and a BIOS, which does not go together.',
    basis: 'UEFI 2.10, 32: secure boot is a part of UEFI. VMX uefi.secureBoot.enabled; OVF of VMware, Xen, oVirt.',
  },
  'firmware.unknown': {
    severity: 'warning',
    title: 'The firmware is of a kind that is not known.',
    basis: "VMX and VMware's OVF, firmware; oVirt, BiosType.",
  },
  'firmware.variables-format': {
    severity: 'warning',
    title: "The UEFI variables are in a form of VMware's or VirtualBox's own.",
    basis: 'VMX nvram; VirtualBox-settings.xsd, NVRAM.',
  },
  'firmware.variables-missing': {
    severity: 'warning',
    title: "The file of the UEFI variables does not lie beside libvirt's XML.",
    basis: 'libvirt.org/formatdomain.html, nvram; it was looked for by its name.',
  },
  'firmware.variables-new': {
    severity: 'info',
    title: 'The VM gets new UEFI variables.',
    basis: "Only QEMU's own (libvirt.org/formatdomain.html, nvram) are of use to it.",
  },
  'hostdev.passthrough': {
    severity: 'blocking',
    title: 'Devices of the host are passed through to the VM.',
    basis: 'VMX pciPassthru; OVF, vmware.pci.passthrough; VirtualBox-settings.xsd, HostPci; Xen API, VGPU.',
  },
  'hostdev.usb': {
    severity: 'warning',
    title: 'USB devices of the host are given to the VM when they are plugged in.',
    basis: 'VMX usb.autoConnect; VirtualBox-settings.xsd, DeviceFilters.',
  },
  'memory.ballooned': {
    severity: 'info',
    title: 'How much memory may be taken back from the VM is bounded.',
    basis: 'VMX sched.mem.maxmemctl; VirtualBox-settings.xsd, memoryBalloonSize.',
  },
  'memory.hotplug': {
    severity: 'info',
    title: 'Memory can be added to the VM while it runs.',
    basis: 'VMX mem.hotadd; OVF memoryHotAddEnabled.',
  },
  'manifest.missing': {
    severity: 'info',
    title: 'An OVF package has no manifest.',
    basis: 'DSP0243, section 5.1: a file with the ending .mf and digests of all others.',
  },
  'manifest.name': {
    severity: 'warning',
    title: 'The manifest is not called as the descriptor.',
    basis: 'DSP0243, section 5.1; a package is held against any .mf in its archive, and against NAME.ovf.mf.',
  },
  'manifest.unused': {
    severity: 'warning',
    title: 'A manifest belongs to no descriptor in its directory.',
    basis: 'DSP0243, section 5.1: it is called as the descriptor, with .mf.',
  },
  'memory.unstated': {
    severity: 'blocking',
    title: 'The amount of memory is not said.',
    basis: 'DSP0243, VirtualHardwareSection: VirtualQuantity of an item of the type 4; VMX memsize.',
  },
  'nic.address-made': {
    severity: 'info',
    title: 'A network card without an address was given one.',
    basis: 'The descriptor has none; derived from site, package and card.',
  },
  'nic.address-missing': {
    severity: 'info',
    title: 'No address is said for a network card.',
    basis: 'DSP0243, VirtualHardwareSection: Address of an item of the type 10.',
  },
  'nic.disconnected': {
    severity: 'info',
    title: 'The cable of a network card is unplugged.',
    basis: 'VMX startConnected; OVF AutomaticAllocation; VirtualBox-settings.xsd, cable.',
  },
  'nic.kind': {
    severity: 'warning',
    title: 'A network card is connected to nothing, or in a way that is not carried over.',
    basis: 'VMX connectionType; OVF Connection; VirtualBox-settings.xsd, Adapter.',
  },
  'nic.mac': {
    severity: 'warning',
    title: 'A network card has no address yet.',
    basis: 'VMX address, generatedAddress.',
  },
  'nic.model': {
    severity: 'warning',
    title: 'A network card is of a model that is not carried over.',
    basis: 'VMX virtualDev; OVF ResourceSubType; VirtualBox-settings.xsd, Adapter type.',
  },
  'nic.port-forwarding': {
    severity: 'warning',
    title: 'Ports of the host are forwarded to the VM.',
    basis: 'VirtualBox-settings.xsd, NAT Forwarding.',
  },
  'nic.sriov': {
    severity: 'blocking',
    title: 'A network card of the VM is a part of one of the host (SR-IOV).',
    basis: 'VMX virtualDev; OVF ResourceSubType, in oVirt pciPassthrough.',
  },
  'ovf.configuration': {
    severity: 'warning',
    title: 'The package can be set up in several ways.',
    basis: 'DSP0243, DeploymentOptionSection.',
  },
  'ovf.eula': {
    severity: 'info',
    title: 'The package has a licence agreement.',
    basis: 'DSP0243, EulaSection.',
  },
  'ovf.hardware-choice': {
    severity: 'warning',
    title: 'The hardware is described in several ways.',
    basis: 'DSP0243, VirtualHardwareSection.',
  },
  'ovf.install': {
    severity: 'warning',
    title: 'The VM has to be started once to finish its installation.',
    basis: 'DSP0243, InstallSection.',
  },
  'ovf.instance-twice': {
    severity: 'warning',
    title: 'Two controllers have the same number.',
    basis: 'DSP0243, VirtualHardwareSection: InstanceID is unique.',
  },
  'ovf.properties': {
    severity: 'info',
    title: 'The guest may expect properties when it starts.',
    basis: 'DSP0243, ProductSection.',
  },
  'ovf.section-required': {
    severity: 'blocking',
    title: 'The descriptor requires what is not known here.',
    basis: 'DSP0243, ovf:required of a section.',
  },
  'ovf.startup': {
    severity: 'info',
    title: 'The package says in which order its machines start.',
    basis: 'DSP0243, StartupSection.',
  },
  'removable.medium': {
    severity: 'info',
    title: 'A CD or floppy is inserted.',
    basis: "The descriptor's drives.",
  },
  'serial.backend': {
    severity: 'info',
    title: 'A serial port is connected to something at the source.',
    basis: 'VMX serial; VirtualBox-settings.xsd, UART.',
  },
  'setting.not-carried-over': {
    severity: 'info',
    title: 'The VM has settings that its copy will not have.',
    basis: 'What is on no list of settings that are carried over.',
  },
  'tpm.external': {
    severity: 'blocking',
    title: 'The VM has a TPM, whose content is not carried over.',
    basis: 'VMX vtpm; OVF, vmware.vtpm; VirtualBox-settings.xsd, TrustedPlatformModule.',
  },
  'tpm.passthrough': {
    severity: 'blocking',
    title: "The VM uses its host's TPM.",
    basis: 'VirtualBox-settings.xsd, TrustedPlatformModule.',
  },
  'tpm.state-missing': {
    severity: 'blocking',
    title: "The package does not hold the TPM's state.",
    basis: 'No kind of package has a place for it.',
  },
  'vbox.version': {
    severity: 'warning',
    title: 'A machine file is newer than what is known here.',
    basis: 'VirtualBox-settings.xsd, version.',
  },
  'vm.consolidation': {
    severity: 'warning',
    title: 'Disks stand on layers that belong to no snapshot.',
    basis: 'VMSD snapshot.needConsolidate, and the layers against its list.',
  },
  'vm.encrypted': {
    severity: 'blocking',
    title: 'The VM is encrypted, in whole or in part.',
    basis: 'VMX encryption.keySafe, encryption.data.',
  },
  'vm.no-hardware': {
    severity: 'blocking',
    title: 'The descriptor does not describe the hardware.',
    basis: 'DSP0243, VirtualHardwareSection.',
  },
  'vm.no-name': {
    severity: 'blocking',
    title: 'The VM has no name.',
    basis: 'DSP0243, Name and ovf:id.',
  },
  'vm.paravirtual': {
    severity: 'blocking',
    title: 'The VM is one that Xen itself starts.',
    basis: 'Xen API, HVM_boot_policy; DSP0243, VirtualSystemType.',
  },
  'vm.placement': {
    severity: 'info',
    title: 'oVirt starts the VM again where it does not run, or has hosts for it.',
    basis: 'oVirt engine, OvfWriter: AutoStartup, LeaseDomainId, DedicatedVmForVds, affinity.',
  },
  'vm.snapshots': {
    severity: 'warning',
    title: 'The VM has snapshots, which are not carried over.',
    basis: 'VMSD; VirtualBox-settings.xsd, Snapshot; oVirt, SnapshotsSection.',
  },
  'vm.suspended': {
    severity: 'blocking',
    title: 'The VM is suspended.',
    basis: 'VMX checkpoint.vmState; VirtualBox-settings.xsd, stateFile.',
  },
  'vm.undescribed': {
    severity: 'warning',
    title: 'There is only a disk: nothing says what machine it was of.',
    basis: 'A bare image carries no description.',
  },
  'vm.uuid': {
    severity: 'warning',
    title: 'The file gives the VM no UUID.',
    basis: 'VMX uuid.bios.',
  },
  'vm.uuid-made': {
    severity: 'info',
    title: 'A VM without a UUID was given one.',
    basis: 'The descriptor has none; derived from site and package.',
  },
  'vmx.duplicate-key': {
    severity: 'warning',
    title: 'Settings stand in the file more than once, each with another value.',
    basis: 'VMware starts no such VM.',
  },
  'vmx.encoding': {
    severity: 'info',
    title: 'The file is in another encoding than UTF-8.',
    basis: 'VMX .encoding.',
  },
};

/** Everything that machines in files are found with, beside what is found in libvirt's XML (see libvirt's own list). */
export const FILES_FINDINGS: Readonly<Record<string, FindingKind>> = { ...MACHINE_FINDINGS, ...DISK_FINDINGS };
