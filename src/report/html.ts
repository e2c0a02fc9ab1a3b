import type { MigrationReport } from '../model/report.js';
import { evidence, type Pictures } from './evidence.js';
import { html, type Markup } from './markup.js';
import { page } from './page.js';
import {
  conversions,
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
import { summary } from './summary.js';
import { timeline } from './timeline.js';

/**
 * The report as one self-contained HTML file that prints on A4.
 * @param pictures PNG files by the `path` of their evidence; those that are missing are named instead.
 */
export function renderHtml(report: MigrationReport, pictures: Pictures = {}): string {
  return page(
    `${report.vm}: ${report.source} to ${report.target}, migration report`,
    html`${summary(report)} ${section('Timeline', html`${legend()}${timeline(report)}`)}
      ${section('Estimate', estimate(report))} ${section('Downtime', prediction(report))}
      ${section('Passes', passes(report), 'No pass was made.')} ${section('Disks', disks(report))}
      ${section('Findings', findings(report), 'Nothing was found.')}
      ${section('Changed in the guest', preparation(report))} ${section('Inside the guest', conversions(report))}
      ${section('Decisions', decisions(report), 'Nobody decided anything.')} ${section('Probes', probes(report))}
      ${section('Evidence', evidence(report, pictures))}
      ${section('What was created outside', ledger(report), 'Nothing was created.')}
      ${section('Events', events(report))}
      <footer>
        Migration <span class="mono">${report.migrationId}</span> · report version ${report.version} · the same data is
        in report.json beside this file
      </footer>`,
  );
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
