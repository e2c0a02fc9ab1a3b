import { loadConfig, siteOf } from '../config.js';
import { explain } from '../errors.js';
import { formatBytes } from '../model/format.js';
import { columns, printJson, type Context } from './context.js';
import { DONE, NOT_DONE } from './exit.js';
import { gather, type Leftover } from './leftovers.js';
import type { Verbs } from './program.js';

interface Options {
  config?: string;
  site?: string;
  json?: boolean;
}

/** The replicas at the sites: those of running migrations, and those that were kept. */
export function addReplicas(verbs: Verbs): void {
  verbs
    .verb('replicas', 'List the replicas at the sites', 'vmferry replicas --site dc-new')
    .option('--site <site>', 'only this site')
    .option('--config <file>', 'vmferry.yaml')
    .option('--json', 'print JSON')
    .action(verbs.action((options: Options) => replicas(verbs.context, options)));
}

async function replicas(context: Context, options: Options): Promise<number> {
  const config = await loadConfig(options.config);
  if (options.site !== undefined) siteOf(config, options.site);
  const sites = options.site === undefined ? Object.keys(config.sites) : [options.site];
  const found = await gather(config, sites, context.signal);
  for (const [site, error] of found.failed) context.err(`${site}: ${explain(error)}\n`);
  const rows = found.resources.filter((each) => each.kind.endsWith('-replica'));
  if (options.json) printJson(context, rows.map(described));
  else if (rows.length === 0)
    context.out(`No replica was found${found.failed.size > 0 ? ' at the sites that answered' : ''}.\n`);
  else context.out(columns([HEADING, ...rows.map(cells)]));
  return found.failed.size > 0 ? NOT_DONE : DONE;
}

const HEADING = ['SITE', 'VM', 'FROM', 'MIGRATION', 'PASS', 'SIZE', 'WORKFLOW', 'IN USE', 'FOLDER'];

function described({ site, kind, name, migrationId, owner, sizeBytes, inUse, replica }: Leftover) {
  const whole = replica?.whole ?? null;
  return {
    site,
    kind,
    name,
    migrationId,
    owner,
    sizeBytes,
    inUse,
    source: replica?.source ?? null,
    targetName: replica?.targetName ?? null,
    wholePass: whole?.pass ?? null,
    verified: whole !== null && replica!.verifiedPass >= whole.pass,
    disks: replica?.disks.map(({ id, sizeBytes: size, format, path }) => ({ id, sizeBytes: size, format, path })) ?? [],
  };
}

function cells(each: Leftover): string[] {
  const { source, targetName, wholePass, verified } = described(each);
  const pass = wholePass === null ? 'not whole' : `${wholePass}${verified ? ', verified' : ''}`;
  const size = each.sizeBytes === null ? '' : formatBytes(each.sizeBytes);
  return [
    each.site,
    source?.vm ?? targetName ?? '?',
    source?.site ?? '?',
    each.migrationId,
    pass,
    size,
    each.owner?.workflowId ?? '',
    each.inUse ?? '',
    each.name,
  ];
}
