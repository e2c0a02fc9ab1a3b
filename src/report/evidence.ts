import { formatInstant } from '../model/format.js';
import type { MigrationReport } from '../model/report.js';
import type { Evidence } from '../model/status.js';
import { html, type Markup } from './markup.js';
import { words } from './phases.js';

/** Pictures by the `path` of their evidence. */
export type Pictures = Readonly<Record<string, Uint8Array>>;

/** Of a console, so many lines are worth paper. */
const PRINTED_LINES = 30;

/** The first bytes of a PNG (W3C PNG specification, 5.2). */
const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** Screenshots, console text and what else was seen, newest last. */
export function evidence(report: MigrationReport, pictures: Pictures): Markup | null {
  if (report.evidence.length === 0) return null;
  return html`<div class="evidence">${report.evidence.map((each) => exhibit(each, pictures))}</div>`;
}

function exhibit(each: Evidence, pictures: Pictures): Markup {
  const picture = each.path === null ? undefined : pictures[each.path];
  return html`<figure class="${each.kind}">
    <figcaption>
      <b>${each.title}</b> <span class="note">${words(each.phase)}, ${formatInstant(each.at)}</span>
    </figcaption>
    ${
      picture && isPng(picture)
        ? html`<img alt="${each.title}" src="data:image/png;base64,${Buffer.from(picture).toString('base64')}" />`
        : each.path !== null && html`<p class="note">In the file <span class="mono">${each.path}</span>.</p>`
    }
    ${each.text !== null && lines(printable(each.text))}
  </figure>`;
}

/** Text with its end in sight: on the screen it is scrolled there, on paper only that is printed. */
function lines(text: string): Markup {
  const all = text.replace(/\s+$/, '').split('\n');
  const early = all.slice(0, -PRINTED_LINES);
  const last = all.slice(-PRINTED_LINES).join('\n');
  return html`<div class="text">
      <pre>${early.length > 0 && html`<span class="early">${early.join('\n')} </span>`}${last}</pre>
    </div>
    ${early.length > 0 && html`<p class="note paper">The last ${PRINTED_LINES} lines; ${early.length} more stand in report.json.</p>`}`;
}

export function isPng(bytes: Uint8Array): boolean {
  return PNG.every((byte, index) => bytes[index] === byte);
}

/** Console text without the escape sequences that move cursors and set colours (ECMA-48, CSI and OSC). */
export function printable(text: string): string {
  return text
    .replace(CSI, '')
    .replace(OSC, '')
    .replace(/\r\n?/g, '\n')
    .replace(/\n{3,}/g, '\n\n');
}

const CSI = new RegExp('\\u001b\\[[0-9;?]*[ -/]*[@-~]', 'g');
const OSC = new RegExp('\\u001b\\][^\\u0007\\u001b]*(?:\\u0007|\\u001b\\\\)', 'g');
