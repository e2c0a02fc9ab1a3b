import type { Abilities } from '../model/abilities.js';
import type { CopyRate, Estimate } from '../model/estimate.js';
import { wishedDevices } from '../model/devices.js';
import type { Finding } from '../model/finding.js';
import type { InspectedGuest } from '../model/guest.js';
import type { GuestReadiness } from '../model/guest-inside.js';
import type { TargetFacts, TargetLimits } from '../model/target.js';
import type { VmDescription } from '../model/vm.js';
import type { MigrateVmRequest } from '../request/migrate-vm.js';
import { estimateMove } from './estimate.js';
import { check, type Facts } from './index.js';
import type { Plan } from './plan.js';

/** All that was read of one VM and its target before it is judged. */
export interface Read {
  /** Null where nothing has begun. */
  migrationId: string | null;
  targetName: string;
  /** As the source describes it. */
  found: VmDescription;
  /** What was found inside the disks. Default: nobody looked. */
  guest?: InspectedGuest | null;
  /** The inside of the running guest, looked at where its preparation is asked for. Default: not. */
  readiness?: GuestReadiness | null;
  /** What the running guest answered. Default: nobody asked. */
  seen?: Facts['seen'];
  /** Programs of both sites. Default: nobody asked. */
  tools?: Facts['tools'];
  plan: Plan;
  source: {
    abilities: Abilities;
    running: boolean;
    /** What the source itself finds of the disks that are copied, and of all else. */
    findings: readonly Finding[];
  };
  target: TargetFacts & { abilities: Abilities };
  /** What copying is reckoned with. */
  rate: CopyRate;
}

export interface Judgement {
  findings: Finding[];
  estimate: Estimate;
}

/** What stands against the move or should be known before: pure, the same for one VM and for each of a whole site. */
export function judge(read: Read, request: MigrateVmRequest): Judgement {
  const {
    migrationId,
    targetName,
    found,
    guest = null,
    readiness = null,
    seen = null,
    tools = null,
    plan,
    source,
    target,
    rate,
  } = read;
  const facts: Facts = {
    migrationId,
    source: { abilities: source.abilities, running: source.running },
    vm: asThere(plan, target.limits),
    devicesFrom: plan.conversion && !plan.conversion.onlyDevices ? plan.description : null,
    guest,
    readiness,
    seen,
    tools,
    targetName,
    networks: plan.networks,
    disks: plan.disks,
    package: plan.package,
    target,
    rate,
    request,
  };
  const findings = [
    // The source says those of disks again, of the disks that are copied.
    ...found.findings.filter(({ id }) => !id.startsWith('disk.') && !answered(id, request)),
    ...leftBehind(request),
    ...source.findings,
    ...check(facts),
  ];
  return { findings: waived(unique(findings), request), estimate: estimateMove(facts) };
}

/** With the devices that it is to get. A guest that is converted gets a channel for an agent, whatever it had. */
function asThere({ description, conversion }: Plan, limits: TargetLimits): VmDescription {
  // What has no word there is found, device for device.
  if (conversion === null || conversion.onlyDevices) return description;
  return { ...wishedDevices(description, limits, conversion.devices), guestAgentChannel: true };
}

function leftBehind(request: MigrateVmRequest): Finding[] {
  return [...new Set(request.excludeDisks)].map((id) => ({
    id: 'disk.excluded',
    severity: 'warning',
    message: `Disk ${id} is left behind, as asked: the VM at the target has no such disk.`,
    remedy: 'See that the guest can start without it, for instance that its fstab does not wait for it.',
  }));
}

/** What a description leaves open, and the request says. */
function answered(id: string, { memory }: MigrateVmRequest): boolean {
  return id === 'memory.unstated' && memory !== undefined;
}

function unique(findings: readonly Finding[]): Finding[] {
  const seen = new Set<string>();
  return findings.filter((each) => {
    const key = `${each.id}\0${each.message}`;
    return !seen.has(key) && seen.add(key);
  });
}

/** Blocking findings that the request waives by their id carry its reason. */
export function waived(findings: readonly Finding[], { waive }: Pick<MigrateVmRequest, 'waive'>): Finding[] {
  return findings.map((each) => {
    const reason = Object.hasOwn(waive, each.id) ? waive[each.id] : undefined;
    return reason !== undefined && each.severity === 'blocking' ? { ...each, waivedBy: reason } : each;
  });
}
