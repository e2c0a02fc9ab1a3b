import type { MigrationReport } from '../model/report.js';
import { evidence, type Pictures } from './evidence.js';
import { html, trusted, type Markup } from './markup.js';
import {
  decisions,
  disks,
  estimate,
  events,
  findings,
  ledger,
  passes,
  prediction,
  preparation,
  probes,
  section,
} from './sections.js';
import { STYLE } from './style.js';
import { summary } from './summary.js';
import { timeline } from './timeline.js';

/** Nothing is loaded from anywhere and no script runs, whatever a name or a console text holds. */
const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/**
 * The report as one self-contained HTML file that prints on A4.
 * @param pictures PNG files by the `path` of their evidence; those that are missing are named instead.
 */
export function renderHtml(report: MigrationReport, pictures: Pictures = {}): string {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${POLICY}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${report.vm}: ${report.source} to ${report.target}, migration report</title>
        <style>
          ${trusted(STYLE)}
        </style>
      </head>
      <body>
        ${summary(report)} ${section('Timeline', html`${legend()}${timeline(report)}`)}
        ${section('Estimate', estimate(report))} ${section('Downtime', prediction(report))}
        ${section('Passes', passes(report), 'No pass was made.')} ${section('Disks', disks(report))}
        ${section('Findings', findings(report), 'Nothing was found.')}
        ${section('Changed in the guest', preparation(report))}
        ${section('Decisions', decisions(report), 'Nobody decided anything.')} ${section('Probes', probes(report))}
        ${section('Evidence', evidence(report, pictures))}
        ${section('What was created outside', ledger(report), 'Nothing was created.')}
        ${section('Events', events(report))}
        <footer>
          Migration <span class="mono">${report.migrationId}</span> · report version ${report.version} · the same data
          is in report.json beside this file
        </footer>
      </body>
    </html> `;
  return page.text;
}

function legend(): Markup {
  const kinds = [
    ['#8fa1b3', 'preparing'],
    ['#3b82c4', 'copying while it runs'],
    ['#7d6bb8', 'rehearsing'],
    ['#c9d3dc', 'waiting for a person'],
    ['#d9822b', 'cutover'],
    ['#c0392b', 'paused, in need, undoing'],
  ] as const;
  return html`<p class="legend">
    ${kinds.map(([colour, name]) => html`<span><i style="background:${colour}"></i>${name}</span>`)}
  </p>`;
}
