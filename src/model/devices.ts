import { busAt, machineAt, modelAt, type TargetLimits } from './target.js';
import type { VmDescription, VmDisk } from './vm.js';

/** Which devices a VM may get at the target: pure, from its description and what the target can give. */

/** All disks and network cards paravirtual. */
export function onVirtio(vm: VmDescription): VmDescription {
  return {
    ...vm,
    disks: vm.disks.map((disk) => ({ ...disk, bus: 'virtio', controllerModel: null })),
    nics: vm.nics.map((nic) => ({ ...nic, model: 'virtio' })),
  };
}

/** The devices that the guest has now; null where the target has others, which nobody asked the guest about. */
export function asGiven(vm: VmDescription, limits: TargetLimits): VmDescription | null {
  const buses = limits.machines[machineAt(limits, vm)] ?? {};
  const given = (disk: VmDisk) =>
    buses[disk.bus] !== undefined &&
    (disk.bus !== 'scsi' || limits.scsiControllers.has.includes(disk.controllerModel ?? 'lsilogic'));
  return vm.disks.every(given) && vm.nics.every(({ model }) => modelAt(limits.nicModels, model) === model) ? vm : null;
}

/** Whether disks and network cards there can be paravirtual. */
export function givesVirtio(limits: TargetLimits, vm: VmDescription): boolean {
  return limits.machines[machineAt(limits, vm)]?.virtio !== undefined && limits.nicModels.has.includes('virtio');
}

/** Each device that the target has stays; each other becomes what the target puts in its place. */
export function onNearest(vm: VmDescription, limits: TargetLimits): VmDescription {
  const machine = machineAt(limits, vm);
  return {
    ...vm,
    disks: vm.disks.map((disk) => {
      const bus = busAt(limits, machine, disk.bus) ?? disk.bus;
      const controllerModel = bus === 'scsi' ? modelAt(limits.scsiControllers, disk.controllerModel ?? '') : null;
      return { ...disk, bus, controllerModel };
    }),
    nics: vm.nics.map((nic) => ({ ...nic, model: modelAt(limits.nicModels, nic.model) ?? nic.model })),
  };
}

/** The devices that suit a wish: what the VM has where that is wished and there, else virtio, else the nearest. */
export function wishedDevices(vm: VmDescription, limits: TargetLimits, wish: 'virtio' | 'as-source'): VmDescription {
  const given = wish === 'as-source' ? asGiven(vm, limits) : null;
  return given ?? (givesVirtio(limits, vm) ? onVirtio(vm) : onNearest(vm, limits));
}

/** What guests of the last fifteen years have drivers for: disks on SATA, Intel's network cards. */
export function onSafeDevices(vm: VmDescription): VmDescription {
  return {
    ...vm,
    disks: vm.disks.map((disk) => ({ ...disk, bus: 'sata', controllerModel: null })),
    nics: vm.nics.map((nic) => ({ ...nic, model: 'e1000e' })),
  };
}

/** Whether nothing that a driver is needed for differs. */
export function sameDevices(one: VmDescription, other: VmDescription): boolean {
  const print = (vm: VmDescription) =>
    JSON.stringify([
      vm.disks.map(({ id, bus, controllerModel }) => [id, bus, bus === 'scsi' ? controllerModel : null]),
      vm.nics.map(({ model }) => model),
    ]);
  return print(one) === print(other);
}
