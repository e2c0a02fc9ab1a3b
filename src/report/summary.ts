import { formatBytes, formatDuration, formatInstant } from '../model/format.js';
import type { MigrationReport } from '../model/report.js';
import type { Outcome } from '../model/status.js';
import { html, type Markup } from './markup.js';

const OUTCOMES: Record<Outcome, { word: string; tone: string; says: string }> = {
  completed: { word: 'Completed', tone: 'good', says: 'The virtual machine runs at the target.' },
  'rolled-back': { word: 'Rolled back', tone: 'warn', says: 'The virtual machine is back at the source.' },
  aborted: { word: 'Aborted', tone: 'warn', says: 'The migration was given up; the source was kept.' },
  failed: { word: 'Failed', tone: 'bad', says: 'The migration ended with an error and needs a person.' },
  'dry-run': { word: 'Dry run', tone: 'info', says: 'Assessed only; nothing was changed.' },
};

const PACKAGED = 'The virtual machine lies as a package at the target; nothing was started there.';

/** Title, outcome, the error if there was one, and the key figures. */
export function summary(report: MigrationReport): Markup {
  const outcome = report.outcome
    ? OUTCOMES[report.outcome]
    : { word: 'In progress', tone: 'info', says: 'The migration has not ended; this is how far it is.' };
  const renamed = report.targetName !== report.vm;
  return html`<header>
      <p class="kind">vmferry · migration report</p>
      <div class="title">
        <h1>${report.vm}</h1>
        <span class="badge ${outcome.tone}">${outcome.word}</span>
      </div>
      <p class="route">
        <b>${report.source}</b> → <b>${report.target}</b>${renamed && html`, there named <b>${report.targetName}</b>`}
      </p>
      <p class="says">
        ${report.package && report.outcome === 'completed' ? PACKAGED : outcome.says} Started
        ${formatInstant(report.startedAt)}${report.endedAt && html`, ended ${formatInstant(report.endedAt)}`}. All times
        are UTC (+00:00).
      </p>
      ${report.error && errorBox(report.error)}
    </header>
    ${figures(report)}`;
}

function errorBox(error: NonNullable<MigrationReport['error']>): Markup {
  return html`<div class="error">
    <p><b>${error.code}</b></p>
    <p class="pre">${error.message}</p>
    ${error.remedy && html`<p class="pre">${error.remedy}</p>`}
  </div>`;
}

function figures(report: MigrationReport): Markup {
  const read = sum(report.passes.map((each) => each.bytesRead));
  const written = sum(report.passes.map((each) => each.bytesWritten));
  const sizes = sum(report.disks.map((each) => each.sizeBytes));
  const took = report.endedAt ? Date.parse(report.endedAt) - Date.parse(report.startedAt) : null;
  const more = report.passCount > report.passes.length;
  return html`<dl class="figures">
    ${figure(
      'Downtime',
      report.downtimeMs === null ? '–' : formatDuration(report.downtimeMs),
      report.package
        ? 'nothing is started'
        : report.predictedDowntimeMs === null
          ? 'not predicted'
          : `predicted ${formatDuration(report.predictedDowntimeMs)}`,
      'main',
    )}
    ${figure('Copied', formatBytes(written), `${formatBytes(read)} read${more ? ', passes shown' : ''}`)}
    ${figure('Passes', String(report.passCount), passWords(report))}
    ${figure('Disks', String(report.disks.length), `${formatBytes(sizes)} in all`)}
    ${figure('Took', took === null ? '–' : formatDuration(took), 'waiting included')}
  </dl>`;
}

export function figure(name: string, value: string, note: string, extra = ''): Markup {
  return html`<div class="${extra}">
    <dt>${name}</dt>
    <dd class="big">${value}</dd>
    <dd class="note">${note}</dd>
  </div>`;
}

function passWords(report: MigrationReport): string {
  const last = report.passes.at(-1);
  if (!last) return 'none yet';
  return `last ${formatBytes(last.bytesWritten)} in ${formatDuration(last.durationMs)}`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, each) => total + each, 0);
}
