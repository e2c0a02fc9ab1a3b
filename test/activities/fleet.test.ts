import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { ActivityDeps, Site } from '../../activities/deps.js';
import { fleetActivities } from '../../activities/fleet.js';
import { libvirtSite } from '../../src/config.js';
import { VmferryError } from '../../src/errors.js';
import type { PackagePlan } from '../../src/model/package.js';
import { fleetAssessment } from '../../src/model/fleet.js';
import { limitsOf } from '../../src/platforms/files/target/limits.js';
import { unpackVms } from '../../src/report/fleet-part.js';
import { assessFleetRequest, type AssessFleetInput } from '../../src/request/assess-fleet.js';
import { factsOf, nic, TARGET } from '../checks/facts.js';

/** What is made of a site: VMs from domains as `virsh dumpxml` shows them, some of which cannot be read. */

let reports: string;
before(async () => {
  reports = await mkdtemp(join(tmpdir(), 'vmferry-fleet-'));
});
after(() => rm(reports, { recursive: true }));

const NAMES = ['web01', 'web02', 'mail01', 'torn01', 'odd[1]'];
const abilities = {
  ...{ source: true, target: true, changeTracking: true, quiesce: true, guestAgent: true, isolatedBoot: true },
  boots: true,
};
const describe = (name: string) => {
  if (name === 'torn01')
    throw new VmferryError('ToolFailed', 'cannot read torn01: no such image', { remedy: 'Mend it.' });
  const nics = nic(name === 'mail01' ? 'prod' : 'lan', `52:54:00:11:22:0${NAMES.indexOf(name)}`);
  return { ...factsOf({ nics }).vm, name, uuid: `00000000-0000-4000-8000-00000000010${NAMES.indexOf(name)}` };
};

function world(more: Partial<Record<keyof Site, unknown>> = {}) {
  const asked: string[] = [];
  const answers: Record<string, unknown> = {
    ...{
      abilities,
      inventory: NAMES.map((name) => ({ name })),
      describe,
      sourceFindings: [],
      readClaim: null,
      tools: {},
    },
    ...{ runState: { state: 'running', instance: '1', autostart: false }, targetFacts: TARGET, ...more },
  };
  const site = (name: string) =>
    new Proxy({} as Site, {
      get: (_, method: string) => {
        if (method === 'packaging') return answers[method] ?? null;
        if (method === 'abilities' || method === 'platform') return answers[method];
        return async (...args: unknown[]) => {
          asked.push(`${method} ${name}`);
          const answer = answers[method];
          return await (typeof answer === 'function' ? (answer as (...all: unknown[]) => unknown)(...args) : answer);
        };
      },
    });
  const place = libvirtSite.parse({ platform: 'libvirt', uri: 'qemu:///system' });
  const config = { sites: { 'dc-old': place, 'dc-new': { ...place, bandwidth: '20MiB/s' } } };
  return { asked, activities: fleetActivities({ config, site, reports, cluster: 'c' } as unknown as ActivityDeps) };
}

const requestOf = (more: Partial<AssessFleetInput> = {}) =>
  assessFleetRequest.parse({ source: 'dc-old', target: 'dc-new', ...more });
const run = <T>(work: () => Promise<T>): Promise<T> => new MockActivityEnvironment().run(work);
const survey = (more: Partial<AssessFleetInput> = {}, given = world()) =>
  run(() => given.activities.surveyFleet(requestOf(more)));

test('names and patterns choose VMs, and leave some out; a name that looks like a pattern names itself', async () => {
  assert.deepEqual((await survey()).vms, NAMES);
  assert.deepEqual((await survey({ vms: ['web*'], exclude: ['*2'] })).vms, ['web01']);
  assert.deepEqual((await survey({ vms: ['odd[1]', 'mail01'] })).vms, ['mail01', 'odd[1]']);
  assert.match((await survey()).rate.words, /20MiB\/s that dc-new is limited to/);
});

test('names that nobody has and networks that are not there are refused', async () => {
  await assert.rejects(survey({ vms: ['web01', 'db*'] }), { code: 'InvalidRequest', message: /"db\*" at dc-old/ });
  await assert.rejects(survey({ networks: { lan: 'prodd' } }), { code: 'InvalidRequest', remedy: /lan, dmz/ });
  const many = world({ inventory: Array.from({ length: 2001 }, (_, index) => ({ name: `vm${index}` })) });
  await assert.rejects(survey({}, many), { code: 'InvalidRequest', message: /2001 VMs at once: 2000/ });
  assert.equal((await survey({ exclude: ['vm1'] }, many)).vms.length, 2000);
});

