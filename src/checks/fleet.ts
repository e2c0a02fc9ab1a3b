import type { Abilities } from '../model/abilities.js';
import type { CopyRate } from '../model/estimate.js';
import { blockers, type Finding, type Severity } from '../model/finding.js';
import { countOf, type FleetFinding, type FleetSizing, type FleetSummary, type FleetVm } from '../model/fleet.js';
import { formatDuration } from '../model/format.js';
import type { TargetFacts } from '../model/target.js';
import type { VmDescription } from '../model/vm.js';
import type { AssessFleetRequest } from '../request/assess-fleet.js';
import { migrateVmRequest, type MigrateVmRequest } from '../request/migrate-vm.js';
import { vmName } from '../request/names.js';
import { parseRequest } from '../request/parse.js';
import { FLEET_RULES } from './fleet-rules.js';
import type { Facts } from './index.js';
import { judge, waived } from './judge.js';
import { planMove } from './plan.js';
import { COPIES, OVERHEAD } from './storage.js';

/** Of what several VMs share, so many are named. */
const MOST_NAMES = 20;

/** One VM of a fleet, as it was read. */
export interface FleetRead {
  found: VmDescription;
  running: boolean;
  /** What the running guest answered. Default: nobody asked. */
  seen?: Facts['seen'];
  abilities: Abilities;
  /** Whether source and target give their VMs the same devices at the same places. */
  samePlatform: boolean;
  /** What the source itself finds. */
  findings: readonly Finding[];
  target: TargetFacts & { abilities: Abilities };
  /** Programs of both sites. Default: nobody asked. */
  tools?: Facts['tools'];
  rate: CopyRate;
}

/** Fields of `assessFleet` that no migration has. */
const OWN = ['vms', 'exclude', 'assumeRate'];

/** Checked once for all VMs of a fleet: the same but for name and networks. */
const bases = new WeakMap<AssessFleetRequest, MigrateVmRequest>();

function baseOf(fleet: AssessFleetRequest): MigrateVmRequest {
  const known = bases.get(fleet);
  if (known) return known;
  const shared = Object.fromEntries(Object.entries(fleet).filter(([field]) => !OWN.includes(field)));
  const base = migrateVmRequest.parse({ ...shared, vm: 'any', networks: {}, dryRun: true });
  bases.set(fleet, base);
  return base;
}

/**
 * The request that would move this VM as the fleet is assessed for: networks that it is not on are no mistake here.
 * @throws VmferryError `InvalidRequest` where no request can name it.
 */
export function requestFor(fleet: AssessFleetRequest, found: VmDescription): MigrateVmRequest {
  const own = new Set(found.nics.map(({ network }) => network));
  const networks = Object.fromEntries(Object.entries(fleet.networks).filter(([name]) => own.has(name)));
  const vm = parseRequest(vmName, found.name, 'the name of a VM in a request');
  return { ...baseOf(fleet), vm, networks };
}

/** @throws VmferryError `InvalidRequest` where the VM cannot be moved so at all. */
export function assessOne(read: FleetRead, fleet: AssessFleetRequest): FleetVm {
  const { found, running, abilities, samePlatform, target, tools = null, rate } = read;
  const request = requestFor(fleet, found);
  const plan = planMove(found, { ...target, ...target.abilities, samePlatform }, request);
  const { findings, estimate } = judge(
    {
      migrationId: null,
      targetName: found.name,
      found,
      plan,
      source: { abilities, running, findings: read.findings },
      seen: read.seen ?? null,
      target,
      tools,
      rate,
    },
    request,
  );
  return {
    name: found.name,
    uuid: found.uuid || null,
    readiness: readinessOf(findings),
    running,
    guestOs: found.guestOs,
    firmware: found.firmware,
    cpus: found.cpu.count,
    memoryBytes: found.memoryBytes,
    disks: found.disks.length,
    sizeBytes: sum(found.disks, (disk) => disk.sizeBytes),
    allocatedBytes: sum(found.disks, (disk) => disk.allocatedBytes ?? disk.sizeBytes),
    macs: found.nics.map(({ mac }) => mac).filter(Boolean),
    estimate,
    findings,
    findingsLeftOut: 0,
    error: null,
  };
}

/** A VM of which nothing could be read. */
export function unreadable(name: string, error: NonNullable<FleetVm['error']>): FleetVm {
  return {
    ...{ name, uuid: null, readiness: 'unreadable', running: null, guestOs: null, firmware: null, cpus: 0 },
    ...{ memoryBytes: 0, disks: 0, sizeBytes: 0, allocatedBytes: 0, macs: [], estimate: null, findings: [] },
    ...{ findingsLeftOut: 0, error },
  };
}

