import { readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { loadConfig, reportsDirectory } from '../config.js';
import { VmferryError } from '../errors.js';
import { checkFolder, explainingWrites } from '../file-trouble.js';
import type { MigrationStatus } from '../model/status.js';
import { writeFleetReport } from '../report/fleet-write.js';
import { buildReport, writeReport, type WrittenReport } from '../report/index.js';
import { askStatus } from './ask.js';
import { printJson, withClient, type Context } from './context.js';
import { askFleet } from './fleet.js';
import { ALL_TYPES, FLEET_TYPE, findMigration } from './find.js';
import type { Verbs } from './program.js';

interface Options {
  out?: string;
  config?: string;
  json?: boolean;
}

export function addReport(verbs: Verbs): void {
  verbs
    .verb(
      'report',
      'Write the report of a migration, of a running one too, as JSON and HTML',
      'vmferry report web01 --out ./web01-report',
    )
    .argument('<migration>', "a VM's name, a workflow's id or a migration's id; or an assessment of many")
    .option('-o, --out <dir>', 'folder for report.json and report.html', 'report')
    .option('--config <file>', 'vmferry.yaml, which says where the worker keeps evidence')
    .option('--json', 'print the report as JSON; write no files')
    .action(verbs.action((name: string, options: Options) => report(verbs.context, name, options)));
}

const ELSEWHERE = 'Name another folder with --out, or print the report with --json.';

async function report(context: Context, name: string, { out, json, config }: Options): Promise<undefined> {
  const folder = resolve(out ?? 'report');
  if (!json) await checkFolder(folder, ELSEWHERE);
  const told = await withClient(context, async (connected) => {
    const found = await findMigration(connected, name, ALL_TYPES);
    if (found.type === FLEET_TYPE) return { found, fleet: (await askFleet(connected, found)).assessment };
    return { found, status: await askStatus(connected.client, found) };
  });
  if (told.status === undefined) {
    const { fleet } = told;
    if (!fleet)
      throw new VmferryError('NotFound', `cannot report on ${told.found.workflowId}: it is not at its end`, {
        remedy: `\`vmferry watch ${told.found.workflowId}\` waits for it.`,
      });
    if (json) printJson(context, fleet);
    else printPaths(context, await explainingWrites(folder, ELSEWHERE, () => writeFleetReport(folder, fleet)));
    return undefined;
  }
  const { status } = told;
  const endedAt = told.found.closedAt?.toISOString();
  const built = buildReport(status, endedAt);
  if (json) {
    printJson(context, built);
    return undefined;
  }
  const folders = await evidenceFolders(status, config);
  const pictures = await picturesFor(status, folders);
  printPaths(context, await explainingWrites(folder, ELSEWHERE, () => writeReport(folder, built, pictures)));
  const missing = status.evidence.filter(({ path }) => path !== null && !(path in pictures));
  if (missing.length > 0) {
    const names = missing.map(({ path }) => path).join(', ');
    const looked = folders.join(' or ') || 'a place that this machine knows of';
    context.err(
      `Only named in it, as not found in ${looked}: ${names}. The worker keeps them beside its own report.\n`,
    );
  }
  return undefined;
}

function printPaths(context: Context, { html, json }: WrittenReport): void {
  context.out(`${html}\n${json}\n`);
}

/** Where the worker keeps evidence, as far as this machine knows: beside its report, and where `vmferry.yaml` says. */
async function evidenceFolders(status: MigrationStatus, configPath: string | undefined): Promise<string[]> {
  const config = await loadConfig(configPath).catch((error: unknown) => {
    if (configPath !== undefined) throw error;
    return null;
  });
  return [
    ...new Set([
      ...(status.reportPath === null ? [] : [dirname(status.reportPath)]),
      ...(config ? [join(reportsDirectory(config), status.migrationId)] : []),
    ]),
  ];
}

/** Evidence that can be read here. */
async function picturesFor(status: MigrationStatus, folders: readonly string[]): Promise<Record<string, Uint8Array>> {
  const pictures: Record<string, Uint8Array> = {};
  for (const { path } of status.evidence) {
    if (path === null || path !== basename(path)) continue;
    for (const folder of folders) {
      const bytes = path in pictures ? null : await readFile(join(folder, path)).catch(() => null);
      if (bytes) pictures[path] = bytes;
    }
  }
  return pictures;
}