test('a VM that cannot be read is a line with its error; the target is asked once for all', async () => {
  const given = world();
  const { rate } = await survey({}, given);
  given.asked.length = 0;
  const request = requestOf();
  const { counts, blocked, part } = await run(() =>
    given.activities.assessBatch({ request, vms: NAMES, rate, mostCharacters: 40_000 }),
  );
  assert.deepEqual(counts, { vms: 5, ready: 3, readyWithWarnings: 0, blocked: 1, unreadable: 1 });
  assert.deepEqual(blocked, ['mail01', 'torn01']);
  assert.equal(given.asked.filter((each) => each === 'targetFacts dc-new').length, 1);
  const vms = unpackVms(part);
  assert.deepEqual(
    vms.map(({ name }) => name),
    NAMES,
  );
  assert.deepEqual(vms[3]!.error, {
    code: 'ToolFailed',
    message: 'cannot read torn01: no such image',
    remedy: 'Mend it.',
  });

  const startedAt = new Date(0).toISOString();
  const { summary, path } = await run(() =>
    given.activities.reportFleet({ assessmentId: 'abcdefabcdef', request, rate, startedAt, parts: [part] }),
  );
  assert.deepEqual(summary.counts, counts);
  const written = await readFile(join(dirname(path), 'report.json'), 'utf8');
  assert.deepEqual(fleetAssessment.parse(JSON.parse(written)), { ...summary, vms });
  assert.match(await readFile(path, 'utf8'), /torn01/);
});

test('running guests are asked for their agent and addresses, not for their ports; a waiver of nothing is told', async () => {
  const asked: unknown[] = [];
  const guestFacts = (name: string, _: unknown, ports: boolean) => {
    asked.push([name, ports]);
    if (name === 'web02') throw new VmferryError('ToolFailed', 'virsh hangs');
    return { agent: name === 'mail01', hostname: null, addresses: [], openPorts: [] };
  };
  const given = world({ guestFacts });
  const { rate } = await survey({}, given);
  const request = requestOf({ waive: { 'nic.mac-in-used': 'a slip', 'agent.missing': 'none is wanted' } });
  const vms = ['web01', 'web02', 'mail01'];
  const { part } = await run(() => given.activities.assessBatch({ request, vms, rate, mostCharacters: 40_000 }));
  assert.deepEqual(
    asked,
    vms.map((name) => [name, false]),
  );
  const ids = unpackVms(part).map(({ findings }) =>
    findings.map(({ id }) => id).filter((id) => /agent|address/.test(id)),
  );
  assert.deepEqual(ids, [['address.unknown', 'agent.missing'], [], ['address.unknown']]);
  const startedAt = new Date(0).toISOString();
  const { summary } = await run(() =>
    given.activities.reportFleet({ assessmentId: 'abcdefabcdef', request, rate, startedAt, parts: [part] }),
  );
  const slips = summary.findings.filter(({ id }) => id === 'waiver.unknown');
  assert.deepEqual(
    slips.map(({ message, vms }) => [/nic\.mac-in-used/.test(message), vms]),
    [[true, []]],
  );
});

test('a VM that another migration has claimed is blocked, and says by which', async () => {
  const claim = { migrationId: 'ffffffffffff', workflowId: 'migrate-other', claimedAt: '2026-11-22T22:00:00Z' };
  const given = world({ readClaim: claim });
  const { rate } = await survey({}, given);
  const { part } = await run(() =>
    given.activities.assessBatch({ request: requestOf(), vms: ['web01'], rate, mostCharacters: 40_000 }),
  );
  const [found] = unpackVms(part)[0]!.findings.filter(({ id }) => id === 'vm.claimed');
  assert.match(found?.message ?? '', /ffffffffffff \(workflow migrate-other\)/);
});

test('at a target that keeps files, VMs are held against what the package asked for can describe', async () => {
  const limits = ({ kind }: PackagePlan) => limitsOf({ kind, diskFormat: 'qcow2' });
  const given = world({ abilities: { ...abilities, boots: false }, packaging: { limits } });
  const { rate } = await survey({}, given);
  const found = async (kind: PackagePlan['kind']) => {
    const request = requestOf({ package: kind });
    const input = { request, vms: ['web01'], rate, mostCharacters: 40_000 };
    const { part } = await run(() => given.activities.assessBatch(input));
    return unpackVms(part)[0]!.findings.map(({ id }) => id);
  };
  assert.ok((await found('ova')).includes('disk.bus-other'));
  assert.ok(!(await found('libvirt-xml')).includes('disk.bus-other'));
});

test('a site that cannot be reached fails the batch, to be tried again', async () => {
  const gone = () => Promise.reject(new VmferryError('Unreachable', 'no answer'));
  const given = world({ describe: gone });
  const { rate } = await survey({}, given);
  await assert.rejects(
    run(() => given.activities.assessBatch({ request: requestOf(), vms: NAMES, rate, mostCharacters: 40_000 })),
    { code: 'Unreachable' },
  );
});
