/** The report's one style sheet: light, sober, the same on paper. No fonts or pictures from elsewhere. */
export const STYLE = `
:root { --ink: #18222d; --soft: #5a6977; --line: #dde3e9; --faint: #f5f7f9; --blue: #1f5f99; --copy: #3b82c4;
  --good: #1e7a4c; --warn: #9a6400; --bad: #b3261e; }
* { box-sizing: border-box; }
html { background: #eef1f4; }
body { margin: 0 auto; max-width: 880px; padding: 44px 56px 36px; background: #fff; color: var(--ink);
  font: 14px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
p { margin: 0 0 6px; }
.kind { color: var(--soft); font-size: 11px; letter-spacing: .1em; text-transform: uppercase; margin: 0 0 6px; }
.title { display: flex; align-items: center; gap: 14px; flex-wrap: wrap; }
h1 { font-size: 32px; line-height: 1.15; margin: 0; letter-spacing: -.015em; }
h2 { font-size: 16px; margin: 0 0 10px; padding-bottom: 6px; border-bottom: 1px solid var(--line); }
h3 { font-size: 12.5px; font-weight: 600; margin: 14px 0 2px; color: var(--soft); }
section { margin-top: 30px; }
.route { font-size: 16px; margin: 6px 0 4px; }
.says, .note, .none { color: var(--soft); }
.note, .none { font-size: 12px; }
.none { margin: 6px 0 0; }
.badge { display: inline-block; padding: 3px 11px; border-radius: 99px; font-weight: 600; font-size: 13px; color: #fff;
  background: var(--soft); }
.badge.small { padding: 0 8px; font-size: 11.5px; line-height: 1.65; }
.good { background: var(--good); } .warn, .warning { background: var(--warn); }
.bad, .blocking { background: var(--bad); } .info { background: var(--blue); }
.error { border-left: 4px solid var(--bad); background: #fcf1f0; padding: 10px 14px; margin: 14px 0 0; }
.error p { margin: 0 0 4px; } .pre { white-space: pre-wrap; }
.figures { display: grid; grid-template-columns: 1.25fr repeat(4, 1fr); gap: 0; margin: 22px 0 0;
  border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
.figures > div { padding: 12px 14px; border-left: 1px solid var(--line); }
.figures > div:first-child { border-left: 0; background: #eff5fb; }
dt { color: var(--soft); font-size: 12px; } dd { margin: 0; overflow-wrap: normal; }
.big { font-size: 20px; font-weight: 650; letter-spacing: -.01em; line-height: 1.35; white-space: nowrap; }
.main .big { color: var(--blue); }
table { border-collapse: collapse; width: 100%; font-size: 12.5px; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 11.5px; padding: 5px 10px 5px 0;
  border-bottom: 1px solid var(--line); vertical-align: bottom; overflow-wrap: normal; }
td { padding: 5px 10px 5px 0; border-bottom: 1px solid #edf0f3; vertical-align: top; }
th:last-child, td:last-child { padding-right: 0; }
.num { text-align: right; white-space: nowrap; } th.num + th:not(.num), td.num + td:not(.num) { padding-left: 12px; }
.nowrap { white-space: nowrap; }
.mono, pre { font-family: ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace; font-size: 11.5px; }
th.mono { font: inherit; font-weight: 600; font-size: 11.5px; } td.mono { word-break: break-all; } td.mono.nowrap { word-break: normal; }
.chart { display: block; width: 100%; height: auto; margin: 4px 0 12px; font-size: 11px; }
.chart text { fill: var(--ink); } .chart .axis { fill: var(--soft); font-size: 10px; } .chart .label { font-size: 12px; }
.chart .value { fill: var(--soft); } .chart .point { font-size: 9.5px; fill: var(--soft); }
.grid { stroke: #e6eaee; stroke-width: 1; }
.line { fill: none; stroke: var(--copy); stroke-width: 1.75; stroke-linejoin: round; }
.dot { fill: #fff; stroke: var(--copy); stroke-width: 1.75; } .dot.seed { fill: var(--copy); }
.dot.final { fill: #d9822b; stroke: #d9822b; }
.k-prepare { fill: #8fa1b3; } .k-copy { fill: var(--copy); } .k-wait { fill: #c9d3dc; } .k-rehearse { fill: #7d6bb8; }
.k-cutover { fill: #d9822b; } .k-trouble { fill: #c0392b; }
.legend { display: flex; gap: 16px; flex-wrap: wrap; color: var(--soft); font-size: 11.5px; margin: 0 0 4px; }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 6px; }
.evidence { display: grid; grid-template-columns: 1fr 1fr; gap: 16px; }
figure { margin: 0; border: 1px solid var(--line); border-radius: 6px; overflow: hidden; background: var(--faint); }
figure.console, figure.facts, figure.probes { grid-column: 1 / -1; }
figcaption { padding: 7px 11px; font-size: 12.5px; } figcaption .note { display: block; }
figure img { display: block; width: 100%; height: auto; background: #000; } figure > p { padding: 0 11px 8px; margin: 0; }
pre { margin: 0; padding: 10px 12px; white-space: pre-wrap; line-height: 1.4; }
/* Reversed, a box is scrolled to its end from the start. */
.text { display: flex; flex-direction: column-reverse; max-height: 340px; overflow: auto; background: #16202a; color: #dbe4ec; }
.paper { display: none; }
details { border-bottom: 1px solid var(--line); padding: 7px 0; } summary { cursor: pointer; }
details[open] { padding-bottom: 16px; } details table { margin: 8px 0 12px; } details > p { margin-top: 8px; }
footer { margin-top: 36px; padding-top: 10px; border-top: 1px solid var(--line); color: var(--soft); font-size: 11.5px; }
@media (max-width: 720px) { body { padding: 24px 18px; } .figures { grid-template-columns: 1fr 1fr; }
  .figures > div { border-left: 0; border-top: 1px solid var(--line); } .evidence { grid-template-columns: 1fr; } }
@page { size: A4; margin: 15mm 14mm; }
@media print {
  html { background: none; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { max-width: none; padding: 0; font-size: 11.5px; } table { font-size: 10.5px; } h1 { font-size: 26px; }
  .figures { grid-template-columns: 1.25fr repeat(4, 1fr); } .figures > div { border-top: 0; border-left: 1px solid var(--line); }
  .big { font-size: 16px; } .mono, pre { font-size: 9px; } .badge.small { font-size: 9.5px; }
  section { margin-top: 20px; } h2, h3 { break-after: avoid; } tr, figure, .chart, .figures, .error, table.short { break-inside: avoid; }
  th { font-size: 10px; } .legend { font-size: 10px; gap: 12px; } .note, .none { font-size: 10px; }
  thead { display: table-header-group; } th.mono { font-size: 10px; }
  .text { display: block; max-height: none; overflow: visible; background: none; color: var(--ink); border-top: 1px solid var(--line); }
  .early { display: none; } .paper { display: block; padding: 4px 11px 8px; }
}
`;
