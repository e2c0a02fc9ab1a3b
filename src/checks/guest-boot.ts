import { blocking, warning, type Found } from '../model/finding.js';
import type { DriverState, GuestKernel } from '../model/guest.js';
import { diskNeeds, missingDrivers, nicNeeds, type Need } from '../model/drivers.js';
import { busAt, machineAt, modelAt } from '../model/target.js';
import type { VmDisk } from '../model/vm.js';
import { copiedDisks, quoted, type Facts, type GuestRule, type Rule } from './rule.js';

const SOME = 5;

export const guestBootRules: GuestRule[] = [
  {
    id: 'guest.boot-loader',
    title: 'No boot loader was found in the guest that its firmware starts.',
    severity: 'blocking',
    basis:
      'The code in the first sector of the first disk; UEFI 2.10, 13.3.3 for what lies on an EFI system partition.',
    check: ({ guest, vm }) => {
      if (!guest || guest.boots[vm.firmware] !== false) return [];
      const other = vm.firmware === 'bios' ? 'uefi' : 'bios';
      if (guest.boots[other]) {
        const message = `The VM has the firmware ${vm.firmware}, and the guest a boot loader for ${other} only.`;
        return [blocking(message, `Describe the VM with ${other}, or install a boot loader for ${vm.firmware} in it.`)];
      }
      const message = `No boot loader for ${vm.firmware} was found on the disks.`;
      return [warning(message, 'See that it does not start from elsewhere: a network, a CD, or a disk left behind.')];
    },
  },
  {
    id: 'guest.boot-fallback',
    title: 'The VM gets new UEFI variables, and its disks have no boot loader where firmware looks without any.',
    severity: 'blocking',
    basis:
      'UEFI 2.10, 3.5.1.1: from a disk that its variables do not name, firmware starts \\EFI\\BOOT\\BOOTX64.EFI. Tried with OVMF.',
    check: ({ guest, vm, request, package: packed = null }) => {
      const kept = vm.nvramPath !== null && (packed === null || packed.kind === 'libvirt-xml');
      if (vm.firmware !== 'uefi' || kept || !guest?.boots.uefi || guest.boots.uefiFallback !== false) return [];
      const message =
        'The VM gets new UEFI variables, which name no boot loader, and \\EFI\\BOOT\\BOOTX64.EFI, which is started without them, is not there.';
      const way = guest.os?.kind === 'windows' ? 'bcdboot C:\\Windows /f UEFI' : 'grub-install --force-extra-removable';
      const byHand = `the boot loader put there in the guest before it moves (${way}).`;
      // Elsewhere a package may come to firmware that knows the loader.
      const stops = packed === null ? blocking : warning;
      if (guest.os?.kind !== 'linux' || guest.systems > 1) return [stops(message, `Have ${byHand}`)];
      if (packed === null && request?.conversion === 'none')
        return [blocking(message, `Convert the guest, or have ${byHand}`)];
      const light = packed === null ? 'A conversion copies' : '"conversion": "light" copies';
      return [warning(message, `${light} it there; or have ${byHand}`)];
    },
  },
  {
    id: 'guest.device-names',
    title:
      'The guest names disks by how they are attached: in fstab, in units of systemd, for LVM or for its boot loader.',
    severity: 'warning',
    basis:
      'Kernel names such as /dev/sda follow the bus and the order of the disks (fstab(5)); lvmdevices(8) for the ids of LVM.',
    check: ({ guest }) => {
      const names = guest?.deviceNames ?? [];
      if (names.length === 0) return [];
      const shown = names.slice(0, SOME).map(({ file, device }) => `${quoted(device)} in ${quoted(file)}`);
      const more = names.length > SOME ? ` and ${names.length - SOME} more` : '';
      return [
        warning(
          `The guest names disks by their bus: ${shown.join(', ')}${more}.`,
          'Keep the disks on their bus, have the guest converted, or name them by UUID in the guest.',
        ),
      ];
    },
  },
];

