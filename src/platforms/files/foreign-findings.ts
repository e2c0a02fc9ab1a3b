import { blocking, info, warning, type Finding } from '../../model/finding.js';
import type { VmDisk } from '../../model/vm.js';
import { listed, quoted } from './foreign-values.js';

/** What more than one kind of descriptor has and the copy will not, in one wording. */

export function suspended(state: string): Finding {
  return {
    id: 'vm.suspended',
    ...blocking(
      `The VM is suspended: its memory lies in ${quoted(state)} and is not carried over; a copy of the disks alone is torn.`,
      'Start it and shut it down in order, or give the saved state up.',
    ),
  };
}

export function snapshots(names: readonly string[]): Finding {
  return {
    id: 'vm.snapshots',
    ...warning(
      `The VM has ${names.length} snapshot(s), which are not carried over: ${listed(names)}.`,
      'Keep the source for as long as somebody may want to go back to one of them.',
    ),
  };
}

/** Layers that no snapshot needs any more. */
export function consolidation(): Finding {
  return {
    id: 'vm.consolidation',
    ...warning(
      'Disks of the VM stand on layers that belong to no snapshot: VMware did not merge them (consolidation needed).',
      'Consolidate the disks at the source (Snapshots, Consolidate); where that fails, see that no layer is missing before you rely on the copy.',
    ),
  };
}

export function shareable(ids: readonly string[], how: string): Finding {
  return {
    id: 'disk.shareable',
    ...blocking(
      `Disk(s) ${listed(ids)} can be written by more than one machine (${how}).`,
      'Shut the others down and give each its own disk, or waive this finding when only this one writes.',
    ),
  };
}

export function rawDevice(id: string, what: string): Finding {
  return {
    id: 'disk.raw-device',
    ...blocking(
      `Disk ${id} is no file but a device of its host (${what}).`,
      'Convert it into an image at the source, or leave it behind with excludeDisks.',
    ),
  };
}

export function transient(id: string, mode: string): Finding {
  return {
    id: 'disk.transient',
    ...warning(
      `Disk ${id} forgets what is written when the VM stops (${mode}); at the target it keeps it.`,
      'Go back to a snapshot of the target where the guest relies on it.',
    ),
  };
}

export function outsideSnapshots(id: string, mode: string): Finding {
  return {
    id: 'disk.independent',
    ...info(
      `Disk ${id} is left out of snapshots (${mode}); at the target it is part of them.`,
      'Remember it when you make snapshots at the target.',
    ),
  };
}

export function passthrough(count: number): Finding {
  return {
    id: 'hostdev.passthrough',
    ...blocking(
      `${count} device(s) of the host are passed through to the VM; they stay where they are.`,
      'Detach them, or waive this finding when the guest can do without.',
    ),
  };
}

export function usbOfHost(count: number): Finding {
  return {
    id: 'hostdev.usb',
    ...warning(
      `${count} USB device(s) of the host are given to the VM when they are plugged in; they stay where they are.`,
      'Give them to the VM at the target by hand, if the guest needs them.',
    ),
  };
}

export function tpmState(where: string): Finding {
  return {
    id: 'tpm.external',
    ...blocking(
      `The VM has a TPM, whose content ${where}; it is not carried over, and the VM gets an empty one.`,
      'Unseal what the guest keeps in it (such as disk keys), or waive this finding when it can start without.',
    ),
  };
}

/** VMware and the other makers leave the setting where it is when the firmware is changed. */
export function firmwareMismatch(): Finding {
  return {
    id: 'firmware.mismatch',
    ...warning(
      'The VM is described with secure boot and with a BIOS, which has none; it gets a BIOS.',
      'See how the guest starts, and set its firmware to EFI at the source if it is by UEFI.',
    ),
  };
}

/** Variables in a form that is none of EDK2's, which QEMU's firmware uses. */
export function variablesFormat(of: string): Finding {
  return {
    id: 'firmware.variables-format',
    ...warning(
      `The VM's UEFI variables are in ${of}'s own form; its boot entries and own keys may have to be made anew.`,
      'Make sure that the guest also boots from \\EFI\\BOOT\\BOOTX64.EFI, as Windows and most Linux do.',
    ),
  };
}

export function removableMedium(): Finding {
  return {
    id: 'removable.medium',
    ...info(
      'A CD or floppy is inserted; the drive is carried over, the medium is not.',
      'Insert it at the target by hand if the guest needs it.',
    ),
  };
}

