import { loadConfig, siteOf, type VmferryConfig } from '../config.js';
import { explain, VmferryError } from '../errors.js';
import { formatBytes } from '../model/format.js';
import { idOfMigration } from '../request/names.js';
import { columns, printJson, type Context } from './context.js';
import { DONE, NOT_DONE } from './exit.js';
import { askTemporal, type Temporal } from './fate.js';
import { gather, judge, remainsOf, type Found, type Leftover, type Remains } from './leftovers.js';
import type { Verbs } from './program.js';
import { withSite } from './sites.js';

interface Options {
  config?: string;
  site?: string;
  migration?: string;
  keepReplicas?: boolean;
  remove?: boolean;
  json?: boolean;
}

/** One line of what `sweep` prints, and one object of its JSON. */
export interface SweptRow {
  site: string;
  kind: string;
  name: string;
  migrationId: string;
  workflowId: string | null;
  sizeBytes: number | null;
  /** `would-remove` where nothing was asked to be removed. */
  action: 'would-remove' | 'removed' | 'kept' | 'failed';
  /** Why it goes, stays, or could not be removed. */
  reason: string;
}

export function addSweep(verbs: Verbs): void {
  verbs
    .verb(
      'sweep',
      'List what migrations left at the sites, and why each stays or could go; --remove removes what can go',
      'vmferry sweep --remove --keep-replicas',
    )
    .option('--remove', 'remove what is left over; without it nothing is changed')
    .option('--keep-replicas', 'leave whole replicas, which a later migration may adopt')
    .option('--migration <id>', 'only what this migration left')
    .option('--site <site>', 'only this site; the others are looked at all the same')
    .option('--config <file>', 'vmferry.yaml')
    .option('--json', 'print JSON')
    .action(verbs.action((options: Options) => sweep(verbs.context, options)));
}

async function sweep(context: Context, options: Options): Promise<number> {
  if (options.migration !== undefined && !idOfMigration.safeParse(options.migration).success) {
    const given = JSON.stringify(options.migration);
    throw new VmferryError(
      'InvalidRequest',
      `cannot sweep migration ${given}: an id is 12 hex digits, in small letters`,
      {
        remedy:
          '`vmferry sweep` shows the ids of all that left something, `vmferry list --all` those that Temporal knows.',
      },
    );
  }
  const config = await loadConfig(options.config);
  if (options.site !== undefined) siteOf(config, options.site);
  const temporal = await askTemporal(context);
  try {
    const found = await gather(config, Object.keys(config.sites), context.signal);
    for (const [site, error] of found.failed) context.err(`${site}: ${explain(error)}\n`);
    const rows: SweptRow[] = [];
    for (const remains of remainsOf(found)) {
      if (options.migration !== undefined && remains.migrationId !== options.migration) continue;
      const judged = await rowsOf(temporal, remains, options);
      rows.push(...(options.remove ? await removeAll(context, config, temporal, remains, options, judged) : judged));
    }
    if (options.json) printJson(context, rows);
    else if (rows.length === 0) context.out(nothing(options, found.failed.size > 0));
    else print(context, rows, options.remove === true);
    const barred = options.remove === true && temporal.trouble !== null;
    if (barred) context.err(`Nothing was removed, as Temporal cannot be asked: ${temporal.trouble}\n`);
    const unsure = options.remove === true && temporal.unsure !== null;
    if (unsure) context.err(`Not everything could be decided: ${temporal.unsure}\n`);
    const failed = found.failed.size > 0 || unsure || rows.some((row) => row.action === 'failed');
    return failed || barred ? NOT_DONE : DONE;
  } finally {
    await temporal.close();
  }
}

async function verdictsOf(temporal: Temporal, remains: Remains, options: Options) {
  const verdicts = judge(remains, remains.owner ? await temporal.fateOf(remains.owner) : null);
  for (const [each, verdict] of verdicts) {
    if (!verdict.remove) continue;
    if (options.site !== undefined && each.site !== options.site)
      verdicts.set(each, { remove: false, reason: `only ${options.site} was asked for` });
    else if (options.keepReplicas && each.replica?.whole)
      verdicts.set(each, { remove: false, reason: 'whole replicas are kept, as asked' });
  }
  return verdicts;
}

async function rowsOf(temporal: Temporal, remains: Remains, options: Options): Promise<SweptRow[]> {
  const verdicts = await verdictsOf(temporal, remains, options);
  return [...verdicts]
    .filter(([each]) => options.site === undefined || each.site === options.site)
    .map(([each, { remove, reason }]) => rowOf(each, remove ? 'would-remove' : 'kept', reason));
}