function readinessOf(findings: readonly Finding[]): FleetVm['readiness'] {
  if (blockers(findings).length > 0) return 'blocked';
  return findings.some(({ severity }) => severity !== 'info') ? 'ready-with-warnings' : 'ready';
}

/** Everything about all of them together. */
export function summarizeFleet(
  vms: readonly FleetVm[],
  target: TargetFacts & Pick<Abilities, 'boots'>,
  request: AssessFleetRequest,
  rate: CopyRate,
  times: { startedAt: string; endedAt: string },
): FleetSummary {
  const read = vms.filter(({ readiness }) => readiness !== 'unreadable');
  const sizing = sizingOf(read, target, request);
  const most = OVERHEAD * (target.boots ? 1 : COPIES[request.package ?? 'ova']);
  const need = { nowBytes: sizing.allocatedBytes * most, fullBytes: sizing.sizeBytes * most };
  const found = FLEET_RULES.filter(({ boots }) => !boots || target.boots).flatMap((rule) =>
    rule.check({ target: request.target, vms: read, sizing, need }).map((each) => ({ id: rule.id, ...each })),
  );
  const findings: FleetFinding[] = waived(found, request).map((each, index) => ({
    ...each,
    vms: found[index]!.vms.slice(0, MOST_NAMES),
  }));
  const short = blockers(findings).some(({ id }) => ROOM.includes(id));
  const staysOff = read.some(({ estimate }) => estimate?.downtimeMs === null);
  const longest = Math.max(0, ...read.map(({ estimate }) => estimate?.downtimeMs ?? 0));
  return {
    version: 1,
    source: request.source,
    target: request.target,
    ...times,
    counts: countOf(vms),
    sizing: { ...sizing, fits: !short && sizing.target.storageFreeBytes !== null },
    estimate: {
      copyMs: sum(read, ({ estimate }) => estimate?.copyMs ?? 0),
      rateBytesPerSecond: Math.round(rate.bytesPerSecond),
      longestDowntimeMs: longest,
      how: howOf(rate, longest, staysOff),
    },
    findings,
    common: commonOf(vms),
  };
}

function sizingOf(read: readonly FleetVm[], target: TargetFacts, request: AssessFleetRequest): FleetSizing {
  const running = read.filter((vm) => vm.running);
  const storage = target.askedStorages.find(({ asked }) => asked === (request.storage ?? null));
  return {
    running: running.length,
    cpus: sum(read, (vm) => vm.cpus),
    memoryBytes: sum(read, (vm) => vm.memoryBytes),
    runningMemoryBytes: sum(running, (vm) => vm.memoryBytes),
    disks: sum(read, (vm) => vm.disks),
    sizeBytes: sum(read, (vm) => vm.sizeBytes),
    allocatedBytes: sum(read, (vm) => vm.allocatedBytes),
    target: {
      cpus: target.cpus,
      memoryBytes: target.memoryBytes,
      freeMemoryBytes: target.freeMemoryBytes,
      storage: storage?.name ?? request.storage ?? 'default',
      storageFreeBytes: storage && 'path' in storage ? storage.freeBytes : null,
      vms: target.vms.length,
    },
    fits: true,
  };
}

function howOf({ words }: CopyRate, longestMs: number, staysOff: boolean): string {
  const copy = `First passes one after the other, of what the images take at the source (the whole size where that is not known), at ${words.replace(/,$/, '')}.`;
  if (staysOff) return `${copy} Nothing is started at the target: VMs that run are off from the cutover on.`;
  if (longestMs === 0) return `${copy} Nothing that runs is interrupted.`;
  return `${copy} The longest downtime of one VM is ${formatDuration(longestMs)}: its last pass and an assumed boot; each VM says how.`;
}

/** What says that there is too little of something. */
const ROOM = ['fleet.memory', 'fleet.cpus', 'fleet.space'];

const RANK: Record<Severity, number> = { blocking: 0, warning: 1, info: 2 };

function commonOf(vms: readonly FleetVm[]): FleetSummary['common'] {
  const counts = new Map<string, FleetSummary['common'][number]>();
  for (const { findings } of vms) {
    const own = new Map(findings.map(({ id, severity }) => [`${severity} ${id}`, { id, severity }]));
    for (const [key, each] of own) {
      const known = counts.get(key);
      if (known) known.vms += 1;
      else counts.set(key, { ...each, vms: 1 });
    }
  }
  return [...counts.values()].sort(
    (one, other) => RANK[one.severity] - RANK[other.severity] || other.vms - one.vms || one.id.localeCompare(other.id),
  );
}

function sum<T>(list: readonly T[], of: (each: T) => number): number {
  return list.reduce((total, each) => total + of(each), 0);
}
