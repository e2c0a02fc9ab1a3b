import { formatBytes, formatDuration, formatInstant, formatRate } from '../model/format.js';
import { downtimeInWords, type Estimate } from '../model/estimate.js';
import type { MigrationReport } from '../model/report.js';
import type { LedgerEntry, PassRecord } from '../model/status.js';
import { convergence } from './convergence.js';
import { html, type Markup } from './markup.js';

/** A section with a heading; left out where there is nothing to show and no `none`. */
export function section(title: string, body: Markup | null | false, none?: string): Markup | null {
  if (!body && none === undefined) return null;
  return html`<section>
    <h2>${title}</h2>
    ${body || html`<p class="none">${none}</p>`}
  </section>`;
}

/** Tables of so many rows are kept on one page. */
const SHORT = 8;

interface Column<T> {
  title: string;
  cell: (row: T) => Markup | string | number | null;
  /** A class for heading and cells: `num`, `mono`, `nowrap`. */
  as?: string;
}

/** A table, or null where there are no rows. */
export function table<T>(rows: readonly T[], columns: readonly Column<T>[]): Markup | null {
  if (rows.length === 0) return null;
  return html`<table class="${rows.length <= SHORT && 'short'}">
    <thead>
      <tr>
        ${columns.map((column) => html`<th class="${column.as ?? ''}">${column.title}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        (row) =>
          html`<tr>
            ${columns.map((column) => html`<td class="${column.as ?? ''}">${column.cell(row)}</td>`)}
          </tr>`,
      )}
    </tbody>
  </table>`;
}

export function disks(report: MigrationReport): Markup | null {
  return table(report.disks, [
    { title: 'Disk', cell: (each) => each.name, as: 'nowrap' },
    { title: 'Size', cell: (each) => formatBytes(each.sizeBytes), as: 'num' },
    { title: 'Root digest (BLAKE3-256)', cell: (each) => each.rootDigest ?? '–', as: 'mono' },
    { title: 'Verified', cell: (each) => (each.verifiedAt ? formatInstant(each.verifiedAt) : 'not yet'), as: 'nowrap' },
  ]);
}

export function conversions(report: MigrationReport): Markup | null {
  return table(report.conversions ?? [], [
    { title: 'For', cell: (each) => each.stage },
    { title: 'Guest', cell: (each) => each.guest ?? 'not known' },
    { title: 'Conversion', cell: (each) => each.kind },
    { title: 'Devices', cell: (each) => each.devices },
    { title: 'Took', cell: (each) => formatDuration(each.tookMs), as: 'num' },
    {
      title: 'Changed on the overlay',
      cell: ({ changes }) =>
        changes.length === 0
          ? 'nothing'
          : html`<ul>
              ${changes.map((change) => html`<li>${change}</li>`)}
            </ul>`,
    },
  ]);
}

export function passes(report: MigrationReport): Markup | null {
  const missing = report.passCount - report.passes.length;
  const shown = table(report.passes, [
    { title: '#', cell: (each) => each.number, as: 'num' },
    { title: 'Kind', cell: (each) => each.kind },
    { title: 'Point in time', cell: (each) => formatInstant(each.pointInTime), as: 'nowrap' },
    { title: 'Read', cell: (each) => formatBytes(each.bytesRead), as: 'num' },
    { title: 'Written', cell: (each) => formatBytes(each.bytesWritten), as: 'num' },
    { title: 'Took', cell: (each) => formatDuration(each.durationMs), as: 'num' },
    { title: 'Rate', cell: rateOf, as: 'num' },
    { title: 'How', cell: how },
  ]);
  if (!shown) return null;
  return html`${convergence(report.passes)} ${shown}
  ${missing > 0 && html`<p class="none">${missing === 1 ? 'One pass between is' : `${missing} passes between are`} not listed.</p>`}`;
}

function rateOf(pass: PassRecord): string {
  return pass.durationMs > 0 ? formatRate((pass.bytesRead / pass.durationMs) * 1000) : '–';
}

function how(pass: PassRecord): Markup {
  const parts = [
    { bitmap: 'changed blocks', compare: 'compared', full: 'whole', mixed: 'changed blocks, partly compared' }[
      pass.tracking
    ],
    pass.quiesced ? 'quiesced' : 'crash-consistent',
    ...(pass.resumedFromBytes > 0 ? [`resumed from ${formatBytes(pass.resumedFromBytes)}`] : []),
  ];
  return html`${parts.join(', ')}${pass.note && html`<br /><span class="note">${pass.note}</span>`}`;
}

/** What the assessment reckoned before anything was copied; of use where nothing better is known yet. */
export function estimate({ estimate: reckoned, prediction: later }: MigrationReport): Markup | null {
  if (!reckoned || later) return null;
  return estimateBody(reckoned);
}

export function estimateBody(reckoned: Estimate): Markup {
  return html`<p>Copying: about <b>${formatDuration(reckoned.copyMs)}</b>. ${reckoned.copyHow}.</p>
    <p>Downtime: <b>${downtimeInWords(reckoned)}</b>. ${reckoned.downtimeHow}</p>
    ${predictedParts(reckoned.parts)}`;
}

function predictedParts(parts: Estimate['parts']): Markup | null {
  return table(parts, [
    { title: 'Part', cell: (each) => each.name },
    { title: 'Predicted', cell: (each) => formatDuration(each.ms), as: 'num' },
    {
      title: 'From',
      cell: (each) => (each.name === 'stop' ? `${each.how}; before the downtime begins, not counted` : each.how),
    },
  ]);
}

export function prediction(report: MigrationReport): Markup | null {
  if (!report.prediction) return null;
  const measured = report.downtimeMs;
  const off = measured === null ? null : measured - report.prediction.downtimeMs;
  return html`<p>
      Predicted ${formatDuration(report.prediction.downtimeMs)} at
      ${formatInstant(report.prediction.at)}${
        measured !== null &&
        html`, measured <b>${formatDuration(measured)}</b>: ${formatDuration(Math.abs(off!))}
          ${off! > 0 ? 'longer' : 'shorter'}`
      }.
    </p>
    ${predictedParts(report.prediction.parts)}`;
}

export function findings(report: Pick<MigrationReport, 'findings'>): Markup | null {
  const order = { blocking: 0, warning: 1, info: 2 };
  const sorted = [...report.findings].sort((one, two) => order[one.severity] - order[two.severity]);
  return table(sorted, [
    {
      title: 'Severity',
      cell: (each) => html`<span class="badge small ${each.severity}">${each.severity}</span>`,
      as: 'nowrap',
    },
    {
      title: 'Found',
      cell: (each) => html`${each.message}<br /><span class="note mono">${each.id}</span>`,
    },
    {
      title: 'What to do',
      cell: (each) =>
        html`${each.remedy}${
          each.waivedBy !== undefined && html`<br /><span class="note">Gone on all the same: ${each.waivedBy}</span>`
        }`,
    },
  ]);
}

export function preparation(report: MigrationReport): Markup | null {
  return table(report.preparation, [
    { title: 'Time', cell: (each) => formatInstant(each.at), as: 'nowrap' },
    { title: 'What', cell: (each) => `${each.action.replaceAll('-', ' ')} ${each.subject}`.trim() },
    {
      title: 'Run in the guest',
      cell: (each) => html`${each.commands.map((command) => html`<span class="mono">${command}</span><br />`)}`,
    },
    { title: 'Result', cell: (each) => each.result },
    {
      title: 'Put back',
      cell: (each) => [each.putBack, each.putBackAt && formatInstant(each.putBackAt)].filter(Boolean).join(', ') || '–',
    },
  ]);
}

export function decisions(report: MigrationReport): Markup | null {
  const shown = table(report.decisions, [
    { title: 'Time', cell: (each) => formatInstant(each.at), as: 'nowrap' },
    { title: 'Decision', cell: (each) => each.name, as: 'mono nowrap' },
    { title: 'By (as claimed)', cell: (each) => each.by ?? '–' },
    { title: 'Comment', cell: (each) => each.comment ?? '' },
    {
      title: 'Result',
      cell: (each) =>
        html`<span class="badge small ${each.accepted ? 'good' : 'warn'}"
            >${each.accepted ? 'accepted' : 'ignored'}</span
          >${each.reason && html` ${each.reason}`}`,
    },
  ]);
  if (!shown) return null;
  return html`${shown}
    <p class="none">Names are as the sender gave them; they are claims, not proven identities.</p>`;
}

export function probes(report: MigrationReport): Markup | null {
  return table(report.probes, [
    { title: 'Probe', cell: (each) => each.probe },
    {
      title: 'Result',
      cell: (each) =>
        html`<span class="badge small ${each.passed ? 'good' : each.required ? 'bad' : 'warn'}"
            >${each.passed ? 'passed' : 'failed'}</span
          >${!each.required && ' not required'}`,
      as: 'nowrap',
    },
    { title: 'Took', cell: (each) => formatDuration(each.tookMs), as: 'num' },
    { title: 'Detail', cell: (each) => each.detail },
  ]);
}

export function ledger(report: MigrationReport): Markup | null {
  return table(report.ledger, [
    { title: 'Kind', cell: (each) => each.kind },
    { title: 'Site', cell: (each) => each.site },
    { title: 'Name', cell: (each) => each.name, as: 'mono' },
    { title: 'Created', cell: (each) => formatInstant(each.createdAt), as: 'nowrap' },
    {
      title: 'Removed',
      cell: (each) => (each.removedAt ? formatInstant(each.removedAt) : stays(report, each)),
      as: 'nowrap',
    },
  ]);
}

function stays({ outcome }: MigrationReport, { kind }: LedgerEntry): Markup | string {
  if (outcome === 'completed' && kind === 'domain') return 'kept: it is the VM now';
  return html`<b>still there</b>`;
}

export function events(report: MigrationReport): Markup | null {
  return table(report.events, [
    { title: 'Time', cell: (each) => formatInstant(each.at), as: 'nowrap' },
    { title: 'What happened', cell: (each) => each.text },
  ]);
}
