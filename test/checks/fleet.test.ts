import assert from 'node:assert/strict';
import test from 'node:test';
import { assessOne, summarizeFleet, unreadable } from '../../src/checks/fleet.js';
import { FLEET_RULES } from '../../src/checks/fleet-rules.js';
import type { FleetSummary, FleetVm } from '../../src/model/fleet.js';
import { assessFleetRequest, type AssessFleetInput } from '../../src/request/assess-fleet.js';
import { AGENT, disk, factsOf, GIB, nic, type Given } from './facts.js';

/** Several VMs from domains as `virsh dumpxml` shows them, judged together. */

const OTHER_UUID = '3c1f0c6e-5a43-4b1f-9b50-0d0f6f1d3a11';
const OTHER = { uuid: OTHER_UUID, nics: nic('lan', '52:54:00:11:22:34') };
const times = { startedAt: '2026-11-27T18:00:00.000Z', endedAt: '2026-11-27T18:00:05.000Z' };

interface One extends Partial<Given> {
  name?: string;
}

function fleetOf(ones: One[], more: Partial<AssessFleetInput> = {}): { vms: FleetVm[]; summary: FleetSummary } {
  const request = assessFleetRequest.parse({ source: 'dc-old', target: 'dc-new', ...more });
  const all = ones.map(({ name, ...given }) => ({ name: name ?? 'web01', facts: factsOf(given) }));
  const vms = all.map(({ name, facts }) =>
    assessOne(
      {
        found: { ...facts.vm, name },
        running: facts.source.running,
        abilities: facts.source.abilities,
        samePlatform: true,
        findings: [],
        target: facts.target,
        rate: facts.rate,
      },
      request,
    ),
  );
  const { target, rate } = all[0]!.facts;
  return { vms, summary: summarizeFleet(vms, { ...target, ...target.abilities }, request, rate, times) };
}

const CASES: Record<string, [fires: One[], not: One[]]> = {
  'blocking fleet.name-repeated': [
    [{}, OTHER],
    [{}, { ...OTHER, name: 'web02' }],
  ],
  'blocking fleet.uuid-repeated': [
    [{}, { ...OTHER, name: 'web02', uuid: '3C1F0C6E-5A43-4B1F-9B50-0D0F6F1D3A10' }],
    [{}, { ...OTHER, name: 'web02' }],
  ],
  'warning fleet.mac-repeated': [
    [{}, { name: 'web02', uuid: OTHER_UUID }],
    [{}, { ...OTHER, name: 'web02' }],
  ],
  'blocking fleet.memory': [
    [{ memory: `<memory unit='GiB'>5</memory>` }, { ...OTHER, name: 'web02', memory: `<memory unit='GiB'>4</memory>` }],
    [{ memory: `<memory unit='GiB'>2</memory>` }, { ...OTHER, name: 'web02', memory: `<memory unit='GiB'>2</memory>` }],
  ],
  'warning fleet.memory': [
    [{ memory: `<memory unit='GiB'>3</memory>` }, { ...OTHER, name: 'web02', memory: `<memory unit='GiB'>2</memory>` }],
    [
      { memory: `<memory unit='GiB'>3</memory>` },
      { ...OTHER, name: 'web02', memory: `<memory unit='GiB'>2</memory>`, running: false },
    ],
  ],
  'info fleet.cpus': [
    [{ vcpu: '<vcpu>3</vcpu>' }, { ...OTHER, name: 'web02' }],
    [{ vcpu: '<vcpu>2</vcpu>' }, { ...OTHER, name: 'web02' }],
  ],
  'blocking fleet.space': [
    [
      { sizeBytes: 8 * GIB, allocatedBytes: 5 * GIB },
      { ...OTHER, name: 'web02', sizeBytes: 8 * GIB, allocatedBytes: 5 * GIB },
    ],
    [{ sizeBytes: 4 * GIB }, { ...OTHER, name: 'web02', sizeBytes: 4 * GIB }],
  ],
  'warning fleet.space': [
    [{ sizeBytes: 8 * GIB }, { ...OTHER, name: 'web02', sizeBytes: 8 * GIB }],
    [{ sizeBytes: 4 * GIB }, { ...OTHER, name: 'web02', sizeBytes: 4 * GIB }],
  ],
};

