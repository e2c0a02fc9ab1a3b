import type { Estimate } from '../src/model/estimate.js';
import { measuredInWords, predictedInWords } from '../src/model/downtime.js';
import { formatBytes, formatDuration, formatInstant } from '../src/model/format.js';
import { happenings } from '../src/model/happenings.js';
import type { MigrationStatus } from '../src/model/status.js';

/** The workflow's current details: the status for people, in the Markdown that the Temporal UI renders. */

/** Text from outside, made harmless in a Markdown table. */
export function plain(text: string): string {
  return text
    .replaceAll(/[\r\n]+/g, ' ')
    .replaceAll('|', '\\|')
    .replaceAll('<', '&lt;');
}

export function detailsOf(status: MigrationStatus): string {
  const lines = [
    `# ${plain(status.vm)}: ${status.source} to ${status.target}`,
    `Phase **${status.phase}**${status.work === 'idle' ? '' : `, with a ${status.work} running`}.`,
  ];
  if (status.waitingFor) lines.push(`Waiting for: **${plain(status.waitingFor)}**`);
  if (status.error)
    lines.push(
      `Error **${status.error.code}**: ${plain(status.error.message)}${status.error.remedy ? `\n\nWhat to do: ${plain(status.error.remedy)}` : ''}`,
    );
  if (status.decisions.length > 0)
    lines.push(
      `Decisions that fit now: ${status.decisions.map((name) => `\`${name}\``).join(', ')}`,
      'To send one: More Actions, Send an Update; the list says what each does and what data it takes.',
    );
  const figures: [string, string][] = [
    ['Migration', status.migrationId],
    ['Passes', `${status.passCount}${status.converged ? ', converged' : ''}`],
    ['Predicted downtime', predictedInWords(status, 'not known yet')],
    ...(status.estimate ? [['Estimated beforehand', estimateWords(status.estimate)] satisfies [string, string]] : []),
    ['Measured downtime', status.outcome === null && status.package ? 'none yet' : measuredInWords(status, 'none yet')],
    [
      'Approval',
      status.approval
        ? `by ${plain(status.approval.by ?? 'somebody')} at ${formatInstant(status.approval.at)}, until ${formatInstant(status.approval.expiresAt)}`
        : 'none',
    ],
    ['Bandwidth limit', status.bandwidth ?? 'none'],
  ];
  lines.push(table(['', ''], figures));
  const findings = status.findings.filter((each) => each.severity !== 'info');
  const informing = status.findings.length - findings.length;
  if (status.findings.length > 0) lines.push('## Findings');
  if (findings.length > 0) {
    lines.push(
      table(
        ['Severity', 'What', 'What to do'],
        findings.map(({ severity, message, remedy, waivedBy }) =>
          waivedBy === undefined
            ? [severity, message, remedy]
            : [`${severity}, waived`, message, `Gone on all the same: ${waivedBy}`],
        ),
      ),
    );
  }
  if (informing > 0)
    lines.push(
      `For information: ${informing}${findings.length > 0 ? ' more' : ''}, which the query \`getStatus\` and the report list.`,
    );
  if (status.preparation.length > 0) {
    lines.push(
      '## Changed in the guest',
      table(
        ['What', 'Result', 'Put back'],
        status.preparation.map(({ action, subject, result, putBack }) => [
          `${action} ${subject}`.trim(),
          result,
          putBack ?? '',
        ]),
      ),
    );
  }
  if (status.passes.length > 0) {
    lines.push(
      '## Passes',
      table(
        ['#', 'Kind', 'Read', 'Written', 'Took', 'Point in time'],
        status.passes
          .slice(-8)
          .map((each) => [
            String(each.number),
            each.kind,
            formatBytes(each.bytesRead),
            formatBytes(each.bytesWritten),
            formatDuration(each.durationMs),
            formatInstant(each.pointInTime),
          ]),
      ),
    );
  }
  if (status.probes.length > 0) {
    lines.push(
      '## Probes',
      table(
        ['Probe', 'Result', 'Detail'],
        status.probes.map((each) => [
          each.probe,
          each.passed ? 'passed' : each.required ? 'FAILED' : 'did not pass',
          each.detail,
        ]),
      ),
    );
  }
  const happened = happenings(status);
  if (happened.length > 0) {
    lines.push(
      '## Events and decisions',
      table(
        ['When', 'What'],
        happened.slice(-12).map((each) => [formatInstant(each.at), each.text]),
      ),
    );
  }
  return lines.join('\n\n');
}

function estimateWords({ copyBytes, copyMs, downtimeMs }: Estimate): string {
  const downtime =
    downtimeMs === null
      ? 'off from the cutover on'
      : downtimeMs === 0
        ? 'no downtime, as it is off'
        : `${formatDuration(downtimeMs)} of downtime`;
  return `${formatBytes(copyBytes)} to copy in ${formatDuration(copyMs)}; ${downtime}`;
}

export function table(heads: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.map((cell) => plain(cell)).join(' | ')} |`;
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n');
}
