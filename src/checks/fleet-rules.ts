import { formatBytes, formatCount } from '../model/format.js';
import type { FleetSizing, FleetVm } from '../model/fleet.js';
import { blocking, info, warning, type Found } from '../model/finding.js';
import { quoted, type Rule } from './rule.js';

/** What is judged of many VMs that go to one target. */
export interface FleetFacts {
  target: string;
  /** Those that could be read. */
  vms: readonly FleetVm[];
  sizing: FleetSizing;
  /** As the rules of one VM reckon it. */
  need: { nowBytes: number; fullBytes: number };
}

export interface FleetRule extends Omit<Rule, 'check'> {
  check(facts: FleetFacts): (Found & { vms: string[] })[];
}

const all = ({ vms }: FleetFacts): string[] => vms.map(({ name }) => name);
const running = ({ vms }: FleetFacts): string[] => vms.filter((vm) => vm.running).map(({ name }) => name);

/** Rules about several VMs together. A finding of one VM is none of these. */
export const FLEET_RULES: readonly FleetRule[] = [
  {
    id: 'fleet.name-repeated',
    title: 'Several VMs of the source come to the target under one name.',
    severity: 'blocking',
    basis: 'Names are unique at a site (libvirt.org/formatdomain.html, name).',
    check: (facts) =>
      sharing(facts, ({ name }) => [name]).map(([name, vms]) => ({
        ...blocking(
          `${formatCount(vms.length, 'VM')} are named ${quoted(name)}: only one can have it at ${facts.target}.`,
          'Move each with a targetName of its own.',
        ),
        vms,
      })),
  },
  {
    id: 'fleet.uuid-repeated',
    title: 'Several VMs of the source have the same UUID.',
    severity: 'blocking',
    basis: 'UUIDs are unique at a site (libvirt.org/formatdomain.html, uuid).',
    check: (facts) =>
      sharing(facts, ({ uuid }) => (uuid ? [uuid.toLowerCase()] : [])).map(([uuid, vms]) => ({
        ...blocking(
          `The UUID ${uuid} belongs to ${listed(vms)}: only one of them can be at ${facts.target}.`,
          'Give each its own at the source, or move only one of them.',
        ),
        vms,
      })),
  },
  {
    id: 'fleet.mac-repeated',
    title: 'Network cards of several VMs of the source have the same address.',
    severity: 'warning',
    basis: 'IEEE 802-2014, clause 8: an address names one station of a network.',
    check: (facts) =>
      sharing(facts, ({ macs }) => macs.map((mac) => mac.toLowerCase())).map(([mac, vms]) => ({
        ...warning(
          `The MAC address ${mac} is that of ${listed(vms)}: the second that moves is blocked by the first (nic.mac-in-use).`,
          'Give each its own address, unless they are on networks that never meet.',
        ),
        vms,
      })),
  },
  {
    id: 'fleet.memory',
    boots: true,
    title: 'The VMs that run have more memory together than the target, or than is left there.',
    severity: 'blocking',
    basis: 'The site was asked for the memory of its host, and for what of it is available (proc(5), MemAvailable).',
    check: (facts) => {
      const { runningMemoryBytes, target } = facts.sizing;
      const message = `The VMs that run have ${formatBytes(runningMemoryBytes)} of memory together;`;
      const vms = running(facts);
      if (runningMemoryBytes > target.memoryBytes) {
        const host = `the host of ${facts.target} has ${formatBytes(target.memoryBytes)}.`;
        return [{ ...blocking(`${message} ${host}`, 'Move fewer of them there, or add memory.'), vms }];
      }
      if (runningMemoryBytes <= target.freeMemoryBytes) return [];
      const left = `${facts.target} has ${formatBytes(target.freeMemoryBytes)} left now.`;
      return [{ ...warning(`${message} ${left}`, 'Make room there before the last of them move.'), vms }];
    },
  },
  {
    id: 'fleet.cpus',
    boots: true,
    title: 'The VMs that run have more CPUs together than the host of the target.',
    severity: 'info',
    basis: 'The site was asked for the CPUs of its host; virtual ones beyond those share them.',
    check: (facts) => {
      const { target } = facts.sizing;
      const cpus = facts.vms.reduce((sum, vm) => sum + (vm.running ? vm.cpus : 0), 0);
      if (cpus <= target.cpus) return [];
      const each = (cpus / Math.max(1, target.cpus)).toFixed(1);
      return [
        {
          ...info(
            `The VMs that run have ${cpus} CPUs together, the host of ${facts.target} ${target.cpus}: ${each} virtual ones on each.`,
            'Usual where they idle most of the time; compare with how busy they are.',
          ),
          vms: running(facts),
        },
      ];
    },
  },
  {
    id: 'fleet.space',
    title:
      'What the disks of all VMs hold does not fit into the storage together, or will not when the guests fill them.',
    severity: 'blocking',
    basis:
      'Free room of the site, against what the images take and the sizes of the disks, and 5 % for manifests and layers.',
    check: (facts) => {
      const { storage, storageFreeBytes: free } = facts.sizing.target;
      const { nowBytes, fullBytes } = facts.need;
      if (free === null || free >= fullBytes) return [];
      const message = `The disks need ${formatBytes(nowBytes)} now and up to ${formatBytes(fullBytes)} together; ${quoted(storage)} has ${formatBytes(free)} free.`;
      const remedy = 'Make room, spread them over several storages, or move fewer.';
      return [{ ...(free < nowBytes ? blocking(message, remedy) : warning(message, remedy)), vms: all(facts) }];
    },
  },
];

/** What several VMs have in common, with their names. */
function sharing({ vms }: FleetFacts, keysOf: (vm: FleetVm) => string[]): [key: string, names: string[]][] {
  const owners = new Map<string, string[]>();
  for (const vm of vms) {
    for (const key of new Set(keysOf(vm).filter(Boolean))) {
      const names = owners.get(key);
      if (names) names.push(vm.name);
      else owners.set(key, [vm.name]);
    }
  }
  return [...owners].filter(([, names]) => names.length > 1);
}

const NAMED = 5;

function listed(names: readonly string[]): string {
  const shown = names.slice(0, NAMED).map(quoted).join(', ');
  return names.length > NAMED ? `${shown} and ${names.length - NAMED} more` : shown;
}