function rowOf(each: Leftover, action: SweptRow['action'], reason: string): SweptRow {
  const { site, kind, name, migrationId, owner, sizeBytes } = each;
  return { site, kind, name, migrationId, workflowId: owner?.workflowId ?? null, sizeBytes, action, reason };
}

/** Removes what may go of one migration, after looking at it and asking Temporal once more. */
async function removeAll(
  context: Context,
  config: VmferryConfig,
  temporal: Temporal,
  seen: Remains,
  options: Options,
  judged: SweptRow[],
): Promise<SweptRow[]> {
  if (!judged.some((row) => row.action === 'would-remove')) return judged;
  const sites = new Set(seen.resources.map((each) => each.site));
  if (seen.source && seen.source.site in config.sites) sites.add(seen.source.site);
  const again: Found = await gather(config, [...sites], context.signal);
  const remains = remainsOf(again).find((each) => each.migrationId === seen.migrationId);
  if (!remains) return judged.map((row) => ({ ...row, action: 'removed', reason: 'it has gone by itself' }));
  const verdicts = await verdictsOf(temporal, remains, options);
  const rows: SweptRow[] = [];
  const going = [...verdicts].filter(([, verdict]) => verdict.remove).map(([each]) => each);
  // The claim goes last: until then it says whose all else is.
  const groups = [
    ...groupsOf(going.filter((each) => each.side === 'target')),
    ...groupsOf(going.filter((each) => each.side === 'source' && each.claim === null)),
  ];
  let failed = false;
  for (const group of groups) {
    const error = await removeGroup(context, config, group);
    failed ||= error !== null;
    for (const each of group) rows.push(outcomeOf(each, error, verdicts.get(each)!.reason));
  }
  for (const claim of going.filter((each) => each.claim !== null)) {
    const error = failed ? 'not all else could be removed' : await removeGroup(context, config, [claim]);
    rows.push(outcomeOf(claim, error, verdicts.get(claim)!.reason));
  }
  const left = [...verdicts].filter(([, verdict]) => !verdict.remove);
  const shown = left.filter(([each]) => options.site === undefined || each.site === options.site);
  return [...rows, ...shown.map(([each, verdict]) => rowOf(each, 'kept', verdict.reason))];
}

function outcomeOf(each: Leftover, error: string | null, reason: string): SweptRow {
  return rowOf(each, error === null ? 'removed' : 'failed', error ?? reason);
}

/** By site and VM: what is removed with one call. */
function groupsOf(resources: readonly Leftover[]): Leftover[][] {
  const groups = new Map<string, Leftover[]>();
  for (const each of resources) {
    const key = `${each.site} ${each.vm?.name ?? ''}`;
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  return [...groups.values()];
}

/** Why it failed, or null. */
async function removeGroup(
  { signal }: Context,
  config: VmferryConfig,
  group: readonly Leftover[],
): Promise<string | null> {
  const { site: name, migrationId, owner, side, vm, claim } = group[0]!;
  try {
    await withSite(config, name, async (site) => {
      if (side === 'target') await site.removeLeft(owner!, signal);
      else if (claim) await site.releaseClaim(vm?.name ?? '', migrationId, signal);
      else {
        await site.endPoints(vm?.name ?? '', migrationId, signal);
        if (vm) await site.deleteCheckpoints(vm.name, migrationId, [], signal);
      }
    });
    return null;
  } catch (error) {
    signal.throwIfAborted();
    return explain(error);
  }
}

const WORDS: Record<SweptRow['action'], string> = {
  'would-remove': 'can go',
  removed: 'removed',
  kept: 'stays',
  failed: 'FAILED',
};

/** @param unseen whether some site did not answer. */
function nothing({ migration, site }: Options, unseen: boolean): string {
  const where = site === undefined ? (unseen ? ' at the sites that answered' : ' at the sites') : ` at ${site}`;
  if (migration === undefined) return `Nothing of vmferry was found${where}.\n`;
  return `Nothing of migration ${migration} was found${where}; without --migration all that is left is listed.\n`;
}

function print(context: Context, rows: readonly SweptRow[], removing: boolean): void {
  const cells = rows.map((row) => [
    row.site,
    row.kind,
    row.name,
    row.migrationId,
    row.sizeBytes === null ? '' : formatBytes(row.sizeBytes),
    WORDS[row.action],
    row.reason.replaceAll('\n', ' '),
  ]);
  context.out(columns([['SITE', 'KIND', 'NAME', 'MIGRATION', 'SIZE', '', 'WHY'], ...cells]));
  const able = rows.filter((row) => row.action === 'would-remove').length;
  if (!removing && able > 0) context.out(`\n\`vmferry sweep --remove\` removes ${able} of ${rows.length}.\n`);
}
