import { createHash } from 'node:crypto';
import { check } from '../src/checks/index.js';
import { siteOf } from '../src/config.js';
import { VmferryError } from '../src/errors.js';
import type { Finding } from '../src/model/finding.js';
import type { PlannedDisk, TargetFacts } from '../src/model/target.js';
import type { VmDescription } from '../src/model/vm.js';
import type { ReplicaSpec } from '../src/platforms/platform.js';
import type { MigrateVmRequest } from '../src/request/migrate-vm.js';
import { parseSizeBytes } from '../src/request/units.js';
import { ownerOf, signalOf } from './context.js';
import type { ActivityDeps, Site } from './deps.js';
import type { Assessment, MigrationActivities, Ref } from './io.js';

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
  const source = deps.site(ref.source);
  const target = deps.site(ref.target);
  if (ref.source === ref.target) {
    throw new VmferryError('InvalidRequest', `cannot migrate ${ref.vm}: source and target are both "${ref.source}"`, {
      remedy: 'Name two sites.',
    });
  }
  for (const [site, side, name] of [
    [source, 'source', ref.source],
    [target, 'target', ref.target],
  ] as const) {
    if (!site.abilities[side])
      throw new VmferryError('NotSupported', `cannot use ${name} as a ${side}: its platform does not do that yet`);
  }
  const [found, facts, claim] = await Promise.all([
    source.describe(ref.vm, signal),
    target.targetFacts(storagesOf(request), signal),
    source.readClaim(ref.vm, signal),
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
  const wished = planDisks(found, request);
  const description = asWished(found, request, wished);
  const networks = mapNetworks(found, facts, request, ref);
  const guest = run?.state === 'running' ? await source.guestFacts(ref.vm, signal).catch(() => null) : null;
  const origin = { site: ref.source, vm: ref.vm, uuid: found.uuid };
  const spec = { owner: ownerOf(deps, ref), targetName: ref.targetName, source: origin, disks: wished };
  const findings = [
    ...(await keptReplicas(deps, target, request.adoptReplica ?? null, spec)),
    // The source says those of disks again, of the disks that are copied.
    ...found.findings.filter(({ id }) => !id.startsWith('disk.')),
    ...leftBehind(request),
    ...(await source.sourceFindings(
      found,
      wished.map((disk) => disk.id),
      signal,
    )),
    ...check({
      migrationId: ref.migrationId,
      source: { abilities: source.abilities, running },
      vm: description,
      targetName: ref.targetName,
      networks,
      disks: wished,
      target: { ...facts, abilities: target.abilities },
      request,
    }),
  ];
  return {
    description,
    diskPrint: diskPrintOf(found),
    hardwarePrint: hardwarePrintOf(found),
    running,
    instance: run?.instance ?? null,
    autostart: run?.autostart ?? false,
    facts: guest,
    disks: wished,
    networks,
    findings: waived(unique(findings), request),
  };
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
  for (const { migrationId } of kept) {
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

/** Where disks may be asked to go. The site's default is asked for even where no disk goes there: it costs nothing. */
function storagesOf({ storage, diskStorage }: MigrateVmRequest): (string | null)[] {
  return [storage ?? null, ...Object.values(diskStorage)];
}

function planDisks(vm: VmDescription, request: MigrateVmRequest): PlannedDisk[] {
  const known = vm.disks.map((disk) => disk.id);
  const unknown = [...request.excludeDisks, ...Object.keys(request.diskStorage)].filter((id) => !known.includes(id));
  if (unknown.length > 0) {
    throw new VmferryError(
      'InvalidRequest',
      `cannot find disk ${unknown.map((id) => `"${id}"`).join(', ')} of ${vm.name}`,
      { remedy: `Its disks are: ${known.join(', ')}.` },
    );
  }
  const disks = vm.disks
    .filter((disk) => !request.excludeDisks.includes(disk.id))
    .map((disk) => ({
      id: disk.id,
      sizeBytes: disk.sizeBytes,
      format: request.diskFormat,
      storage: request.diskStorage[disk.id] ?? request.storage ?? null,
    }));
  if (disks.length === 0)
    throw new VmferryError('InvalidRequest', `cannot migrate ${vm.name}: no disk is left to copy`);
  return disks;
}

function leftBehind(request: MigrateVmRequest): Finding[] {
  return [...new Set(request.excludeDisks)].map((id) => ({
    id: 'disk.excluded',
    severity: 'warning',
    message: `Disk ${id} is left behind, as asked: the VM at the target has no such disk.`,
    remedy: 'See that the guest can start without it, for instance that its fstab does not wait for it.',
  }));
}

/** The VM as it shall be at the target: without the disks left out, with the wished CPUs and memory. */
function asWished(vm: VmDescription, request: MigrateVmRequest, disks: PlannedDisk[]): VmDescription {
  const cpu =
    request.cpus && request.cpus !== vm.cpu.count
      ? { ...vm.cpu, count: request.cpus, sockets: request.cpus, coresPerSocket: 1, threadsPerCore: 1 }
      : vm.cpu;
  return {
    ...vm,
    cpu,
    memoryBytes: request.memory ? parseSizeBytes(request.memory)! : vm.memoryBytes,
    disks: vm.disks.filter((disk) => disks.some((planned) => planned.id === disk.id)),
    findings: [],
  };
}

function mapNetworks(
  vm: VmDescription,
  facts: TargetFacts,
  request: MigrateVmRequest,
  ref: Ref,
): Record<string, string> {
  const known = facts.networks.map((network) => network.name);
  const wrong = Object.entries(request.networks).filter(([, name]) => !known.includes(name));
  const rehearsal = request.rehearsal.network;
  if (rehearsal && !known.includes(rehearsal)) wrong.push(['rehearsal', rehearsal]);
  if (wrong.length > 0) {
    throw new VmferryError(
      'InvalidRequest',
      `cannot find network ${wrong.map(([, name]) => `"${name}"`).join(', ')} at ${ref.target}`,
      {
        remedy: `Networks there: ${known.join(', ') || 'none'}.`,
      },
    );
  }
  const sources = vm.nics.map((nic) => nic.network);
  const idle = Object.keys(request.networks).filter((name) => !sources.includes(name));
  if (idle.length > 0) {
    throw new VmferryError(
      'InvalidRequest',
      `cannot map network ${idle.map((name) => `"${name}"`).join(', ')}: ${vm.name} has no such network`,
      {
        remedy: `It is on: ${sources.join(', ') || 'none'}.`,
      },
    );
  }
  return Object.fromEntries(sources.map((name) => [name, request.networks[name] ?? name]));
}

function unique(findings: Finding[]): Finding[] {
  const seen = new Set<string>();
  return findings.filter((each) => {
    const key = `${each.id}\0${each.message}`;
    return !seen.has(key) && seen.add(key);
  });
}

function waived(findings: Finding[], request: MigrateVmRequest): Finding[] {
  return findings.map((each) => {
    const reason = request.waive[each.id];
    return reason !== undefined && each.severity === 'blocking' ? { ...each, waivedBy: reason } : each;
  });
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
  const { uuid, firmware, secureBoot, tpm, memoryBytes, cpu, nics, machine } = vm;
  return printOf({ uuid, firmware, secureBoot, tpm: tpm?.version ?? null, memoryBytes, cpu, nics, machine });
}
