import { info, warning, type Finding } from '../../model/finding.js';
import { cpusAdded, memoryAdded } from './foreign-findings.js';
import { listed, quoted } from './foreign-values.js';

/**
 * How VMware ties a VM to its host or lets it grow while it runs: settings of a .vmx, which an OVF has as `vmw:ExtraConfig`,
 * and the two of `vmw:Config` (VMware, "vSphere Virtual Machine Administration", advanced attributes).
 */

const NUMA = /^numa\.(nodeaffinity|vcpu\..+)$/;
const PINNED = /^sched\.(cpu\.affinity|cpu\.latencysensitivity|mem\.affinity)$/;
const CPUS_ADDED = /^(vcpu\.hotadd|cpuhotaddenabled)$/;
const MEMORY_ADDED = /^(mem\.hotadd|memoryhotaddenabled)$/;
const BALLOON = /^sched\.mem\.maxmemctl$/;

const ALL = [NUMA, PINNED, CPUS_ADDED, MEMORY_ADDED, BALLOON];

/** Whether a setting has a finding of its own here; `key` in any case of letters. */
export function isTuning(key: string): boolean {
  return ALL.some((pattern) => pattern.test(key.toLowerCase()));
}

/** @param settings all of the machine, in its own spelling: name, value. */
export function tuningFindings(settings: readonly (readonly [key: string, value: string])[]): Finding[] {
  const said = (pattern: RegExp, idle: readonly string[]) =>
    settings
      .filter(([key, value]) => pattern.test(key.toLowerCase()) && !['', ...idle].includes(value.trim().toLowerCase()))
      .map(([key, value]) => `${key} = ${quoted(value)}`);
  const found = (id: string, names: string[], what: (of: string) => ReturnType<typeof info>): Finding[] =>
    names.length === 0 ? [] : [{ id, ...what(listed(names)) }];
  return [
    ...found('cpu.numa', said(NUMA, ['all']), (of) =>
      warning(
        `The VM is laid out for NUMA nodes (${of}); at the target its processors and memory are one.`,
        'Set it up at the target by hand, for its own nodes, where software in the guest depends on it.',
      ),
    ),
    ...found('cpu.pinned', said(PINNED, ['all', 'normal', 'low']), (of) =>
      warning(
        `The VM is tied to processors or memory of its host (${of}); at the target it shares them with others.`,
        "Pin it at the target by hand, to that host's processors, where its speed depends on it.",
      ),
    ),
    ...(said(CPUS_ADDED, ['false', '0']).length > 0 ? [cpusAdded()] : []),
    ...(said(MEMORY_ADDED, ['false', '0']).length > 0 ? [memoryAdded()] : []),
    ...found('memory.ballooned', said(BALLOON, ['-1', 'unlimited']), (of) =>
      info(
        `How much memory VMware may take back from the VM is bounded (${of}, MiB; ballooning); at the target nothing bounds it, and nothing takes any by itself.`,
        'Set it up at the target by hand if its host is to be overcommitted.',
      ),
    ),
  ];
}
