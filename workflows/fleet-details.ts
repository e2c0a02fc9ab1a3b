import { formatBytes, formatCount, formatDuration } from '../src/model/format.js';
import type { FleetStatus } from '../src/model/fleet.js';
import { plain, table } from './details.js';

const SHOWN = 15;

/** An assessment of many VMs for people, in the Markdown that the Temporal UI renders. */
export function fleetDetailsOf(status: FleetStatus): string {
  const { counts, total, summary, error, reportPath } = status;
  const lines = [
    `# Assessment: ${status.source} to ${status.target}`,
    `Phase **${status.phase}**, ${counts.vms} of ${total ?? 'unknown'} VMs assessed. Nothing is changed.`,
  ];
  if (error) {
    lines.push(
      `Error **${error.code}**: ${plain(error.message)}${error.remedy ? `\n\nWhat to do: ${plain(error.remedy)}` : ''}`,
    );
  }
  lines.push(
    table(
      ['Readiness', 'VMs'],
      [
        ['ready', String(counts.ready)],
        ['ready, with warnings', String(counts.readyWithWarnings)],
        ['blocked', String(counts.blocked)],
        ['unreadable', String(counts.unreadable)],
      ],
    ),
  );
  if (status.blocked.length > 0) {
    const more = counts.blocked + counts.unreadable - SHOWN;
    const names = status.blocked.slice(0, SHOWN).map(plain).join(', ');
    lines.push(`Blocked or unreadable: ${names}${more > 0 ? ` and ${more} more` : ''}`);
  }
  if (summary) {
    const { sizing, estimate } = summary;
    lines.push(
      table(
        ['', ''],
        [
          ['To copy', `${formatBytes(sizing.allocatedBytes)} of ${formatBytes(sizing.sizeBytes)}`],
          ['Copying', `${formatDuration(estimate.copyMs)}, one after the other`],
          ['Longest downtime', formatDuration(estimate.longestDowntimeMs)],
          ['Fits together', sizing.fits ? 'yes' : 'no'],
        ],
      ),
      estimate.how,
    );
    if (summary.findings.length > 0) {
      lines.push(
        '## Of several together',
        table(
          ['Severity', 'What', 'What to do'],
          summary.findings
            .slice(0, SHOWN)
            .map((each) => [each.waivedBy ? `${each.severity}, waived` : each.severity, each.message, each.remedy]),
        ),
      );
    }
    if (summary.common.length > 0) {
      lines.push(
        '## Most common findings',
        table(
          ['Severity', 'Rule', 'Has it'],
          summary.common.slice(0, SHOWN).map((each) => [each.severity, each.id, formatCount(each.vms, 'VM')]),
        ),
      );
    }
  }
  if (reportPath) lines.push(`Report, on the worker's machine: ${plain(reportPath)}`);
  return lines.join('\n\n');
}
