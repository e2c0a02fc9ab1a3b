import { blocking, info, warning } from '../model/finding.js';
import { topologyFits } from '../model/vm.js';
import { quoted, type Rule } from './rule.js';

/** Not a model but a way to get the host's (libvirt.org/formatdomain.html, cpu); said where the VM is described. */
const HOST_MODES = ['host-passthrough', 'host-model', 'maximum'];

export const cpuRules: Rule[] = [
  {
    id: 'cpu.missing',
    title: 'The VM has no CPU.',
    severity: 'blocking',
    basis: 'A machine has one virtual CPU at least.',
    check: ({ vm: { cpu } }) =>
      cpu.count >= 1
        ? []
        : [blocking('The VM is described without a CPU.', 'Say how many it shall have with cpus in the request.')],
  },
  {
    id: 'cpu.too-many',
    title: 'The VM has more CPUs than the target can give one machine.',
    severity: 'blocking',
    basis: "The target platform's most virtual CPUs.",
    check: ({ vm: { cpu }, target }) =>
      cpu.count > target.limits.cpus
        ? [
            blocking(
              `The VM has ${cpu.count} CPUs; the target gives a machine ${target.limits.cpus} at most.`,
              'Ask for fewer with cpus in the request.',
            ),
          ]
        : [],
  },
  {
    id: 'cpu.topology',
    title: 'Sockets, cores and threads do not multiply to the number of CPUs.',
    severity: 'warning',
    basis: 'libvirt.org/formatdomain.html, topology: the product is the most CPUs; another is not carried over.',
    check: ({ vm: { cpu } }) => {
      if (topologyFits(cpu)) return [];
      const { count, sockets, coresPerSocket, threadsPerCore } = cpu;
      return [
        warning(
          `The VM has ${count} CPUs, but ${sockets} sockets of ${coresPerSocket} cores with ${threadsPerCore} threads: the target gives it as many sockets as CPUs.`,
          'Ask for a number with cpus, or see that no licence in the guest counts sockets.',
        ),
      ];
    },
  },
  {
    id: 'cpu.model',
    title: 'The VM is to have a CPU model that the target may not have.',
    severity: 'warning',
    basis: 'The CPU models that the site says a VM can have (libvirt.org/formatdomaincaps.html, usable).',
    boots: true,
    check: ({ vm: { cpu }, target: { cpuModels } }) => {
      const { model } = cpu;
      if (model === null || HOST_MODES.includes(model) || cpuModels?.includes(model)) return [];
      const remedy = 'See whether software in the guest needs that model, and set one that both hosts have.';
      return cpuModels === null
        ? [info(`The VM is to have the CPU model ${quoted(model)}; whether the target has it cannot be seen.`, remedy)]
        : [warning(`The VM is to have the CPU model ${quoted(model)}, which the target's host does not have.`, remedy)];
    },
  },
];