/** Those that the devices at the target decide. */
export const guestDriverRules: Rule[] = [
  {
    id: 'guest.disk-driver',
    title: 'A kernel of the guest cannot drive the disks that it gets before its root file system is there.',
    severity: 'blocking',
    basis: "modules.builtin, modules.dep and the initramfs of each kernel; the target's disk buses.",
    check: (facts) => {
      // A conversion gives it the drivers, or devices that it has drivers for.
      if (facts.devicesFrom) return [];
      if (facts.guest?.windows) return windowsDisk(facts, facts.guest.windows.virtioDisk);
      const kernels = facts.guest?.kernels ?? [];
      const kernel = kernels.at(-1);
      if (!kernel) return [];
      const needs = new Map(
        copiedDisks(facts).flatMap(({ disk }) => diskNeeds(asThere(facts, disk)).map((need) => [need.join(), need])),
      );
      const newest = [...needs.values()].flatMap((need): Found[] => {
        const states = need.map((name) => kernel.drivers[name]);
        if (states.some((state) => state === 'built-in' || state === 'initramfs')) return [];
        return [blockedDisk(kernel, need.join(' or '), states.includes('module') ? 'module' : 'none')];
      });
      return newest.length > 0 ? newest : olderKernels(kernels, [...needs.values()]);
    },
  },
  {
    id: 'guest.nic-driver',
    title: 'The guest has no driver for a network card that it gets.',
    severity: 'warning',
    basis: "modules.builtin and modules.dep of the newest kernel; the target's models of network cards.",
    check: (facts) => {
      const { guest, vm, target, devicesFrom } = facts;
      if (devicesFrom) return [];
      const models = new Set(vm.nics.flatMap(({ model }) => modelAt(target.limits.nicModels, model) ?? []));
      const found: Found[] = [];
      const kernel = guest?.kernels.at(-1);
      for (const model of models) {
        const lacks = kernel && missingDrivers(kernel, { boot: [], run: nicNeeds({ model }) }).length > 0;
        const windowsLacks = model === 'virtio' && guest?.windows?.virtioNet === false;
        if (!lacks && !windowsLacks) continue;
        const message = `The guest has no driver for the network cards of model ${quoted(model)} that it gets.`;
        found.push(warning(message, 'Install it in the guest, or describe the card as e1000e.'));
      }
      return found;
    },
  },
];

/** On the bus that it comes to. */
function asThere({ vm, target: { limits } }: Facts, { bus, controllerModel }: VmDisk) {
  const other = busAt(limits, machineAt(limits, vm), bus) ?? bus;
  return { bus: other, controllerModel: other === bus ? controllerModel : null };
}

/** SCSI disks are on virtio's controller where nothing else is said; other controllers are not judged. */
function busOf({ bus, controllerModel }: { bus: string; controllerModel: string | null }): string {
  if (bus !== 'scsi') return bus;
  return controllerModel === null || controllerModel.startsWith('virtio') ? 'virtio-scsi' : controllerModel;
}

/** Kernels beside the newest that surely lack what the disks need: any of them may be the one that the boot loader starts. */
export function olderKernels(kernels: readonly GuestKernel[], needs: readonly Need[]): Found[] {
  const lacking = kernels.slice(0, -1).filter((each) => missingDrivers(each, { boot: [...needs], run: [] }).length > 0);
  if (lacking.length === 0) return [];
  const names = lacking.map(({ version }) => quoted(version)).join(', ');
  return [
    warning(
      `The guest's newest kernel has the drivers for its disks at the target, and others do not: ${names}.`,
      'See that its boot loader starts the newest by default (GRUB_DEFAULT, grub2-editenv list), or make the initramfs of the others anew with the drivers.',
    ),
  ];
}

function blockedDisk(kernel: GuestKernel, driver: string, state: DriverState): Found {
  const remedy = 'Have the guest converted, make its initramfs anew with the driver, or put its disks on SATA.';
  const what = `The guest's kernel ${quoted(kernel.version)}`;
  if (state === 'none') return blocking(`${what} has no driver ${driver}, which its disks at the target need.`, remedy);
  if (kernel.initramfsRead)
    return blocking(`${what} has the driver ${driver} but not in its initramfs, so that it finds no root.`, remedy);
  return warning(`${what} has the driver ${driver}; whether its initramfs has it could not be seen.`, 'Rehearse.');
}

function windowsDisk(facts: Facts, virtio: boolean | null): Found[] {
  const needs = copiedDisks(facts).some(({ disk }) => ['virtio', 'virtio-scsi'].includes(busOf(asThere(facts, disk))));
  if (!needs || virtio !== false) return [];
  const message = 'Windows has no virtio driver for its disks at the target.';
  return [blocking(message, 'Install virtio-win in the guest, have it converted, or put its disks on SATA.')];
}
