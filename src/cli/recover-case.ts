import { siteOf, type VmferryConfig } from '../config.js';
import type { Claim, RunState } from '../platforms/platform.js';
import type { Fate } from './fate.js';
import type { Found, Leftover, Remains, SourceVm } from './leftovers.js';
import { withSite } from './sites.js';

/** How a migration without a workflow stands at both sides, as `recover` shows it. */
export interface Case {
  migrationId: string;
  workflowId: string | null;
  fate: Fate;
  /** Null where nothing says which VM it is. */
  source: (SourceVm & { autostart: boolean | null }) | null;
  claim: Claim | null;
  /** The VM that the cutover defined; null where there is none. */
  /** `packed`: a package, which nothing starts. */
  target: { site: string; name: string; running: boolean; packed: boolean } | null;
  rehearsal: { site: string; name: string } | null;
  replica: { site: string; folder: string; pass: number | null; kind: string | null; verified: boolean } | null;
  /** Sites that did not answer: something of it may be there. */
  unseen: string[];
}

export async function caseOf(
  config: VmferryConfig,
  found: Found,
  remains: Remains,
  fate: Fate,
  signal: AbortSignal,
): Promise<Case> {
  const { migrationId, resources, source, owner } = remains;
  const kind = (name: string) => resources.find((each) => each.side === 'target' && each.kind.endsWith(`-${name}`));
  const domain = kind('target');
  const rehearsal = kind('rehearsal');
  const run = source && source.state !== 'unreachable' ? await runStateOf(config, source, signal) : null;
  return {
    migrationId,
    workflowId: owner?.workflowId ?? null,
    fate,
    source: source && { ...source, autostart: run?.autostart ?? null },
    claim: resources.find((each) => each.claim !== null)?.claim ?? null,
    target: domain
      ? { site: domain.site, name: domain.name, running: domain.inUse !== null, packed: domain.packed === true }
      : null,
    rehearsal: rehearsal ? { site: rehearsal.site, name: rehearsal.name } : null,
    replica: replicaOf(kind('replica')),
    unseen: [...found.failed.keys()],
  };
}

async function runStateOf(
  config: VmferryConfig,
  { site, vm }: SourceVm,
  signal: AbortSignal,
): Promise<RunState | null> {
  siteOf(config, site);
  return await withSite(config, site, (opened) => opened.runState(vm, signal));
}

function replicaOf(each: Leftover | undefined): Case['replica'] {
  if (!each) return null;
  const whole = each.replica?.whole ?? null;
  return {
    site: each.site,
    folder: each.name,
    pass: whole?.pass ?? null,
    kind: kindOf(whole?.result),
    verified: whole !== null && (each.replica?.verifiedPass ?? -1) >= whole.pass,
  };
}

/** The kind of the last whole pass, where its record tells. */
function kindOf(result: unknown): string | null {
  const record = (result as { record?: { kind?: unknown } } | null | undefined)?.record;
  return typeof record?.kind === 'string' ? record.kind : null;
}

/** The case in words. */
export function wordsOf(each: Case): string[] {
  const { source, target, replica, claim, rehearsal } = each;
  const was = claim?.ran
    ? `; when claimed it ${claim.ran === 'yes' ? 'ran' : 'was off'}${claim.autostart === 'yes' ? ' and started by itself' : ''}`
    : '';
  const auto = source?.autostart == null ? '' : source.autostart ? ', starts by itself' : ', does not start by itself';
  const pass = replica?.pass ?? null;
  return [
    `Migration ${each.migrationId}: ${each.fate.text}`,
    `  source     ${source ? `${source.vm} at ${source.site}: ${source.state}${auto}${was}` : 'nothing says which VM it is'}`,
    `  claim      ${claim ? `since ${claim.claimedAt}` : 'none'}`,
    ...(claim?.stoppedServices ? [`  services   stopped in the guest: ${claim.stoppedServices}`] : []),
    `  target     ${target ? `${target.name} at ${target.site}: ${target.packed ? 'a package' : target.running ? 'running' : 'off'}` : 'no VM is defined'}`,
    ...(rehearsal ? [`  rehearsal  ${rehearsal.name} at ${rehearsal.site}`] : []),
    `  replica    ${
      replica
        ? `${replica.folder} at ${replica.site}: ${pass === null ? 'no whole pass' : `pass ${pass} is whole${replica.kind ? ` (${replica.kind})` : ''}, ${replica.verified ? 'verified' : 'not verified'}`}`
        : 'none'
    }`,
    ...(each.unseen.length > 0 ? [`  not seen   ${each.unseen.join(', ')}`] : []),
  ];
}

/** What choosing a side would do, or why it is not possible as things stand. */
export function offersOf(each: Case): Record<'source' | 'target', { possible: boolean; what: string }> {
  const { source, target } = each;
  const no = (what: string) => ({ possible: false, what });
  const yes = (what: string) => ({ possible: true, what });
  return {
    source: !source
      ? no('nothing says which VM is the source')
      : source.state === 'unreachable'
        ? no(`${source.site} cannot be asked`)
        : source.state === 'gone'
          ? no(`${source.vm} is not defined at ${source.site} any more`)
          : yes(
              `${target ? `${target.name} at ${target.site} is ${target.running ? 'switched off, what it wrote is lost (--discard-target-writes), and it is ' : ''}removed; ` : ''}${source.vm} at ${source.site} goes on; a whole replica is kept`,
            ),
    target: !target
      ? no('no VM is defined at the target: choose the source, then start a new migration, which may adopt the replica')
      : source?.state === 'running'
        ? no(`${source.vm} at ${source.site} runs: stop it first, or choose the source`)
        : yes(
            `${target.name} at ${target.site} ${target.packed ? 'is kept' : target.running ? 'goes on' : 'is started'}; --accept makes it final and retires ${source?.vm ?? 'the source'}`,
          ),
  };
}
