import { InvalidArgumentError } from 'commander';
import { formatInstant } from '../model/format.js';
import { columns, printJson, withClient } from './context.js';
import { ALL_TYPES, FLEET_TYPE, listMigrations, type Found } from './find.js';
import type { Verbs } from './program.js';

interface Options {
  all?: boolean;
  limit: number;
  json?: boolean;
}

const MOST = 200;

export function addList(verbs: Verbs): void {
  verbs
    .verb('list', 'List migrations and assessments of many VMs: those that run, or all', 'vmferry list --all')
    .option('-a, --all', 'those that have ended too')
    .option('--limit <count>', 'at most this many', wholeNumber, MOST)
    .option('--json', 'print JSON')
    .action(
      verbs.action(async ({ all, limit, json }: Options) => {
        const { context } = verbs;
        const found = await withClient(context, ({ client, settings }) =>
          listMigrations(client, settings.namespace, all ? null : "ExecutionStatus = 'Running'", limit, ALL_TYPES),
        );
        if (json) printJson(context, found);
        else if (found.length === 0)
          context.out(all ? 'No migrations.\n' : 'No migration runs; `--all` shows ended ones.\n');
        else context.out(columns([HEADING, ...found.map(row)]));
        return undefined;
      }),
    );
}

const HEADING = ['VM', 'FROM', 'TO', 'PHASE', 'STARTED', 'MIGRATION', 'WORKFLOW'];

function row(each: Found): string[] {
  const phase = each.running || each.state === 'COMPLETED' ? phaseOf(each) : each.state.toLowerCase();
  const started = formatInstant(each.startedAt.toISOString());
  return [
    each.type === FLEET_TYPE ? '(many)' : each.vm,
    each.source,
    each.target,
    phase || each.state.toLowerCase(),
    started,
    each.migrationId,
    each.workflowId,
  ];
}

/** What only assessed has ended in that phase; a migration would go on from there. */
function phaseOf({ dryRun, running, phase }: Found): string {
  return dryRun && !running ? 'dry-run' : phase;
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('expected a number from 1');
  return value;
}
