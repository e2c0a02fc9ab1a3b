import { mkdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { MigrationStatus } from '../model/status.js';
import { buildReport, writeReport } from '../report/index.js';
import { askStatus } from './ask.js';
import { printJson, withClient, type Context } from './context.js';
import { findMigration } from './find.js';
import type { Verbs } from './program.js';

interface Options {
  out?: string;
  json?: boolean;
}

export function addReport(verbs: Verbs): void {
  verbs
    .verb(
      'report',
      'Write the report of a migration, of a running one too, as JSON and HTML',
      'vmferry report web01 --out ./web01-report',
    )
    .argument('<migration>', "a VM's name, a workflow's id or a migration's id")
    .option('-o, --out <dir>', 'folder for report.json and report.html', 'report')
    .option('--json', 'print the report as JSON; write no files')
    .action(verbs.action((name: string, options: Options) => report(verbs.context, name, options)));
}

async function report(context: Context, name: string, { out, json }: Options): Promise<undefined> {
  const { status, endedAt } = await withClient(context, async (connected) => {
    const found = await findMigration(connected, name);
    return { status: await askStatus(connected.client, found), endedAt: found.closedAt?.toISOString() };
  });
  const built = buildReport(status, endedAt);
  if (json) {
    printJson(context, built);
    return undefined;
  }
  const folder = resolve(out ?? 'report');
  await mkdir(folder, { recursive: true });
  const written = await writeReport(folder, built, await picturesFor(status));
  context.out(`${written.html}\n${written.json}\n`);
  const missing = status.evidence.filter((each) => each.path !== null).length;
  if (missing > 0 && status.reportPath === null) {
    context.err('Evidence files lie beside the report that the worker writes at the end; they are only named here.\n');
  }
  return undefined;
}

/** Evidence that the worker keeps beside its own report, where this machine can read it. */
async function picturesFor(status: MigrationStatus): Promise<Record<string, Uint8Array>> {
  const pictures: Record<string, Uint8Array> = {};
  if (status.reportPath === null) return pictures;
  for (const { path } of status.evidence) {
    if (path === null || path !== basename(path)) continue;
    const bytes = await readFile(join(dirname(status.reportPath), path)).catch(() => null);
    if (bytes) pictures[path] = bytes;
  }
  return pictures;
}