const lines = (ones: One[]) => fleetOf(ones).summary.findings.map(({ id, severity }) => `${severity} ${id}`);

for (const [expected, [fires, not]] of Object.entries(CASES)) {
  test(`fleet check: ${expected}`, () => {
    assert.deepEqual(lines(fires), [expected]);
    assert.ok(!lines(not).includes(expected), `${expected} here as well`);
  });
}

test('every rule about several VMs has a case', () => {
  const tried = new Set(Object.keys(CASES).map((each) => each.split(' ')[1]));
  assert.deepEqual([...tried].sort(), FLEET_RULES.map(({ id }) => id).sort());
});

test('readiness, counts and the most common findings are those of the single VMs', () => {
  const second = { ...OTHER, name: 'mail01' };
  const { vms, summary } = fleetOf([
    {},
    { ...second, tracked: false },
    { name: 'pc01', nics: nic('prod'), running: false },
  ]);
  const broken = unreadable('gone', { code: 'ToolFailed', message: 'no', remedy: null });
  assert.deepEqual(
    vms.map(({ name, readiness }) => [name, readiness]),
    [
      ['web01', 'ready'],
      ['mail01', 'ready-with-warnings'],
      ['pc01', 'blocked'],
    ],
  );
  assert.deepEqual(summary.counts, { vms: 3, ready: 1, readyWithWarnings: 1, blocked: 1, unreadable: 0 });
  assert.deepEqual(summary.common, [
    { id: 'network.missing', severity: 'blocking', vms: 1 },
    { id: 'disk.no-tracking', severity: 'warning', vms: 1 },
  ]);
  assert.equal(broken.readiness, 'unreadable');
});

test('a network map names what some VMs have: others are not refused for it', () => {
  const { vms } = fleetOf([{}, { ...OTHER, name: 'mail01', nics: nic('prod') }], { networks: { prod: 'dmz' } });
  assert.deepEqual(
    vms.map(({ readiness }) => readiness),
    ['ready', 'ready'],
  );
});

test('a waiver counts for each VM and for what is found of all together, and is told', () => {
  const waive = { 'network.missing': 'made tonight', 'fleet.uuid-repeated': 'one stays' };
  const ones = [{ nics: nic('prod') }, { name: 'mail01', nics: nic('lan', '52:54:00:11:22:34') }];
  const { vms, summary } = fleetOf(ones, { waive });
  assert.equal(vms[0]!.findings.find(({ id }) => id === 'network.missing')?.waivedBy, 'made tonight');
  assert.equal(vms[0]!.readiness, 'ready-with-warnings');
  assert.equal(summary.findings.find(({ id }) => id === 'fleet.uuid-repeated')?.waivedBy, 'one stays');
  assert.ok(summary.sizing.fits);
});

test('what is found of all together says that it does not fit only where there is too little of something', () => {
  const same = [{}, { name: 'mail01', nics: nic('lan', '52:54:00:11:22:34') }];
  const { summary } = fleetOf(same);
  assert.equal(summary.findings.find(({ id }) => id === 'fleet.uuid-repeated')?.severity, 'blocking');
  assert.ok(summary.sizing.fits);
  const large = { ...OTHER, name: 'mail01', allocatedBytes: 20 * GIB, sizeBytes: 20 * GIB };
  assert.ok(!fleetOf([{}, large]).summary.sizing.fits);
});

test('sizes are added up and held against the target; the estimate says how it came to be', () => {
  const two = { disks: disk('vda') + disk('vdb'), sizeBytes: 2 * GIB, allocatedBytes: GIB, devices: AGENT };
  const { summary } = fleetOf([two, { ...OTHER, name: 'mail01', running: false }], { assumeRate: '50MiB/s' });
  const { sizing, estimate } = summary;
  assert.deepEqual([sizing.running, sizing.cpus, sizing.disks], [1, 4, 3]);
  assert.equal(sizing.sizeBytes, 4 * GIB + 2 ** 26);
  assert.equal(sizing.allocatedBytes, 2 * GIB + 2 ** 20);
  assert.equal(sizing.target.storageFreeBytes, 10 * GIB);
  assert.equal(estimate.longestDowntimeMs, 69_000);
  assert.match(estimate.how, /which is assumed\..* longest downtime of one VM is 1 min 9 s/);
});
