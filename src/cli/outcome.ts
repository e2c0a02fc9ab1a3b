import { downtimeInWords } from '../model/estimate.js';
import { blockers } from '../model/finding.js';
import { formatDuration } from '../model/format.js';
import type { MigrationStatus } from '../model/status.js';
import { columns, printable, type Context } from './context.js';

/**
 * Says on standard error what a migration failed for and what to do about it, so that it is read beside data too. Findings
 * that made it fail are among that: their remedies name the networks and pools that there are.
 */
export function printTrouble(context: Context, { outcome, error, findings }: MigrationStatus): void {
  if (!error) return;
  const stops = outcome === 'dry-run' ? [] : blockers(findings);
  const remedies = stops.map((each) => `${each.id}: ${each.remedy}`);
  for (const [index, line] of [error.message, error.remedy ?? '', ...remedies].entries())
    if (line !== '') context.err(`${index === 0 ? '' : '  '}${line.split('\n').map(printable).join('\n  ')}\n`);
}

/** What a move was reckoned to take, as two lines with how that was estimated. */
export function printEstimate(context: Context, { estimate }: MigrationStatus): void {
  if (!estimate) return;
  const { copyMs, copyHow, downtimeHow } = estimate;
  context.out(`Copying:  about ${formatDuration(copyMs)}: ${printable(copyHow)}.\n`);
  context.out(`Downtime: ${downtimeInWords(estimate)}. ${printable(downtimeHow)}\n`);
}

/** The findings of a dry run as a table; that there are none is said unless it failed before it could look. */
export function printFindings(context: Context, { findings, error }: MigrationStatus): void {
  if (findings.length === 0 && !error) context.out('Nothing stands against it.\n');
  if (findings.length === 0) return;
  const rows = findings.map((each) => [each.waivedBy ? 'waived' : each.severity, each.id, each.message, each.remedy]);
  context.out(columns([['SEVERITY', 'RULE', 'FOUND', 'WHAT TO DO'], ...rows]));
}
