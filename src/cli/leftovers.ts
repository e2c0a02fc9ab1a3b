import type { VmferryConfig } from '../config.js';
import type { PowerState, VmSummary } from '../model/vm.js';
import type { Claim, OwnedResource, Owner, ReplicaState } from '../platforms/platform.js';
import type { Fate } from './fate.js';
import { withSite } from './sites.js';

/** One thing of vmferry's at a site. */
export interface Leftover extends OwnedResource {
  site: string;
  side: 'source' | 'target';
  /** The source's VM, for what lies at a source. */
  vm: { name: string; uuid: string } | null;
  claim: Claim | null;
  /** Of a replica whose state can be read. */
  replica: ReplicaState | null;
}

/** What was found at the sites, and which could not be asked. */
export interface Found {
  resources: Leftover[];
  /** VMs of each site that answered. */
  vms: Map<string, VmSummary[]>;
  /** Sites whose VMs are files, which never run. */
  idle: Set<string>;
  failed: Map<string, unknown>;
}

/** Looks at the sites named, at the same time. A site that does not answer is no error here. */
export async function gather(config: VmferryConfig, sites: readonly string[], signal: AbortSignal): Promise<Found> {
  const found: Found = { resources: [], vms: new Map(), idle: new Set(), failed: new Map() };
  const views = await Promise.allSettled(sites.map((site) => gatherAt(config, site, signal)));
  for (const [index, view] of views.entries()) {
    const site = sites[index]!;
    if (view.status === 'rejected') {
      found.failed.set(site, view.reason);
      continue;
    }
    found.vms.set(site, view.value.vms);
    if (!view.value.boots) found.idle.add(site);
    found.resources.push(...view.value.resources);
  }
  return found;
}

async function gatherAt(config: VmferryConfig, name: string, signal: AbortSignal) {
  return await withSite(config, name, async (site) => {
    const [vms, owned, traces] = await Promise.all([
      site.inventory(signal),
      site.listOwned(signal),
      site.listTraces(signal),
    ]);
    const resources: Leftover[] = [];
    for (const each of owned) {
      // One whose state cannot be read is listed all the same, with nobody as its owner.
      const replica = isReplica(each) ? await site.readReplica(each.migrationId, signal).catch(() => null) : null;
      resources.push({ ...each, site: name, side: 'target', vm: null, claim: null, replica });
    }
    for (const each of traces) resources.push({ ...each, site: name, side: 'source', replica: null });
    return { vms, resources, boots: site.abilities.boots };
  });
}

function isReplica({ kind }: OwnedResource): boolean {
  return kind.endsWith('-replica');
}

/** The source VM of a migration, as far as the sites tell. */
export interface SourceVm {
  site: string;
  vm: string;
  uuid: string;
  state: PowerState | 'gone' | 'unreachable';
  /** False where it is made of files, which never run. */
  boots: boolean;
}

/** Everything of one migration, at all sites. */
export interface Remains {
  migrationId: string;
  owner: Owner | null;
  resources: Leftover[];
  source: SourceVm | null;
}

export function remainsOf(found: Found): Remains[] {
  const ids = [...new Set(found.resources.map((each) => each.migrationId))].sort();
  return ids.map((migrationId) => {
    const all = found.resources.filter((each) => each.migrationId === migrationId);
    const owner = all.find((each) => each.owner !== null)?.owner ?? null;
    // A point and a second storage's folder do not say whose they are; the claim or the replica of the same migration does.
    const resources = all.map((each) => ({ ...each, owner: each.owner ?? owner }));
    return { migrationId, owner, resources, source: sourceOf(found, resources) };
  });
}

function sourceOf(found: Found, resources: readonly Leftover[]): SourceVm | null {
  const claim = resources.find((each) => each.claim !== null);
  const traced = claim?.vm ? claim : resources.find((each) => each.side === 'source' && each.vm !== null);
  const named = resources.find((each) => each.replica?.source)?.replica?.source;
  const place = traced?.vm ? { site: traced.site, vm: traced.vm.name, uuid: traced.vm.uuid } : (named ?? null);
  if (place === null) return null;
  const vms = found.vms.get(place.site);
  const boots = !found.idle.has(place.site);
  if (!vms) return { ...place, boots, state: 'unreachable' };
  const vm = vms.find((each) => each.uuid === place.uuid);
  return vm ? { ...place, boots, vm: vm.name, state: vm.state } : { ...place, boots, state: 'gone' };
}

export interface Verdict {
  remove: boolean;
  /** Why it goes or stays, in words. */
  reason: string;
}

/** What may go of one migration, and why: the design's invariant 11. Nothing is asked or changed here. */
export function judge(remains: Remains, fate: Fate | null): Map<Leftover, Verdict> {
  const verdicts = new Map<Leftover, Verdict>();
  const whole = stays(remains, fate);
  for (const each of remains.resources) {
    const why = whole ?? ownReason(each, remains);
    verdicts.set(each, why === null ? { remove: true, reason: fate!.text } : { remove: false, reason: why });
  }
  if (whole !== null) return verdicts;
  // The VM of a cutover, its disks and the replica stay or go together; so do points and checkpoints. The claim goes last.
  const together = [
    remains.resources.filter((each) => each.side === 'target'),
    remains.resources.filter((each) => each.side === 'source' && each.claim === null),
    remains.resources.filter((each) => each.side === 'target' || each.claim !== null),
  ];
  for (const group of together) {
    const held = group.map((each) => verdicts.get(each)!).find((verdict) => !verdict.remove);
    if (!held) continue;
    for (const each of group) if (verdicts.get(each)!.remove) verdicts.set(each, held);
  }
  return verdicts;
}

/** Why nothing of a migration may go, or null. */
function stays({ owner, resources }: Remains, fate: Fate | null): string | null {
  if (owner === null || fate === null) return 'nothing says whose it is';
  const other = resources.find(({ owner: its }) => its !== null && its.cluster !== owner.cluster);
  if (other) return 'two Temporal clusters have marked parts of it';
  return fate.state === 'over' ? null : fate.text;
}

/** Why one thing of a migration whose workflow is over stays, or null. */
function ownReason(each: Leftover, { resources, source }: Remains): string | null {
  const ownVm = resources.some((other) => other.site === each.site && other.name === each.usedBy && !other.inUse);
  if (each.inUse !== null && !(each.usedBy !== undefined && ownVm)) return each.inUse;
  if (each.side === 'source' && each.claim === null) return null;
  // The claim of a VM that is gone keeps nobody out, and nothing can be told from it.
  const alone = resources.every((other) => other.side === 'source');
  if (each.claim !== null && each.vm === null && alone) return null;
  if (each.claim?.stoppedServices)
    return `it says which services were stopped in the guest (${each.claim.stoppedServices}): \`vmferry recover ${each.migrationId} --source\` starts them`;
  if (source === null) return 'nothing says of which VM it is: its source may be lost';
  if (source.state === 'running') return null;
  // Files are all that their machine ever is there, unless a cutover made a VM of them that may hold more.
  const made = resources.some(({ kind, packed }) => kind.endsWith('-target') && packed !== true);
  if (!source.boots && source.state === 'off' && !made) return null;
  const where = `${source.vm} at ${source.site}`;
  if (source.state === 'unreachable') return `nobody can see whether its source ${where} runs`;
  return `its source ${where} does not run (${source.state}): \`vmferry recover ${each.migrationId}\` offers a side`;
}
