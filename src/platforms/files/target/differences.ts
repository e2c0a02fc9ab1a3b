import type { VmDescription } from '../../../model/vm.js';

/** What a package says of a machine, in words, for comparing and for messages. */
function factsOf(vm: VmDescription): Record<string, string> {
  const { cpu } = vm;
  return {
    name: vm.name,
    uuid: vm.uuid.toLowerCase(),
    firmware: `${vm.firmware}${vm.secureBoot ? ' with secure boot' : ''}`,
    memory: `${vm.memoryBytes} bytes`,
    CPUs: `${cpu.count}: ${cpu.sockets} x ${cpu.coresPerSocket} x ${cpu.threadsPerCore}`,
    disks: [...vm.disks]
      .sort((a, b) => a.order - b.order)
      .map(({ bus, controllerModel, sizeBytes, format }) => [bus, controllerModel, sizeBytes, format].join(' '))
      .join(', '),
    'network cards': vm.nics
      .map(({ mac, network, model }) => `${mac} ${model} on ${JSON.stringify(network)}`)
      .join(', '),
    'guest system': vm.guestOs ?? 'none',
  };
}

/** How what was read back differs from what was written; none where it is the same machine. */
export function differences(written: VmDescription, found: VmDescription): string[] {
  const [wanted, read] = [factsOf(written), factsOf(found)];
  return Object.keys(wanted)
    .filter((key) => wanted[key] !== read[key])
    .map((key) => `${key}: written ${wanted[key]}, read back ${read[key]}`);
}