export function sharedFolders(count: number): Finding {
  return {
    id: 'filesystem.shared',
    ...warning(
      `The guest is given ${count} folder(s) of its host, which are not among the VM's disks.`,
      'Copy what it needs of them into the guest.',
    ),
  };
}

export function otherArchitecture(arch: string): Finding {
  return {
    id: 'cpu.architecture',
    ...blocking(`The VM is for ${arch}; only x86 is supported.`, 'Leave it where it is.'),
  };
}

export function withoutMac(nic: string): Finding {
  return {
    id: 'nic.mac',
    ...warning(
      `The network card ${nic} has no MAC address yet; it gets one at the target.`,
      'Give it one at the source if leases or licences depend on it.',
    ),
  };
}

export function nicKind(nic: string, how: string): Finding {
  return {
    id: 'nic.kind',
    ...warning(
      `The network card ${nic} is connected in a way (${how}) that is not carried over.`,
      'Name a network of the target for it under `networks`.',
    ),
  };
}

export function nicModel(nic: string, model: string): Finding {
  return {
    id: 'nic.model',
    ...warning(
      `The network card ${nic} is of the model ${quoted(model)}, which is not carried over; it becomes another.`,
      'Make sure that the guest has a driver for the new card, and configures it by MAC address.',
    ),
  };
}

export function sriov(nic: string): Finding {
  return {
    id: 'nic.sriov',
    ...blocking(
      `The network card ${nic} is a part of one of the host (SR-IOV), which stays where it is; the VM gets a card of another model in its place.`,
      'Give it an ordinary card at the source, or waive this finding when the guest has a driver for the other one.',
    ),
  };
}

export function cpusAdded(): Finding {
  return {
    id: 'cpu.hotplug',
    ...info(
      'Processors can be added to the VM while it runs; at the target none can.',
      'Ask for "cpus" if it needs more than it has.',
    ),
  };
}

export function memoryAdded(): Finding {
  return {
    id: 'memory.hotplug',
    ...info(
      'Memory can be added to the VM while it runs; at the target none can.',
      'Ask for "memory" if it needs more than it has.',
    ),
  };
}

export function disconnected(nics: readonly string[]): Finding {
  return {
    id: 'nic.disconnected',
    ...info(
      `The cable of network card(s) ${listed(nics)} is unplugged; at the target it is plugged in.`,
      'Take the card away, or map its network to none.',
    ),
  };
}

export function bootsFromElsewhere(order: string): Finding {
  return {
    id: 'boot.order',
    ...info(
      `The VM tries other things before its disks when it starts (${order}); at the target it starts from its disks.`,
      'Set the order at the target if it is to start from the network or a CD.',
    ),
  };
}

export function serialBackend(ports: readonly string[]): Finding {
  return {
    id: 'serial.backend',
    ...info(
      `What serial port(s) ${listed(ports)} are connected to is not carried over.`,
      'Connect them at the target by hand if something listens there.',
    ),
  };
}

export function devicesLeft(names: readonly string[]): Finding[] {
  if (names.length === 0) return [];
  return [
    {
      id: 'device.not-carried-over',
      ...info(
        `These devices are not carried over: ${listed(names)}.`,
        'Add them at the target by hand if the guest needs them.',
      ),
    },
  ];
}

export function settingsLeft(names: readonly string[]): Finding[] {
  if (names.length === 0) return [];
  return [
    {
      id: 'setting.not-carried-over',
      ...info(
        `These settings are not carried over: ${listed(names)}.`,
        'Set them at the target by hand if they matter.',
      ),
    },
  ];
}

export function filesTwice(groups: readonly string[]): Finding[] {
  if (groups.length === 0) return [];
  return [
    {
      id: 'disk.same-file',
      ...warning(
        `More than one disk stands for the same file (${listed(groups)}); each gets a copy of it.`,
        'Leave those behind with excludeDisks that the guest does not need.',
      ),
    },
  ];
}

/** Disks that stand for the same file. */
export function sameFile(disks: readonly Pick<VmDisk, 'id' | 'path'>[]): string[] {
  const byPath = new Map<string, string[]>();
  for (const { id, path } of disks) if (path !== null) byPath.set(path, [...(byPath.get(path) ?? []), id]);
  return [...byPath.values()].filter((ids) => ids.length > 1).map((ids) => listed(ids));
}
