import { createHash } from 'node:crypto';
import { judge } from '../src/checks/judge.js';
import { planMove, storagesOf, type Plan } from '../src/checks/plan.js';
import { lookInside } from '../src/guest/inspect/look-inside.js';
import { siteOf } from '../src/config.js';
import { VmferryError } from '../src/errors.js';
import type { Finding } from '../src/model/finding.js';
import type { PackagePlan } from '../src/model/package.js';
import type { VmDescription } from '../src/model/vm.js';
import type { ReplicaSpec } from '../src/platforms/platform.js';
import type { MigrateVmRequest } from '../src/request/migrate-vm.js';
import { checkSides, ownerOf, signalOf } from './context.js';
import type { ActivityDeps, Site } from './deps.js';
import { copyRateOf } from './copy-rate.js';
import { readinessOf } from './inside-guest.js';
import type { Assessment, MigrationActivities, Ref } from './io.js';
import { unknownWaivers } from './waivers.js';

export function assessActivities(deps: ActivityDeps): Pick<MigrationActivities, 'assess' | 'checkSites'> {
  return {
    checkSites({ source, target }) {
      for (const name of [source, target]) siteOf(deps.config, name);
      return Promise.resolve();
    },
    assess: ({ ref, request }) => assess(deps, ref, request),
  };
}

async function assess(deps: ActivityDeps, ref: Ref, request: MigrateVmRequest): Promise<Assessment> {
  const signal = signalOf();
  const { source, target } = checkSides(deps, ref);
  const [found, facts, claim, here, there] = await Promise.all([
    source.describe(ref.vm, signal),
    target.targetFacts(storagesOf(request), signal),
    source.readClaim(ref.vm, signal),
    source.tools(signal),
    target.tools(signal),
  ]);
  if (claim && claim.migrationId !== ref.migrationId) {
    throw new VmferryError(
      'AlreadyClaimed',
      `cannot migrate ${ref.vm}: migration ${claim.migrationId} (workflow ${claim.workflowId}) has claimed it since ${claim.claimedAt}`,
      {
        remedy: `Let that one end, or abort it: vmferry abort ${claim.workflowId}`,
      },
    );
  }
  const run = await source.runState(ref.vm, signal);
  const running = run?.state === 'running' || run?.state === 'paused';
  const place = {
    ...{ ...facts, ...target.abilities },
    samePlatform: source.platform === target.platform,
    packageLimits: (planned: PackagePlan) => target.packaging?.limits(planned) ?? facts.limits,
  };
  const plan = planMove(found, place, request);
  const limits = plan.package ? place.packageLimits(plan.package) : facts.limits;
  const guest = run?.state === 'running' ? await source.guestFacts(ref.vm, signal).catch(() => null) : null;
  const asked = request.prepareGuest;
  const inside = asked && run?.state === 'running' ? await readinessOf(source, ref, asked) : null;
  const looked = request.inspect && !running ? await lookedInto(source, plan, signal) : null;
  const origin = { site: ref.source, vm: ref.vm, uuid: found.uuid };
  const spec = { owner: ownerOf(deps, ref), targetName: ref.targetName, source: origin, disks: plan.disks };
  const kept = await keptReplicas(deps, target, request.adoptReplica ?? null, spec);
  const planned = plan.disks.map((disk) => disk.id);
  const { findings, estimate } = judge(
    {
      migrationId: ref.migrationId,
      readiness: inside,
      guest: looked,
      seen: guest,
      tools: { source: here, target: there },
      targetName: ref.targetName,
      found,
      plan,
      source: { abilities: source.abilities, running, findings: await source.sourceFindings(found, planned, signal) },
      target: { ...facts, limits, abilities: target.abilities },
      rate: await copyRateOf(deps, ref, { bandwidth: request.sync.bandwidth }),
    },
    request,
  );
  return {
    description: plan.description,
    diskPrint: diskPrintOf(found),
    hardwarePrint: hardwarePrintOf(found),
    running,
    instance: run?.instance ?? null,
    autostart: run?.autostart ?? false,
    facts: guest,
    disks: plan.disks,
    networks: plan.networks,
    package: plan.package,
    findings: [...kept, ...findings, ...unknownWaivers(request.waive, findings)],
    estimate,
    conversion: plan.conversion,
  };
}

/** Null where its disks cannot be had just now, as it was started meanwhile. */
async function lookedInto(source: Site, { description, disks }: Plan, signal: AbortSignal) {
  const ids = disks.map(({ id }) => id);
  return await source.withDisks(description, ids, (readable) => lookInside(readable, description, signal), signal);
}

/**
 * Whether the replica that is to be adopted fits; else, which ones could be.
 * @throws VmferryError `InvalidRequest` where it does not.
 */
async function keptReplicas(
  deps: ActivityDeps,
  target: Site,
  wanted: string | null,
  spec: ReplicaSpec,
): Promise<Finding[]> {
  const signal = signalOf();
  const own = (migrationId: string) => migrationId === spec.owner.migrationId;
  if (wanted !== null) {
    const state = await target.readReplica(wanted, signal);
    const runs = state !== null && !own(state.owner.migrationId) && (await deps.workflowRuns(state.owner));
    const why = runs ? `its workflow ${state.owner.workflowId} runs` : await target.whyNotAdopt(wanted, spec, signal);
    if (why === null) return [];
    throw new VmferryError('InvalidRequest', `cannot adopt the replica of ${wanted}: ${why}`, {
      remedy: '`vmferry replicas` lists those that there are; without adoptReplica the VM is copied anew.',
    });
  }
  // Only a hint: a target that cannot list them is found out by what follows.
  const kept = (await target.listOwned(signal).catch(() => [])).filter(
    ({ kind, migrationId, inUse }) => kind.endsWith('-replica') && inUse === null && !own(migrationId),
  );
  const findings: Finding[] = [];
  for (const { migrationId, owner } of kept) {
    // One whose migration goes on is not kept, but in use.
    if (owner !== null && (await deps.workflowRuns(owner).catch(() => true))) continue;
    if ((await target.whyNotAdopt(migrationId, spec, signal).catch(() => '')) !== null) continue;
    findings.push({
      id: 'replica.kept',
      severity: 'info',
      message: `Migration ${migrationId} kept a whole replica of this VM at ${target.site}.`,
      remedy: `Ask for "adoptReplica": "${migrationId}" to copy only what differs.`,
    });
  }
  return findings;
}

function printOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
}

/** Changes when a disk was added, removed, resized or exchanged. */
export function diskPrintOf(vm: VmDescription): string {
  return printOf(vm.disks.map(({ id, sizeBytes, path, bus }) => ({ id, sizeBytes, path, bus })));
}

/** Changes when other hardware did. */
export function hardwarePrintOf(vm: VmDescription): string {
  const { uuid, firmware, secureBoot, tpm, memoryBytes, cpu, machine } = vm;
  // What is only evidence of names in the guest is no hardware, and prints of before do not have it.
  const nics = vm.nics.map((nic) => ({ ...nic, slot: undefined, addressMade: undefined }));
  return printOf({ uuid, firmware, secureBoot, tpm: tpm?.version ?? null, memoryBytes, cpu, nics, machine });
}
