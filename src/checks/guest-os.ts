import { guestOsOf, type GuestOs } from './guest-os-names.js';
import { info, warning } from '../model/finding.js';
import { copiedDisks, quoted, type Rule } from './rule.js';

export const guestOsRules: Rule[] = [
  {
    id: 'guest-os.unknown',
    title: 'The description does not say what system the guest runs, or names one that is not known.',
    severity: 'info',
    basis: "What is declared in the words of libosinfo, VMware, VirtualBox or CIM's OsType.",
    check: ({ vm: { guestOs }, guest }) => {
      // What was found on the disks counts more than what is declared.
      if (guestOsOf(guestOs) || guest?.os) return [];
      const message =
        guestOs === null || guestOs === ''
          ? 'It is not declared what system the guest runs, so nothing is said of its drivers.'
          : `The guest's system is declared as ${quoted(guestOs)}, which is not known here, so nothing is said of its drivers.`;
      return [info(message, 'See that it has drivers for the devices that it gets, or rehearse.')];
    },
  },
  {
    id: 'guest-os.unsupported',
    title: 'The guest runs a system that is not meant for such a target.',
    severity: 'warning',
    basis:
      "Apple's licence allows macOS on Apple's hardware only; ESXi wants the processor's own virtualisation, nested.",
    check: ({ vm: { guestOs } }) => {
      const family = guestOsOf(guestOs)?.family;
      if (family !== 'macos' && family !== 'esxi') return [];
      const what = family === 'macos' ? 'macOS' : 'a hypervisor, VMware ESXi';
      return [warning(`The guest is ${what}, which is not made for such a target.`, 'Rehearse before you rely on it.')];
    },
  },
  {
    id: 'guest-os.no-virtio',
    title: 'The guest runs a system without virtio drivers of its own, and no disk of it is on virtio.',
    severity: 'warning',
    basis:
      'Linux has virtio over PCI since 2.6.25 (RHEL 3.9, 4.8, 5.3), FreeBSD since 9, Solaris not before 11, Windows by virtio-win.',
    check: (facts) => {
      const { guestOs } = facts.vm;
      // Drivers that were looked for in the guest are judged one by one.
      if (facts.guest && (facts.guest.kernels.length > 0 || facts.guest.windows)) return [];
      const known = guestOsOf(guestOs);
      // What boots from virtio has its drivers, whatever is declared.
      const proven = copiedDisks(facts).some(
        ({ disk }) => disk.bus === 'virtio' || disk.controllerModel?.startsWith('virtio'),
      );
      const why = known && WHY[known.virtio];
      if (!why || proven) return [];
      return [
        warning(
          `The guest is declared as ${quoted(guestOs ?? '')}, ${why}.`,
          known.virtio === 'none'
            ? 'Leave its disks on IDE or SATA and its network cards on e1000 or rtl8139.'
            : 'Install them in the guest before the move, or leave its disks on IDE or SATA and its network cards on e1000.',
        ),
      ];
    },
  },
];

const WHY: Partial<Record<GuestOs['virtio'], string>> = {
  none: 'which has no virtio drivers',
  some: 'of which only late versions have virtio drivers',
  installable: 'which has virtio drivers only once they are installed (virtio-win)',
};
