import type { FindingKind } from '../model/finding.js';

/** Everything that is found while a guest's files are read or its conversion is tried, beside the rules. */
export const GUEST_FINDINGS = {
  'guest.fstab-device': {
    severity: 'warning',
    title:
      'A file names a disk by something that may be otherwise at the target, and it could not be told which disk that is.',
    basis:
      "fstab(5), crypttab(5), the boot loader's files; udev names disks by their bus (/dev/sdX, by-path) or serial number (by-id).",
  },
  'guest.fstab-removable': {
    severity: 'info',
    title: 'fstab mounts a removable drive at each boot.',
    basis: 'fstab(5), systemd.mount(5): without `nofail` the boot waits for it.',
  },
  'guest.boot-root': {
    severity: 'warning',
    title: 'The boot loader finds the root file system in a way that may not hold at the target.',
    basis: "The kernel's documentation, admin-guide/kernel-parameters, root=.",
  },
  'guest.grub-device-map': {
    severity: 'info',
    title: 'A map of GRUB names disks as they were called at the source.',
    basis: 'The manual of GRUB, device map.',
  },
  'guest.lvm-devices': {
    severity: 'info',
    title: "LVM's list of disks names them by what they were at the source, and is put aside.",
    basis: 'lvmdevices(8), /etc/lvm/devices/system.devices: without the list LVM looks at all disks.',
  },
  'guest.lvm-filter': {
    severity: 'warning',
    title: 'LVM chooses disks by names that may be others at the target.',
    basis: 'lvm.conf(5), filter and global_filter.',
  },
  'guest.mdadm-devices': {
    severity: 'warning',
    title: 'mdadm looks for members of RAIDs on disks with names that may be others at the target.',
    basis: 'mdadm.conf(5), DEVICE and devices=.',
  },
  'guest.nic-name': {
    severity: 'warning',
    title: 'A file gives a network card a name that the kernel does not take, or that cannot be held.',
    basis: 'systemd.link(5), Name=; dev_valid_name() of the kernel.',
  },
  'guest.nic-match': {
    severity: 'warning',
    title:
      'A file finds a network card by something that may be otherwise at the target: its driver, its path, a pattern of names.',
    basis: 'systemd.link(5), systemd.network(5), the reference of netplan: properties to match.',
  },
  'guest.nic-rule': {
    severity: 'info',
    title:
      'A rule names a network card by something that may be otherwise at the target, and the name is held by its address.',
    basis: 'udev(7): DRIVERS, KERNEL, KERNELS and others; systemd.link(5), [Match].',
  },
  'guest.nic-no-udev': {
    severity: 'warning',
    title: 'The guest has no udev, by which the names of its network cards could be held.',
    basis: 'Neither a rule nor a .link file does anything without it (udev(7)).',
  },
  'guest.nic-mac': {
    severity: 'warning',
    title: 'A file is for a network card with an address that no card of the machine has.',
    basis: 'HWADDR of ifcfg, mac-address of NetworkManager, macaddress of netplan, MACAddress of systemd.',
  },
  'guest.nic-mac-new': {
    severity: 'info',
    title:
      'A file is for a network card with an address that the source does not say, and gets the one that was made up.',
    basis: 'As guest.nic-mac; the one card, or the one that its name is known to be of.',
  },
  'guest.nic-kernel-name': {
    severity: 'info',
    title: "Network cards have the kernel's own names, which a rule cannot swap.",
    basis: 'systemd.link(5), Name=: names such as eth0 are a race with the kernel.',
  },
  'guest.nic-order': {
    severity: 'warning',
    title: 'Which network card has which name could only be told by their order.',
    basis: "No MAC address or slot in the guest's files is that of a card, and no agent was asked.",
  },
  'guest.nic-unknown': {
    severity: 'warning',
    title: 'The guest configures network cards that the machine does not have.',
    basis: "The names in the guest's files, against the cards that the machine is described with.",
  },
  'guest.nic-pattern': {
    severity: 'info',
    title: 'A network card is held to a name that was made to fit a pattern by which a file finds it.',
    basis: 'The patterns in the files; names such as ens192 follow the place of a card on its bus.',
  },
  'guest.nic-unclear': {
    severity: 'warning',
    title: 'The guest configures more network cards than it has, and nothing tells which of them are in use.',
    basis: "What the guest's files start at boot, and what they give an address.",
  },
  'guest.nic-wicked-xml': {
    severity: 'info',
    title: "Files in wicked's own format are not looked at.",
    basis: 'wicked(8), /etc/wicked/ifconfig.',
  },
  'guest.console-grubenv': {
    severity: 'info',
    title: 'Later kernels will have no serial console, as their arguments come from elsewhere.',
    basis: 'grub2-editenv(1), kernelopts of RHEL 8.',
  },
  'guest.config-too-much': {
    severity: 'warning',
    title: 'The guest has more configuration than is looked at.',
    basis: 'Bounds of files and characters, against guests that mean harm.',
  },
  'guest.config-unreadable': {
    severity: 'warning',
    title: 'A file of the guest is not looked at: too long, not what it should be, or where nothing can be written.',
    basis: 'It was read from its disk.',
  },
  'guest.findings-more': {
    severity: 'warning',
    title: "There is more to say of the guest's configuration than is shown.",
    basis: 'A bound of findings, against guests that mean harm.',
  },
  'guest.fallback-devices': {
    severity: 'info',
    title: 'The guest lacks drivers for the devices that it was to get, and gets others that it has drivers for.',
    basis: 'The modules of its kernel and its initramfs.',
  },
  'guest.no-driver': {
    severity: 'warning',
    title: 'Nothing shows that the guest has drivers for any devices that it can get.',
    basis: 'The modules of its kernel and its initramfs.',
  },
  'guest.conversion-failed': {
    severity: 'warning',
    title: 'virt-v2v could not give the guest its drivers; it gets devices that it has drivers for.',
    basis: 'virt-v2v-in-place(1) was run on an overlay.',
  },
  'guest.windows-drivers': {
    severity: 'warning',
    title: 'The guest is a Windows, and the target has no virtio-win.',
    basis: 'virt-v2v(1), VIRTIO_WIN.',
  },
  'guest.tools-kept': {
    severity: 'info',
    title: 'Tools of the old platform could not be removed.',
    basis: 'The package manager of the guest was asked, or is none that is known here.',
  },
} as const satisfies Record<string, FindingKind>;
