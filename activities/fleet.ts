import { join } from 'node:path';
import { assessOne, requestFor, summarizeFleet, unreadable, type FleetRead } from '../src/checks/fleet.js';
import { checkNetworks, planMove, planPackage, storagesOf } from '../src/checks/plan.js';
import { asVmferryError, VmferryError } from '../src/errors.js';
import { isGlob, matchesGlob } from '../src/guest/glob.js';
import type { CopyRate } from '../src/model/estimate.js';
import type { Finding } from '../src/model/finding.js';
import { countOf, type FleetVm } from '../src/model/fleet.js';
import { formatCount } from '../src/model/format.js';
import type { TargetFacts } from '../src/model/target.js';
import { packVms, unpackVms } from '../src/report/fleet-part.js';
import { writeFleetReport } from '../src/report/fleet-write.js';
import type { AssessFleetRequest } from '../src/request/assess-fleet.js';
import { checkSides, signalOf } from './context.js';
import { unknownWaivers } from './waivers.js';
import { copyRateOf } from './copy-rate.js';
import type { ActivityDeps, Site } from './deps.js';
import type { FleetActivities, FleetBatch, FleetSurvey } from './fleet-io.js';

/** As many as parts of them fit into one input of the last activity (2 MiB), by the batches of workflows/assess-fleet.ts. */
const MOST_VMS = 2_000;
/** VMs that a source is asked about at once: each takes several commands there. */
const AT_ONCE = 4;

export function fleetActivities(deps: ActivityDeps): FleetActivities {
  return {
    surveyFleet: (request) => survey(deps, request),
    assessBatch: ({ request, vms, rate, mostCharacters }) => batch(deps, request, vms, rate, mostCharacters),
    async reportFleet({ assessmentId, request, rate, startedAt, parts }) {
      const vms = parts.flatMap(unpackVms);
      const target = deps.site(request.target);
      const facts = { ...(await target.targetFacts(storagesOf(request), signalOf())), ...target.abilities };
      const summary = summarizeFleet(vms, facts, request, rate, { startedAt, endedAt: new Date().toISOString() });
      const found = vms.flatMap(({ findings }) => findings);
      summary.findings.push(...unknownWaivers(request.waive, found).map((each) => ({ ...each, vms: [] })));
      const { html } = await writeFleetReport(join(deps.reports, assessmentId), { ...summary, vms });
      return { summary, path: html };
    },
  };
}

async function survey(deps: ActivityDeps, request: AssessFleetRequest): Promise<FleetSurvey> {
  const signal = signalOf();
  const { source, target } = checkSides(deps, request);
  const [inventory, facts] = await Promise.all([
    source.inventory(signal),
    target.targetFacts(storagesOf(request), signal),
  ]);
  checkNetworks(request, { ...facts, ...target.abilities });
  const vms = chosen(
    inventory.map(({ name }) => name),
    request,
  );
  const asked = { assume: request.assumeRate, bandwidth: request.sync.bandwidth };
  return { vms, rate: await copyRateOf(deps, request, asked) };
}

function chosen(names: readonly string[], { vms, exclude, source }: AssessFleetRequest): string[] {
  const idle = (vms ?? []).filter((pattern) => !names.some((name) => fits(pattern, name)));
  if (idle.length > 0) {
    const shown = names.slice(0, 20).join(', ') || 'none';
    throw new VmferryError(
      'InvalidRequest',
      `cannot find ${idle.map((each) => JSON.stringify(each)).join(', ')} at ${source}: no VM is named so`,
      { remedy: `VMs there: ${shown}${names.length > 20 ? ', …' : ''}.` },
    );
  }
  const wanted = names.filter(
    (name) =>
      (vms === undefined || vms.some((pattern) => fits(pattern, name))) &&
      !exclude.some((pattern) => fits(pattern, name)),
  );
  if (wanted.length <= MOST_VMS) return wanted;
  throw new VmferryError(
    'InvalidRequest',
    `cannot assess ${formatCount(wanted.length, 'VM')} at once: ${MOST_VMS} are the most`,
    { remedy: 'Name a part of them with patterns under vms, or leave some out under exclude.' },
  );
}

/** A name that looks like a pattern still names itself. */
function fits(pattern: string, name: string): boolean {
  return pattern === name || (isGlob(pattern) && matchesGlob(pattern, name));
}

async function batch(
  deps: ActivityDeps,
  request: AssessFleetRequest,
  names: readonly string[],
  rate: CopyRate,
  mostCharacters: number,
): Promise<FleetBatch> {
  const signal = signalOf();
  const { source, target } = checkSides(deps, request);
  // Once for all of them.
  const [facts, here, there] = await Promise.all([
    target.targetFacts(storagesOf(request), signal),
    source.tools(signal),
    target.tools(signal),
  ]);
  const tools = { source: here, target: there };
  const limits = target.packaging?.limits(planPackage(request)) ?? facts.limits;
  const vms: FleetVm[] = [];
  const left = names.map((name, index) => ({ name, index }));
  const work = async () => {
    for (let next = left.shift(); next; next = left.shift()) {
      signal.throwIfAborted();
      const sides = { source, target, facts: { ...facts, limits }, tools, rate, request };
      vms[next.index] = await assessNamed(sides, next.name, signal).catch((error: unknown) => {
        // What fails the whole ends the others' work too.
        left.length = 0;
        throw error;
      });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const blocked = vms.filter(({ readiness }) => readiness === 'blocked' || readiness === 'unreadable');
  return {
    counts: countOf(vms),
    blocked: blocked.map(({ name }) => name),
    part: packVms(vms, mostCharacters),
  };
}

interface Sides {
  source: Site;
  target: Site;
  facts: TargetFacts;
  tools: FleetRead['tools'];
  rate: CopyRate;
  request: AssessFleetRequest;
}

/** What keeps one VM from being read is told of it, and keeps no other from it; a site that is gone fails the whole. */
async function assessNamed(
  { source, target, facts, tools, rate, request }: Sides,
  name: string,
  signal: AbortSignal,
): Promise<FleetVm> {
  try {
    const found = await source.describe(name, signal);
    const run = await source.runState(name, signal);
    const samePlatform = source.platform === target.platform;
    const { disks } = planMove(found, { ...facts, ...target.abilities, samePlatform }, requestFor(request, found));
    const findings = await source.sourceFindings(
      found,
      disks.map(({ id }) => id),
      signal,
    );
    return assessOne(
      {
        samePlatform,
        found,
        seen: run?.state === 'running' ? await source.guestFacts(name, signal, false).catch(() => null) : null,
        running: run?.state === 'running' || run?.state === 'paused',
        abilities: source.abilities,
        findings: [...(await claimFindings(source, name, signal)), ...findings],
        target: { ...facts, abilities: target.abilities },
        tools,
        rate,
      },
      request,
    );
  } catch (error) {
    signal.throwIfAborted();
    const { code, message, remedy } = asVmferryError(error);
    if (code === 'Unreachable') throw error;
    const line = unreadable(name, { code, message, remedy: remedy ?? null });
    return code === 'InvalidRequest' ? { ...line, readiness: 'blocked' } : line;
  }
}

async function claimFindings(source: Site, name: string, signal: AbortSignal): Promise<Finding[]> {
  const claim = await source.readClaim(name, signal);
  if (!claim) return [];
  return [
    {
      id: 'vm.claimed',
      severity: 'blocking',
      message: `Migration ${claim.migrationId} (workflow ${claim.workflowId}) has claimed the VM since ${claim.claimedAt}.`,
      remedy: `Let that one end, or abort it: vmferry abort ${claim.workflowId}`,
    },
  ];
}
