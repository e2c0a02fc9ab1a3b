import { loadConfig, type VmferryConfig } from '../config.js';
import { explain, VmferryError } from '../errors.js';
import { formatBytes } from '../model/format.js';
import type { Claim, OwnedResource } from '../platforms/platform.js';
import { columns, printJson, type Context } from './context.js';
import { DONE, NOT_DONE } from './exit.js';
import type { Verbs } from './program.js';
import { withSite } from './sites.js';

interface Options {
  config?: string;
  site?: string;
  json?: boolean;
  remove?: boolean;
}

/** One thing of vmferry's at a site, or a claim on a VM there. */
interface Row extends OwnedResource {
  site: string;
}

/** What every site holds of vmferry's, told apart by the verb: all, only replicas, or what a lost workflow left. */
export function addOwned(verbs: Verbs): void {
  const options = { context: verbs.context };
  verb('replicas', 'List the replicas kept at the sites', 'vmferry replicas --site dc-new', (row) =>
    row.kind.endsWith('replica'),
  );
  verb('recover', 'Show what a lost workflow left: claims, replicas, domains', 'vmferry recover --json', () => true);
  verb('sweep', 'List everything that vmferry left at the sites; removes nothing', 'vmferry sweep', () => true).option(
    '--remove',
    'remove what is left over (not supported yet)',
  );

  function verb(name: string, summary: string, example: string, wanted: (row: Row) => boolean) {
    return verbs
      .verb(name, summary, example)
      .option('--site <site>', 'only this site')
      .option('--config <file>', 'vmferry.yaml')
      .option('--json', 'print JSON')
      .action(verbs.action((given: Options) => show(options.context, given, wanted)));
  }
}

async function show(context: Context, options: Options, wanted: (row: Row) => boolean): Promise<number> {
  if (options.remove) {
    throw new VmferryError('NotSupported', 'cannot remove anything: `sweep --remove` is not supported yet', {
      remedy: '`vmferry sweep` lists; `vmferry abort` removes what a running migration created.',
    });
  }
  const config = await loadConfig(options.config);
  const names = options.site === undefined ? Object.keys(config.sites) : [options.site];
  const rows: Row[] = [];
  let failed = 0;
  for (const site of names) {
    try {
      rows.push(...(await ownedAt(config, site, context.signal)));
    } catch (error) {
      if (options.site !== undefined) throw error;
      failed += 1;
      context.err(`${site}: ${explain(error)}\n`);
    }
  }
  const shown = rows.filter(wanted);
  if (options.json) printJson(context, shown);
  else if (shown.length === 0) context.out('Nothing of vmferry was found.\n');
  else context.out(columns([['SITE', 'KIND', 'NAME', 'MIGRATION', 'SIZE', 'WORKFLOW', 'IN USE'], ...shown.map(cells)]));
  return failed > 0 ? NOT_DONE : DONE;
}

async function ownedAt(config: VmferryConfig, name: string, signal: AbortSignal): Promise<Row[]> {
  return await withSite(config, name, async (site) => {
    const owned = await site.listOwned(signal);
    const claims: Claim[] = [];
    for (const vm of await site.inventory(signal)) {
      const claim = await site.readClaim(vm.name, signal);
      if (claim) claims.push(claim);
    }
    const listed = new Set(owned.map((each) => `${each.kind} ${each.migrationId}`));
    const more = claims.filter((each) => !listed.has(`claim ${each.migrationId}`)).map(claimRow);
    return [...owned, ...more].map((each) => ({ ...each, site: name }));
  });
}

function claimRow({ vm, ...owner }: Claim): OwnedResource {
  const { migrationId, workflowId, cluster, namespace } = owner;
  return {
    kind: 'claim',
    name: vm,
    migrationId,
    owner: { migrationId, workflowId, cluster, namespace },
    sizeBytes: null,
    inUse: null,
  };
}

function cells(row: Row): string[] {
  const size = row.sizeBytes === null ? '' : formatBytes(row.sizeBytes);
  return [row.site, row.kind, row.name, row.migrationId, size, row.owner?.workflowId ?? '', row.inUse ?? ''];
}
