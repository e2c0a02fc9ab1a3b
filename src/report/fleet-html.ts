import { formatBytes, formatCount, formatDuration, formatInstant } from '../model/format.js';
import type { FleetAssessment, FleetVm, Readiness } from '../model/fleet.js';
import { html, type Markup } from './markup.js';
import { page } from './page.js';
import { estimateBody, findings, section, table } from './sections.js';
import { figure } from './summary.js';

const WORDS: Record<Readiness, { word: string; tone: string }> = {
  ready: { word: 'ready', tone: 'good' },
  'ready-with-warnings': { word: 'warnings', tone: 'warn' },
  blocked: { word: 'blocked', tone: 'bad' },
  unreadable: { word: 'unreadable', tone: 'bad' },
};

const ORDER: Record<Readiness, number> = { blocked: 0, unreadable: 1, 'ready-with-warnings': 2, ready: 3 };

/** An assessment of many VMs as one self-contained HTML file. */
export function renderFleetHtml(fleet: FleetAssessment): string {
  const vms = [...fleet.vms].sort((one, other) => ORDER[one.readiness] - ORDER[other.readiness]);
  return page(
    `${fleet.source} to ${fleet.target}, assessment`,
    html`${head(fleet)} ${section('Together', together(fleet))}
      ${section('Most common findings', common(fleet), 'Nothing was found.')}
      ${section('Readiness at a glance', glance(vms), 'There is no VM to assess.')}
      ${section('VM by VM', html`${vms.map(single)}`)}
      <footer>
        Assessment of ${formatCount(fleet.counts.vms, 'VM')} · version ${fleet.version} · the same data is in
        report.json beside this file
      </footer>`,
  );
}

function head(fleet: FleetAssessment): Markup {
  const { counts, sizing, estimate } = fleet;
  const stopped = counts.blocked + counts.unreadable;
  return html`<header>
      <p class="kind">vmferry · assessment</p>
      <div class="title">
        <h1>${formatCount(counts.vms, 'VM')}</h1>
        <span class="badge ${stopped > 0 ? 'bad' : counts.readyWithWarnings > 0 ? 'warn' : 'good'}"
          >${stopped > 0 ? `${stopped} cannot move yet` : 'nothing stands against it'}</span
        >
      </div>
      <p class="route"><b>${fleet.source}</b> → <b>${fleet.target}</b></p>
      <p class="says">
        Nothing was changed. Assessed from ${formatInstant(fleet.startedAt)} to ${formatInstant(fleet.endedAt)}; all
        times are UTC (+00:00).
      </p>
    </header>
    <dl class="figures">
      ${figure('Ready', String(counts.ready), `${counts.readyWithWarnings} more with warnings`, 'main')}
      ${figure('Blocked', String(counts.blocked), `${counts.unreadable} unreadable`)}
      ${figure('To copy', formatBytes(sizing.allocatedBytes), `disks of ${formatBytes(sizing.sizeBytes)}`)}
      ${figure('Copying', formatDuration(estimate.copyMs), 'one after the other')}
      ${figure('Downtime', formatDuration(estimate.longestDowntimeMs), 'the longest of one VM')}
    </dl>
    <p class="note">${estimate.how}</p>`;
}

function together(fleet: FleetAssessment): Markup {
  const { sizing } = fleet;
  const { target } = sizing;
  const keepsFiles = target.cpus === 0;
  const rows: [string, string, string][] = [
    ['VMs', `${fleet.counts.vms}, ${sizing.running} of them run`, `${target.vms} there`],
    ['CPUs', String(sizing.cpus), keepsFiles ? 'runs none' : `${target.cpus} of the host`],
    [
      'Memory',
      `${formatBytes(sizing.memoryBytes)}, of those that run ${formatBytes(sizing.runningMemoryBytes)}`,
      keepsFiles ? 'runs none' : `${formatBytes(target.memoryBytes)}, ${formatBytes(target.freeMemoryBytes)} left now`,
    ],
    [
      'Disks',
      `${sizing.disks} of ${formatBytes(sizing.sizeBytes)}, holding ${formatBytes(sizing.allocatedBytes)}`,
      target.storageFreeBytes === null
        ? `${target.storage} cannot be used`
        : `${formatBytes(target.storageFreeBytes)} free in ${target.storage}`,
    ],
  ];
  return html`<p>
      ${sizing.fits ? 'All of it fits at the target together.' : 'All of it does not fit at the target together.'}
    </p>
    ${table(rows, [
      { title: '', cell: ([name]) => name },
      { title: `All of ${fleet.source} that was assessed`, cell: ([, all]) => all },
      { title: `At ${fleet.target}`, cell: ([, , there]) => there },
    ])}
    ${fleet.findings.length > 0 && html`<h3>Findings about several of them</h3>`} ${findings(fleet)}`;
}

function common(fleet: FleetAssessment): Markup | null {
  return table(fleet.common, [
    {
      title: 'Severity',
      cell: ({ severity }) => html`<span class="badge small ${severity}">${severity}</span>`,
      as: 'nowrap',
    },
    { title: 'Rule', cell: ({ id }) => id, as: 'mono' },
    { title: 'VMs', cell: ({ vms }) => vms, as: 'num' },
  ]);
}

function glance(vms: readonly FleetVm[]): Markup | null {
  return table(vms, [
    { title: 'VM', cell: ({ name }) => name },
    { title: 'Readiness', cell: ({ readiness }) => badge(readiness), as: 'nowrap' },
    { title: 'Runs', cell: ({ running }) => (running === null ? '–' : running ? 'yes' : 'no') },
    { title: 'CPUs', cell: (vm) => (vm.error ? '–' : vm.cpus), as: 'num' },
    { title: 'Memory', cell: (vm) => (vm.error ? '–' : formatBytes(vm.memoryBytes)), as: 'num' },
    { title: 'Disks', cell: (vm) => (vm.error ? '–' : formatBytes(vm.sizeBytes)), as: 'num' },
    { title: 'To copy', cell: ({ estimate }) => (estimate ? formatBytes(estimate.copyBytes) : '–'), as: 'num' },
    { title: 'Copying', cell: ({ estimate }) => (estimate ? formatDuration(estimate.copyMs) : '–'), as: 'num' },
    { title: 'Downtime', cell: downtime, as: 'num' },
  ]);
}

function downtime({ estimate }: FleetVm): string {
  if (!estimate) return '–';
  if (estimate.downtimeMs === null) return 'stays off';
  return estimate.downtimeMs === 0 ? 'none' : formatDuration(estimate.downtimeMs);
}

function badge(readiness: Readiness): Markup {
  const { word, tone } = WORDS[readiness];
  return html`<span class="badge small ${tone}">${word}</span>`;
}

function single(vm: FleetVm): Markup {
  const guest = [vm.guestOs, vm.firmware].filter((each) => each !== null).join(', ');
  return html`<details>
    <summary>
      <b>${vm.name}</b> ${badge(vm.readiness)} <span class="note">${formatCount(vm.findings.length, 'finding')}</span>
    </summary>
    ${guest !== '' && html`<p class="note">${guest}</p>`}
    ${
      vm.error &&
      html`<div class="error">
        <p class="pre">${vm.error.message}</p>
        <p class="pre">${vm.error.remedy}</p>
      </div>`
    }
    ${findings(vm)}
    ${
      vm.findingsLeftOut > 0 &&
      html`<p class="none">${formatCount(vm.findingsLeftOut, 'more finding')}: assess this VM alone to see all.</p>`
    }
    ${vm.estimate && estimateBody(vm.estimate)}
  </details>`;
}
