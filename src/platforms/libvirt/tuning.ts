import type { LibvirtFinding } from './finding-kinds.js';
import { formatBytes } from '../../model/format.js';
import { memoryBytes } from './memory-bytes.js';
import type { XmlElement } from '../xml.js';

/**
 * How a domain is fitted to its host, and who else looks after it: NUMA, pinning, hotplug, ballooning (elements of
 * libvirt.org/formatdomain.html), and managers that write their own mark into the metadata. None of it is carried over.
 */

/** Elements that are told of here, so that they are not told of once more as unknown settings. */
export const TUNING = ['numatune', 'cputune', 'maxMemory', 'iothreads', 'blkiotune', 'memtune'];

/** Namespaces of the metadata that managers write (Nova's libvirt driver, VDSM, virt-manager's kin have none). */
const MANAGERS: [namespace: RegExp, name: string][] = [
  [/openstack\.org\/xmlns\/libvirt\/nova/, 'OpenStack Nova'],
  [/ovirt\.org\/vm/, 'oVirt or RHV (VDSM)'],
  [/kubevirt\.io/, 'KubeVirt'],
  [/opennebula\.(org|systems)/, 'OpenNebula'],
  [/clusterlabs\.org|pacemaker/, 'Pacemaker'],
];

export function tuningFindings(domain: XmlElement): LibvirtFinding[] {
  return [...cpuTuning(domain), ...memoryTuning(domain), ...managers(domain)];
}

function cpuTuning(domain: XmlElement): LibvirtFinding[] {
  const findings: LibvirtFinding[] = [];
  const cells = domain.at('cpu/numa')?.all('cell').length ?? 0;
  if (cells > 0 || domain.at('numatune')) {
    findings.push({
      id: 'cpu.numa',
      severity: 'warning',
      message:
        cells > 0
          ? `The guest sees ${cells} NUMA node(s); at the target its processors and memory are one.`
          : "The VM's memory is bound to NUMA nodes of its host; at the target it is not.",
      remedy: 'Set it up at the target by hand, for its own nodes, where software in the guest depends on it.',
    });
  }
  const pins =
    domain
      .at('cputune')
      ?.all()
      .map(({ name }) => name) ?? [];
  if (pins.some((name) => /pin$/.test(name)) || domain.at('vcpu')?.get('cpuset')) {
    findings.push({
      id: 'cpu.pinned',
      severity: 'warning',
      message: 'The VM has processors of its host for itself (pinning); at the target it shares them with others.',
      remedy: "Pin it at the target by hand, to that host's processors, where its speed depends on it.",
    });
  }
  const limits = [
    ...pins.filter((name) => !/pin$/.test(name)),
    ...['blkiotune', 'memtune', 'iothreads'].filter((name) => domain.at(name)),
  ];
  if (limits.length > 0) {
    findings.push({
      id: 'tuning.limits',
      severity: 'info',
      message: `Shares and limits of the VM are not carried over: ${[...new Set(limits)].sort().join(', ')}.`,
      remedy: 'Set them at the target by hand if they matter.',
    });
  }
  const most = Number(domain.text('vcpu') ?? 1);
  const now = Number(domain.at('vcpu')?.get('current') ?? most);
  if (now < most) {
    findings.push({
      id: 'cpu.hotplug',
      severity: 'info',
      message: `The VM has ${now} of ${most} processors; at the target it has ${now}, and none can be added while it runs.`,
      remedy: `Ask for "cpus": ${most} if it needs all of them.`,
    });
  }
  return findings;
}

function memoryTuning(domain: XmlElement): LibvirtFinding[] {
  const findings: LibvirtFinding[] = [];
  const memory = memoryBytes(domain.at('memory'));
  const modules = domain.at('devices')?.all('memory').length ?? 0;
  if (domain.at('maxMemory') || modules > 0) {
    findings.push({
      id: 'memory.hotplug',
      severity: 'info',
      message: `Memory can be added to the VM while it runs; at the target it has ${formatBytes(memory)}, and none can be added.`,
      remedy: 'Ask for "memory" if it needs more than that.',
    });
  }
  const current = domain.at('currentMemory');
  if (current && memoryBytes(current) < memory) {
    findings.push({
      id: 'memory.ballooned',
      severity: 'info',
      message: `The VM gave memory back to its host (ballooning): it has ${formatBytes(memoryBytes(current))}, and gets ${formatBytes(memory)} at the target.`,
      remedy: 'Ask for less with "memory" if the target shall not give it all.',
    });
  }
  return findings;
}

/** Who manages a VM starts it again where it does not run, or moves it while it is copied. */
function managers(domain: XmlElement): LibvirtFinding[] {
  const marks = (domain.at('metadata')?.all() ?? []).flatMap(({ attributes, name }) => [name, ...attributes.values()]);
  return MANAGERS.filter(([namespace]) => marks.some((mark) => namespace.test(mark))).map(([, name]) => ({
    id: 'vm.managed',
    severity: 'warning' as const,
    message: `The VM is managed by ${name}, which may start it again after the cutover has stopped it, or move it to another host meanwhile.`,
    remedy: `In ${name}, take it out of high availability, affinity rules and load balancing, and hold off live migration until the move is accepted.`,
  }));
}
