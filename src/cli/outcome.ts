import { downtimeInWords } from '../model/estimate.js';
import { blockers } from '../model/finding.js';
import { formatDuration } from '../model/format.js';
import type { MigrationStatus } from '../model/status.js';
import { printable, type Context } from './context.js';
import { linesOf, proseWidth, wrapped } from './wrap.js';

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

/** What a move was reckoned to take, and how that was estimated. */
export function printEstimate(context: Context, { estimate }: MigrationStatus): void {
  if (!estimate) return;
  const { copyMs, copyHow, downtimeHow } = estimate;
  const texts = [
    `Copying: about ${formatDuration(copyMs)}: ${copyHow}.`,
    `Downtime: ${downtimeInWords(estimate)}. ${downtimeHow}`,
  ];
  context.out(linesOf(texts.flatMap((text) => wrapped(text, proseWidth(context.columns)))));
}

/** The findings of a dry run, each with what to do; that there are none is said unless it failed before it could look. */
export function printFindings(context: Context, { findings, error }: MigrationStatus): void {
  if (findings.length === 0 && !error) context.out('Nothing stands against it.\n');
  const width = proseWidth(context.columns);
  for (const { severity, id, message, remedy, waivedBy } of findings) {
    const waived = waivedBy === undefined ? [] : [`Waived: ${waivedBy}`];
    const texts = [message, remedy, ...waived].flatMap((text) => wrapped(text, width, '  '));
    context.out(linesOf([`${waivedBy === undefined ? severity : 'waived'} ${id}`, ...texts]));
  }
}
