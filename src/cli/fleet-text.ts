import { blockers } from '../model/finding.js';
import { formatBytes, formatCount, formatDuration } from '../model/format.js';
import type { FleetAssessment, FleetVm, Readiness } from '../model/fleet.js';
import { columns } from './context.js';
import { linesOf, proseWidth, wrapped } from './wrap.js';

/** An assessment of many VMs for a terminal, no line wider than 80 characters. */

const NAME = 22;
/** VMs whose reasons are told. */
const EXPLAINED = 20;
const COMMON = 12;

const ORDER: Record<Readiness, number> = { blocked: 0, unreadable: 1, 'ready-with-warnings': 2, ready: 3 };

export function fleetText(fleet: FleetAssessment, width: number): string {
  const vms = [...fleet.vms].sort((one, other) => ORDER[one.readiness] - ORDER[other.readiness]);
  const wide = proseWidth(width);
  return [
    vms.length > 0 ? columns([HEADING, ...vms.map(row)]) : `No VM of ${fleet.source} is to be assessed.\n`,
    reasons(vms, wide),
    common(fleet),
    totals(fleet, wide),
  ]
    .filter((block) => block !== '')
    .join('\n');
}

const HEADING = ['VM', 'READINESS', 'DISKS', 'TO COPY', 'COPYING', 'DOWNTIME'];
const WORDS: Record<Readiness, string> = {
  ...{ ready: 'ready', 'ready-with-warnings': 'warnings', blocked: 'blocked', unreadable: 'unreadable' },
};

function row({ name, readiness, sizeBytes, estimate, error }: FleetVm): string[] {
  const short = name.length > NAME ? `${name.slice(0, NAME - 1)}…` : name;
  if (!estimate) return [short, WORDS[readiness], ...(error ? ['-', '-', '-', '-'] : [])];
  return [
    short,
    WORDS[readiness],
    formatBytes(sizeBytes),
    formatBytes(estimate.copyBytes),
    formatDuration(estimate.copyMs),
    estimate.downtimeMs === null
      ? 'stays off'
      : estimate.downtimeMs === 0
        ? 'none'
        : formatDuration(estimate.downtimeMs),
  ];
}

/** Why VMs cannot move, each with what to do. */
function reasons(vms: readonly FleetVm[], width: number): string {
  const stopped = vms.filter(({ readiness }) => readiness === 'blocked' || readiness === 'unreadable');
  const lines = stopped.slice(0, EXPLAINED).flatMap((vm) => {
    const found = blockers(vm.findings).map(({ id, message, remedy }) => `${id}: ${message} ${remedy}`);
    const trouble = vm.error ? [[vm.error.message, vm.error.remedy].filter(Boolean).join(' ')] : [];
    return [...wrapped(`${vm.name}:`, width), ...[...found, ...trouble].flatMap((text) => wrapped(text, width, '  '))];
  });
  const more = stopped.length - EXPLAINED;
  if (more > 0) lines.push(`${formatCount(more, 'more VM')} cannot move: --html or --json tells why.`);
  return linesOf(lines);
}

function common({ common: found }: FleetAssessment): string {
  if (found.length === 0) return '';
  const rows = found.slice(0, COMMON).map(({ severity, id, vms }) => [severity, id, String(vms)]);
  return columns([['SEVERITY', 'MOST COMMON FINDINGS', 'VMS'], ...rows]);
}

function totals(fleet: FleetAssessment, width: number): string {
  const { counts, sizing, estimate, findings } = fleet;
  const { target } = sizing;
  const free =
    target.storageFreeBytes === null
      ? `${target.storage} cannot be used`
      : `${target.storage} has ${formatBytes(target.storageFreeBytes)} free`;
  const host =
    target.cpus === 0
      ? { cpus: '', memory: '' }
      : {
          cpus: ` (the host of ${fleet.target} has ${target.cpus})`,
          memory: ` (${formatBytes(target.memoryBytes)}, ${formatBytes(target.freeMemoryBytes)} left)`,
        };
  const texts = [
    `${formatCount(counts.vms, 'VM')}: ${counts.ready} ready, ${counts.readyWithWarnings} with warnings, ${counts.blocked} blocked, ${counts.unreadable} unreadable.`,
    `Together: ${formatCount(sizing.cpus, 'CPU')}${host.cpus}; ${formatBytes(sizing.memoryBytes)} of memory, ${formatBytes(sizing.runningMemoryBytes)} of it in VMs that run${host.memory}; disks of ${formatBytes(sizing.sizeBytes)} that hold ${formatBytes(sizing.allocatedBytes)} (${free}). ${sizing.fits ? 'All of it fits.' : 'All of it does not fit.'}`,
    ...findings.map((each) => {
      const severity = each.waivedBy === undefined ? each.severity : 'waived';
      return `${severity} ${each.id}: ${each.message} ${each.remedy}`;
    }),
    `Copying: about ${formatDuration(estimate.copyMs)}. ${estimate.how}`,
  ];
  return linesOf(texts.flatMap((text) => wrapped(text, width)));
}
