import { busAt, devicesInWords, machineAt, modelAt } from '../model/target.js';
import { info, warning } from '../model/finding.js';
import { copiedDisks, quoted, type Facts, type Rule } from './rule.js';

const HAS_DRIVER = 'Make sure that the guest has a driver for it.';

export const deviceRules: Rule[] = [
  {
    id: 'devices.change',
    title: 'The VM is to get other disk buses or network cards than it has.',
    severity: 'info',
    basis: 'The platforms of both sites, and the request (devices, conversion).',
    check: ({ vm, devicesFrom = null, request }) => {
      if (devicesFrom === null) return [];
      const wanted = devicesInWords(vm);
      const message =
        wanted === devicesInWords(devicesFrom)
          ? `The guest is looked at before it boots at the target, with ${wanted}.`
          : `The VM has ${devicesInWords(devicesFrom)}; at the target it gets ${wanted} where the guest can be made to boot on them.`;
      const remedy =
        request.conversion === 'none'
          ? 'The guest is not changed, as asked: where it lacks drivers, it gets devices that it has drivers for.'
          : 'The rehearsal tries it. Ask for "devices": "as-source" to keep what it has.';
      return [info(message, remedy)];
    },
  },
  {
    id: 'nic.model',
    title: 'A network card is of a model that the target does not have.',
    severity: 'warning',
    basis: "The target platform's models of network cards.",
    check: (facts) => {
      const { vm, target } = facts;
      const { limits } = target;
      return vm.nics.flatMap(({ mac, model }) => {
        const other = modelAt(limits.nicModels, model);
        if (other === model) return [];
        const message = `The network card ${mac} is a ${quoted(model)}, which the target does not have; it ${fate(other)}.`;
        return [warning(message, fitting(facts, HAS_DRIVER))];
      });
    },
  },
  {
    id: 'disk.bus-other',
    title: 'A disk is on a bus that the target does not have, and comes to another.',
    severity: 'warning',
    basis: "The target platform's buses of each machine type.",
    check: (facts) =>
      copiedDisks(facts).flatMap(({ disk: { id, bus } }) => {
        const { limits } = facts.target;
        const other = busAt(limits, machineAt(limits, facts.vm), bus);
        if (other === null || other === bus) return [];
        return [
          warning(
            `Disk ${id} is on the bus ${bus}, which the target does not have; it comes to ${other}.`,
            fitting(
              facts,
              'Make sure that the guest has a driver for it in its initramfs, and names its disks by UUID.',
            ),
          ),
        ];
      }),
  },
  {
    id: 'disk.controller',
    title: 'A SCSI controller is of a model that the target does not have.',
    severity: 'warning',
    basis: "The target platform's models of SCSI controllers.",
    check: (facts) =>
      controllers(facts).flatMap((model) => {
        const other = modelAt(facts.target.limits.scsiControllers, model);
        if (other === model) return [];
        const message = `The SCSI controller is a ${quoted(model)}, which the target does not have; it ${fate(other)}.`;
        return [warning(message, 'The guest may boot only with a driver for it in its initramfs.')];
      }),
  },
  {
    id: 'machine.type',
    title: 'The VM has a machine type that the target does not have.',
    severity: 'warning',
    basis: "The target platform's machine types.",
    check: ({ vm, target: { limits } }) => {
      const other = machineAt(limits, vm);
      if (vm.machine === null || vm.machine === other) return [];
      const message = `The VM's machine type is ${quoted(vm.machine)}, which the target does not have; it becomes ${other}.`;
      return [warning(message, 'Rehearse: devices are at other places, by which guests may name network cards.')];
    },
  },
  {
    id: 'display.model',
    title: 'The display is of a model that the target does not have.',
    severity: 'info',
    basis: "The target platform's models of displays.",
    check: ({ vm: { display }, target: { limits } }) =>
      display === null || modelAt(limits.displays, display) === display
        ? []
        : [
            info(
              `The display is a ${quoted(display)}, which the target does not have; it ${fate(modelAt(limits.displays, display))}.`,
              'Nothing, unless the guest needs its own driver for the screen.',
            ),
          ],
  },
  {
    id: 'sound.model',
    title: 'The sound card is of a model that the target does not have.',
    severity: 'info',
    basis: "The target platform's models of sound cards.",
    check: ({ vm: { sound }, target: { limits } }) =>
      sound === null || modelAt(limits.sounds, sound) === sound
        ? []
        : [
            info(
              `The sound card is a ${quoted(sound)}, which the target does not have; it ${fate(modelAt(limits.sounds, sound))}.`,
              'Add another at the target by hand if the guest needs sound.',
            ),
          ],
  },
  {
    id: 'agent.missing',
    title: 'The VM has no channel for a guest agent, or none answers.',
    severity: 'warning',
    basis: 'qemu.org, QEMU guest agent: it is reached by a virtio-serial channel of its own; guest-ping was asked.',
    boots: true,
    check: ({ vm, seen = null, target, request }) => {
      const silent = seen?.agent === false;
      if ((vm.guestAgentChannel && !silent) || !target.abilities.guestAgent) return [];
      const what = vm.guestAgentChannel
        ? 'No guest agent answers in the running guest'
        : 'The VM has no channel for the QEMU guest agent';
      const message = `${what}: nobody asks the guest for its addresses, freezes its file systems for a point in time, or shuts it down but by ACPI.`;
      const remedy = vm.guestAgentChannel
        ? 'Install and start qemu-guest-agent in the guest.'
        : 'Install qemu-guest-agent in the guest and give the VM its channel.';
      return request.probes?.some(({ kind }) => kind === 'agent')
        ? [warning(`${message} The probe of the kind agent cannot pass.`, `${remedy} Or name other probes.`)]
        : [info(message, remedy)];
    },
  },
];

/** In a package, the guest is made fit for its devices only where that is asked for. */
function fitting({ package: planned, request }: Facts, alone: string): string {
  if (planned === null || planned.kind === 'images') return alone;
  return request.conversion === 'light'
    ? 'The guest is looked into at the cutover and, on a copy, made to find its disks by UUID and its network cards by MAC address.'
    : `${alone} With "conversion": "light" it is made to find its disks by UUID and its network cards by MAC address.`;
}

function controllers(facts: Facts): string[] {
  const models = copiedDisks(facts).map(({ disk }) => (disk.bus === 'scsi' ? disk.controllerModel : null));
  return [...new Set(models.filter((model) => model !== null))];
}

function fate(other: string | null): string {
  return other === null ? 'is left out' : `becomes ${other}`;
}
