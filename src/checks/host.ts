import { formatBytes } from '../model/format.js';
import { blocking, warning } from '../model/finding.js';
import type { Rule } from './rule.js';

/** Less than any system of this century boots with. */
const LITTLE_MEMORY_BYTES = 64 * 2 ** 20;

export const hostRules: Rule[] = [
  {
    id: 'host.memory',
    title: "The VM has more memory than the target's host.",
    severity: 'blocking',
    basis: 'The site was asked for the memory of its host.',
    boots: true,
    check: ({ vm: { memoryBytes }, target }) =>
      memoryBytes > target.memoryBytes
        ? [
            blocking(
              `The VM has ${formatBytes(memoryBytes)} of memory, the target's host ${formatBytes(target.memoryBytes)}.`,
              'Ask for less with memory in the request.',
            ),
          ]
        : [],
  },
  {
    id: 'host.memory-tight',
    title: 'The VM has more memory than is left at the target now.',
    severity: 'warning',
    basis: 'The site was asked for the memory of its host that is available (proc(5), MemAvailable).',
    boots: true,
    check: ({ vm: { memoryBytes }, target }) =>
      memoryBytes <= target.memoryBytes && memoryBytes > target.freeMemoryBytes
        ? [
            warning(
              `The VM has ${formatBytes(memoryBytes)} of memory; the target has ${formatBytes(target.freeMemoryBytes)} left now.`,
              'Make room before the rehearsal, or ask for less memory.',
            ),
          ]
        : [],
  },
  {
    id: 'host.cpus',
    title: "The VM has more CPUs than the target's host.",
    severity: 'warning',
    basis: 'The site was asked for the CPUs of its host; virtual ones beyond those wait for each other.',
    boots: true,
    check: ({ vm, target }) =>
      vm.cpu.count > target.cpus
        ? [
            warning(
              `The VM has ${vm.cpu.count} CPUs, the target's host ${target.cpus}.`,
              'Ask for fewer with cpus in the request.',
            ),
          ]
        : [],
  },
  {
    id: 'host.no-kvm',
    title: 'KVM does not work at the target.',
    severity: 'warning',
    basis: 'A guest was started at the site to see whether it runs.',
    boots: true,
    check: ({ target }) =>
      target.accelerator === 'tcg'
        ? [
            warning(
              'KVM does not work at the target: guests are emulated and slow.',
              'Switch virtualisation on in the firmware of the host.',
            ),
          ]
        : [],
  },
  {
    id: 'memory.missing',
    title: 'The VM has no memory.',
    severity: 'blocking',
    basis: 'A machine without memory is refused (libvirt 9.0, tried).',
    check: ({ vm: { memoryBytes } }) =>
      memoryBytes > 0
        ? []
        : [blocking('The VM is described without memory.', 'Say how much it shall have with memory in the request.')],
  },
  {
    id: 'memory.small',
    title: 'The VM has less than 64 MiB of memory.',
    severity: 'warning',
    basis: 'UEFI firmware alone needs more, and so does Linux today; rather a slip of units in the description.',
    check: ({ vm: { memoryBytes } }) =>
      memoryBytes > 0 && memoryBytes < LITTLE_MEMORY_BYTES
        ? [
            warning(
              `The VM has ${formatBytes(memoryBytes)} of memory, with which hardly any guest boots.`,
              'Look whether its description counts in other units; memory in the request sets another amount.',
            ),
          ]
        : [],
  },
];
