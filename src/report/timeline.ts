import { formatDuration } from '../model/format.js';
import type { MigrationReport } from '../model/report.js';
import { html, type Markup } from './markup.js';
import { stretches, words, type Stretch } from './phases.js';

const WIDTH = 760;
const LABEL = 152;
const DURATION = 84;
const ROW = 22;
const TOP = 24;
const BAR = 12;
const TICKS_WANTED = 6;
/** A cutover that takes less of the whole than this gets a chart of its own. */
const ZOOM_BELOW = 0.25;

const STEPS_MS = [
  0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800,
  604_800, 1_209_600, 2_592_000,
].map((seconds) => seconds * 1000);

/** The phases as a Gantt chart; where the cutover is too short to be seen in it, a second one of the cutover alone. */
export function timeline(report: MigrationReport): Markup {
  const all = stretches(report);
  if (all.length === 0) return html`<p class="none">No phase was entered.</p>`;
  const cutover = all.filter((each) => each.kind === 'cutover');
  const share = cutover.length === 0 ? 1 : span(cutover) / Math.max(1, span(all));
  return html`${gantt(all, 'Phases of the migration')}${
    share < ZOOM_BELOW &&
    html`<h3>The cutover, enlarged</h3>
      ${gantt(cutover, 'Phases of the cutover')}`
  }`;
}

function span(parts: readonly Stretch[]): number {
  return Math.max(...parts.map((each) => each.endMs)) - Math.min(...parts.map((each) => each.startMs));
}

function gantt(parts: readonly Stretch[], title: string): Markup {
  const start = Math.min(...parts.map((each) => each.startMs));
  const total = Math.max(1, span(parts));
  const inner = WIDTH - LABEL - DURATION;
  const x = (ms: number): number => LABEL + ((ms - start) / total) * inner;
  const rows = [...new Set(parts.map((each) => each.name))];
  const height = TOP + rows.length * ROW + 4;
  const step = STEPS_MS.find((each) => total / each <= TICKS_WANTED) ?? STEPS_MS.at(-1)!;
  const ticks = Array.from({ length: Math.floor(total / step) + 1 }, (_, index) => index * step);
  return html`<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${title}" class="chart">
    ${ticks.map((tick) => {
      const at = round(x(start + tick));
      return html`<line class="grid" x1="${at}" x2="${at}" y1="${TOP - 6}" y2="${height - 4}" />
        <text class="axis" x="${at}" y="${TOP - 11}" text-anchor="middle"
          >${tick === 0 ? '0' : formatTick(tick)}</text
        >`;
    })}
    ${rows.map((name, index) =>
      row(
        parts.filter((each) => each.name === name),
        index,
        x,
      ),
    )}
  </svg>`;
}

function row(parts: readonly Stretch[], index: number, x: (ms: number) => number): Markup {
  const middle = TOP + index * ROW + ROW / 2;
  const name = words(parts[0]!.name);
  const total = parts.reduce((sum, each) => sum + each.endMs - each.startMs, 0);
  return html`<text class="label" x="${LABEL - 12}" y="${middle + 4}" text-anchor="end">${name}</text>
    ${parts.map((each) => {
      const left = round(x(each.startMs));
      const width = Math.max(2, round(x(each.endMs) - left));
      return html`<rect
        class="k-${each.kind}"
        x="${left}"
        y="${middle - BAR / 2}"
        width="${width}"
        height="${BAR}"
        rx="2"
      >
        <title>${name}: ${formatDuration(each.endMs - each.startMs)}</title>
      </rect>`;
    })}
    <text class="value" x="${WIDTH}" y="${middle + 4}" text-anchor="end">${formatDuration(total)}</text>`;
}

/** Ticks are multiples of one step, so one unit is enough. */
function formatTick(ms: number): string {
  return ms < 1000 ? `${ms} ms` : formatDuration(ms).replace(/\.0 s$/, ' s');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
