import { groupedByBus, type PackagePlan } from '../../../model/package.js';
import { onNearest } from '../../../model/devices.js';
import { machineAt } from '../../../model/target.js';
import { libosinfoId, topologyFits, type VmDescription } from '../../../model/vm.js';
import { limitsOf } from './limits.js';
import { operatingSystem } from './operating-system.js';

/**
 * The machine as the package describes it: devices that the package has no name for become others, which the checks say
 * beforehand. Disks stand in the order in which they are booted from.
 * `networks`: source network -> the name written in the package.
 */
export function exportedVm(
  vm: VmDescription,
  { name, networks }: { name: string; networks: Readonly<Record<string, string>> },
  plan: PackagePlan,
): VmDescription {
  const limits = limitsOf(plan);
  const machine = machineAt(limits, vm);
  const nearest = onNearest(vm, limits);
  const ovf = plan.kind === 'ova' || plan.kind === 'ovf';
  const disks = [...nearest.disks]
    .sort((a, b) => a.order - b.order)
    .map((disk) => ({ ...disk, format: plan.diskFormat }));
  const nics = nearest.nics.map((nic) => ({
    ...nic,
    mac: nic.mac.toLowerCase(),
    network: Object.hasOwn(networks, nic.network) ? networks[nic.network]! : nic.network,
    networkKind: 'network' as const,
  }));
  return {
    ...vm,
    name,
    machine,
    disks: oneController(ovf ? byBus(disks) : disks),
    nics,
    // A package has no word for threads.
    cpu: ovf ? withoutThreads(vm.cpu) : wholeTopology(vm.cpu),
    // In the unit that every reader takes.
    memoryBytes: ovf ? Math.ceil(vm.memoryBytes / MIB) * MIB : vm.memoryBytes,
    tpm: ovf ? null : vm.tpm,
    guestOs: ovf ? operatingSystem(vm.guestOs).vmware : libosinfoId(vm.guestOs),
    findings: [],
  };
}

const MIB = 2 ** 20;

/** Readers take controllers one after the other, so that of the order only which bus comes first is kept. */
function byBus(disks: VmDescription['disks']): VmDescription['disks'] {
  return groupedByBus(disks).map((disk, order) => ({ ...disk, order }));
}

/** All disks on SCSI are at one controller, which is of the first one's model. */
function oneController(disks: VmDescription['disks']): VmDescription['disks'] {
  const first = disks.find(({ bus }) => bus === 'scsi');
  return disks.map((disk) => (disk.bus === 'scsi' ? { ...disk, controllerModel: first!.controllerModel } : disk));
}

/** A topology of another number of CPUs is not written. */
function wholeTopology(cpu: VmDescription['cpu']): VmDescription['cpu'] {
  return topologyFits(cpu) ? cpu : { ...cpu, sockets: cpu.count, coresPerSocket: 1, threadsPerCore: 1 };
}

function withoutThreads(cpu: VmDescription['cpu']): VmDescription['cpu'] {
  const { count, coresPerSocket, threadsPerCore } = cpu;
  const cores = coresPerSocket * threadsPerCore;
  const whole = count % cores === 0;
  return {
    count,
    sockets: whole ? count / cores : count,
    coresPerSocket: whole ? cores : 1,
    threadsPerCore: 1,
    model: null,
  };
}
