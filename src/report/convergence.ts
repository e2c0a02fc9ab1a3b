import { formatBytes, formatDuration } from '../model/format.js';
import type { PassRecord } from '../model/status.js';
import { html, type Markup } from './markup.js';

const WIDTH = 760;
const HEIGHT = 220;
const LEFT = 62;
const RIGHT = 24;
const TOP = 26;
const BOTTOM = 34;
/** Passes beyond this many get no figures at their points. */
const LABELLED = 14;
/** Nothing smaller than one leaf is ever copied; a pass of nothing is drawn on this line. */
const FLOOR_BYTES = 64 * 1024;

/** Bytes written by each pass on a logarithmic scale: how the copy closed in on the running VM. */
export function convergence(passes: readonly PassRecord[]): Markup | null {
  if (passes.length < 2) return null;
  const most = Math.max(...passes.map((each) => each.bytesWritten), FLOOR_BYTES * 16);
  const low = Math.log2(FLOOR_BYTES);
  const high = Math.ceil(Math.log2(most) / 2) * 2;
  const x = (index: number): number => round(LEFT + 18 + (index / (passes.length - 1)) * (WIDTH - LEFT - RIGHT - 36));
  const y = (bytes: number): number =>
    round(HEIGHT - BOTTOM - ((Math.log2(Math.max(bytes, FLOOR_BYTES)) - low) / (high - low)) * (HEIGHT - TOP - BOTTOM));
  const points = passes.map((each, index) => `${x(index)},${y(each.bytesWritten)}`).join(' ');
  const lines = gridPowers(low, high).map((power) => 2 ** power);
  const every = Math.ceil(passes.length / 20);
  return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Bytes written by each pass" class="chart">
    ${lines.map(
      (bytes) =>
        html`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(bytes)}" y2="${y(bytes)}" />
          <text class="axis" x="${LEFT - 8}" y="${y(bytes) + 4}" text-anchor="end">${formatBytes(bytes)}</text>`,
    )}
    <polyline class="line" points="${points}" />
    ${passes.map((each, index) => point(each, x(index), y(each.bytesWritten), passes.length <= LABELLED))}
    ${passes.map(
      (each, index) =>
        index % every === 0 &&
        html`<text class="axis" x="${x(index)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle"
          >${each.kind === 'delta' ? each.number : `${each.number} ${each.kind}`}</text
        >`,
    )}
    <text class="axis" x="${LEFT}" y="12">written, logarithmic</text>
    <text class="axis" x="${WIDTH - RIGHT}" y="${HEIGHT - 3}" text-anchor="end">pass</text>
  </svg>`;
}

function point(pass: PassRecord, x: number, y: number, labelled: boolean): Markup {
  const bytes = formatBytes(pass.bytesWritten);
  return html`<circle class="dot ${pass.kind}" cx="${x}" cy="${y}" r="4">
      <title>pass ${pass.number} (${pass.kind}): ${bytes} in ${formatDuration(pass.durationMs)}</title>
    </circle>
    ${labelled && html`<text class="point" x="${x}" y="${y - 9}" text-anchor="middle">${bytes}</text>`}`;
}

/** About five lines at powers of two that read well: 64 KiB, 1 MiB, 16 MiB, … */
function gridPowers(low: number, high: number): number[] {
  const step = high - low > 24 ? 6 : high - low > 12 ? 4 : 2;
  return Array.from({ length: Math.floor((high - low) / step) + 1 }, (_, index) => low + index * step);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
