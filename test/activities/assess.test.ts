import assert from 'node:assert/strict';
import test from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { assessActivities, hardwarePrintOf } from '../../activities/assess.js';
import type { ActivityDeps, Site } from '../../activities/deps.js';
import type { Assessment } from '../../activities/io.js';
import { libvirtSite } from '../../src/config.js';
import { VmferryError } from '../../src/errors.js';
import type { Finding } from '../../src/model/finding.js';
import type { VmDescription } from '../../src/model/vm.js';
import type { TargetFacts } from '../../src/model/target.js';
import { LIMITS } from '../../src/platforms/libvirt/limits.js';
import type { RunState } from '../../src/platforms/platform.js';
import { migrateVmRequest, type MigrateVmInput } from '../../src/request/migrate-vm.js';
import { DISK, VM } from '../platforms/libvirt/vm-fixture.js';

/** What an assessment makes of what both sites say; what they look at themselves is tested with the platform. */

const ref = { migrationId: '0123456789ab', vm: 'web01', source: 'dc-old', target: 'dc-new', targetName: 'web01' };
const on: RunState = { state: 'running', instance: '7@100', autostart: true };
const off: RunState = { state: 'off', instance: null, autostart: false };
const guest = { agent: true, hostname: 'web01', addresses: ['192.0.2.7'], openPorts: [80] };
const networks = (['lan', 'backbone'] as const).map((name) => ({ name, isolated: false, kind: 'network' as const }));
const two: VmDescription = {
  ...VM,
  guestOs: 'http://debian.org/debian/12',
  disks: [DISK, { ...DISK, id: 'vdb', order: 1, path: '/source/vdb.qcow2' }],
};

/** A target at which nothing is wrong, wherever the disks shall go. */
const facts: Omit<TargetFacts, 'askedStorages'> = {
  ...{ networks, storages: [], vms: [], cpus: 8, cpuModels: null, memoryBytes: 2 ** 34, freeMemoryBytes: 2 ** 34 },
  ...{ firmware: { bios: true, uefi: true, secureBoot: true }, tpm: true, accelerator: 'kvm', limits: LIMITS },
};
const targetFacts = (asked: (string | null)[]): TargetFacts => ({
  ...facts,
  askedStorages: asked.map((each) => ({
    ...{ asked: each, name: each ?? 'default' },
    ...(each === 'nowhere' ? { problem: 'no such pool' } : { path: `/${each ?? 'default'}`, freeBytes: 2 ** 40 }),
  })),
});

interface World {
  old: Partial<Record<keyof Site, unknown>>;
  new: Partial<Record<keyof Site, unknown>>;
}

/** Two sites that answer as told: with a value, or by a function. `asked` is what each was asked, with the arguments. */
function world({ old, new: fresh }: Partial<World> = {}) {
  const asked: { method: string; args: unknown[] }[] = [];
  const abilities = {
    ...{
      source: true,
      target: true,
      boots: true,
      changeTracking: true,
      quiesce: true,
      guestAgent: true,
      isolatedBoot: true,
    },
  };
  const answers = {
    'dc-old': {
      abilities,
      describe: two,
      readClaim: null,
      runState: on,
      guestFacts: guest,
      sourceFindings: [],
      tools: {},
      ...old,
    },
    'dc-new': { abilities, targetFacts, listOwned: [], tools: {}, ...fresh },
  };
  const site = (name: string) =>
    new Proxy({} as Site, {
      get: (_, method: string) => {
        const answer = (answers[name as 'dc-old'] as Record<string, unknown>)[method];
        if (method === 'site') return name;
        if (method === 'platform') return 'libvirt';
        if (method === 'abilities') return answer;
        return async (...args: unknown[]) => {
          asked.push({ method: `${method} ${name}`, args });
          assert.notEqual(answer, undefined, `nobody should ask ${name} for ${method}`);
          return await (typeof answer === 'function' ? (answer as (...all: unknown[]) => unknown)(...args) : answer);
        };
      },
    });
  const place = libvirtSite.parse({ platform: 'libvirt', uri: 'qemu:///system' });
  const config = { sites: { 'dc-old': place, 'dc-new': place } };
  const deps = {
    ...{ cluster: 'c', config, site, reports: '/nowhere' },
    workflowRuns: () => Promise.resolve(false),
  } as unknown as ActivityDeps;
  return { deps, asked };
}

async function assess(given: ReturnType<typeof world>, more: Partial<MigrateVmInput> = {}): Promise<Assessment> {
  const request = migrateVmRequest.parse({ vm: 'web01', source: ref.source, target: ref.target, ...more });
  const input = { ref: { ...ref, target: request.target }, request };
  return await new MockActivityEnvironment().run<
    [typeof input],
    Assessment,
    (one: typeof input) => Promise<Assessment>
  >(assessActivities(given.deps).assess, input);
}

const refused =
  (code: VmferryError['code'], message: RegExp, remedy: RegExp = /./) =>
  (error: unknown) => {
    assert.ok(error instanceof VmferryError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.match(error.remedy ?? '', remedy);
    return true;
  };

const ids = (found: { id: string }[]) => found.map(({ id }) => id);
const finding = (id: string, severity: Finding['severity'] = 'blocking'): Finding => ({
  ...{ id, severity, message: `${id} is so`, remedy: 'mend it' },
});

test('a running VM is assessed with what answers in it, and with the run that this was', async () => {
  const { facts, running, instance, autostart } = await assess(world());
  assert.deepEqual(
    { facts, running, instance, autostart },
    { facts: guest, running: true, instance: '7@100', autostart: true },
  );
});

test('nothing answers in a VM that is off or paused, and nobody asks it', async () => {
  for (const [state, running] of [
    [off, false],
    [{ ...on, state: 'paused' }, true],
    [{ ...off, state: 'crashed' }, false],
  ] as const) {
    const given = world({ old: { runState: state } });
    const assessment = await assess(given);
    assert.equal(assessment.facts, null);
    assert.equal(assessment.running, running);
    assert.ok(!ids(given.asked.map(({ method }) => ({ id: method }))).includes('guestFacts dc-old'));
  }
});

test('a guest that nobody can ask does not keep its VM from being assessed', async () => {
  const mute = () => Promise.reject(new VmferryError('Timeout', 'no answer'));
  const { facts, running } = await assess(world({ old: { guestFacts: mute } }));
  assert.deepEqual({ facts, running }, { facts: null, running: true });
});

test('a site that does not exist is refused, with those that do', async () => {
  const { checkSites } = assessActivities(world().deps);
  const check = (change: object) =>
    new MockActivityEnvironment().run(async () => await checkSites({ ...ref, ...change }));
  await check({});
  for (const side of ['source', 'target'])
    await assert.rejects(check({ [side]: 'dc-odl' }), refused('NotFound', /no site "dc-odl"/, /dc-old, dc-new/));
});

test('a platform that cannot be that side is refused', async () => {
  await assert.rejects(
    assess(world({ new: { abilities: { source: true, target: false } } })),
    (error) =>
      error instanceof VmferryError && error.code === 'NotSupported' && /dc-new as a target/.test(error.message),
  );
});

test('a VM that another migration has claimed is refused, naming that one; its own claim is none', async () => {
  const claim = { migrationId: 'ffffffffffff', workflowId: 'migrate-other', claimedAt: '2026-11-22T22:00:00Z' };
  await assert.rejects(
    assess(world({ old: { readClaim: claim } })),
    refused('AlreadyClaimed', /ffffffffffff \(workflow migrate-other\)/, /abort migrate-other/),
  );
  await assess(world({ old: { readClaim: { ...claim, migrationId: ref.migrationId } } }));
});

test('networks are mapped as asked, the others to those of the same name', async () => {
  const nics = ['lan', 'prod', 'dmz'].map((network, index) => ({
    ...VM.nics[0]!,
    mac: `52:54:00:00:00:0${index}`,
    network,
  }));
  const given = world({ old: { describe: { ...two, nics } } });
  const assessment = await assess(given, { networks: { prod: 'backbone' } });
  // That there is no dmz is for the checks to say.
  assert.deepEqual(assessment.networks, { lan: 'lan', prod: 'backbone', dmz: 'dmz' });
  assert.deepEqual(ids(assessment.findings), ['network.missing']);
  assert.match(assessment.findings[0]!.message, /"dmz"/);
});

test('a network that the target does not have is refused, with those that it has', async () => {
  const wrong = refused('InvalidRequest', /network "prodd" at dc-new/, /lan, backbone/);
  await assert.rejects(assess(world(), { networks: { lan: 'prodd' } }), wrong);
  await assert.rejects(assess(world(), { rehearsal: { network: 'prodd' } }), wrong);
  const none = world({ new: { targetFacts: { ...targetFacts([null]), networks: [] } } });
  await assert.rejects(assess(none, { networks: { lan: 'lan' } }), refused('InvalidRequest', /"lan"/, /none/));
});

test('a mapping of a network that the VM is not on is refused, with those that it is on', async () => {
  await assert.rejects(
    assess(world(), { networks: { prod: 'backbone' } }),
    refused('InvalidRequest', /map network "prod": web01 has no such/, /on: lan\./),
  );
});

test('a disk that is left behind is in no plan, and is a finding; nothing else of it counts', async () => {
  const findings = [finding('disk.unreadable'), finding('cpu.host-model', 'info')];
  const given = world({ old: { describe: { ...two, findings } } });
  const assessment = await assess(given, { excludeDisks: ['vdb'] });
  assert.deepEqual(ids(assessment.disks), ['vda']);
  assert.deepEqual(ids(assessment.description.disks), ['vda']);
  assert.deepEqual(ids(assessment.findings).sort(), ['cpu.host-model', 'disk.excluded']);
  const left = assessment.findings.find(({ id }) => id === 'disk.excluded')!;
  assert.equal(left.severity, 'warning');
  assert.match(left.message, /vdb/);
  // The source says what of the others stands in the way.
  const [, disks] = given.asked.find(({ method }) => method === 'sourceFindings dc-old')!.args;
  assert.deepEqual(disks, ['vda']);
});

test('a disk to be left behind or put elsewhere that the VM does not have is refused, with those that it has', async () => {
  const wrong = refused('InvalidRequest', /disk "vdc" of web01/, /vda, vdb/);
  await assert.rejects(assess(world(), { excludeDisks: ['vdc'] }), wrong);
  await assert.rejects(assess(world(), { diskStorage: { vdc: 'fast' } }), wrong);
});

test('a VM of which no disk would be left is refused', async () => {
  await assert.rejects(
    assess(world(), { excludeDisks: ['vda', 'vdb'] }),
    (error) =>
      error instanceof VmferryError && error.code === 'InvalidRequest' && /no disk is left/.test(error.message),
  );
});

test('each disk goes to its own storage, to that of the request, or to that of the site', async () => {
  const where = async (more: Partial<MigrateVmInput>) => {
    const given = world();
    const { disks, findings } = await assess(given, more);
    // The target was asked about what is planned, else it would be missing.
    assert.deepEqual(findings, []);
    return disks.map(({ storage, format }) => [storage, format]);
  };
  assert.deepEqual(await where({}), Array(2).fill([null, 'qcow2']));
  assert.deepEqual(await where({ storage: 'bulk', diskStorage: { vdb: 'fast' }, diskFormat: 'raw' }), [
    ['bulk', 'raw'],
    ['fast', 'raw'],
  ]);
});

test('a storage that the target cannot use stops the migration, unless that is waived by its id', async () => {
  const [found] = (await assess(world(), { storage: 'nowhere' })).findings;
  assert.deepEqual([found?.id, found?.severity, found?.waivedBy], ['storage.missing', 'blocking', undefined]);
  const waive = { 'storage.missing': 'made later' };
  assert.equal((await assess(world(), { storage: 'nowhere', waive })).findings[0]?.waivedBy, 'made later');
});

test('a waiver counts for what is blocking only, and what both the source and a check say is said once', async () => {
  const slow = { ...targetFacts([null]), accelerator: 'tcg' };
  const [warning] = (await assess(world({ new: { targetFacts: slow } }))).findings;
  assert.equal(warning?.id, 'host.no-kvm');
  const given = world({ old: { sourceFindings: [warning] }, new: { targetFacts: slow } });
  assert.deepEqual((await assess(given, { waive: { 'host.no-kvm': 'known' } })).findings, [warning]);
});

test('a check knows what the running guest answered, and the programs of both sites', async () => {
  const silent = { ...guest, agent: false, addresses: [] };
  const old = { guestFacts: silent, tools: { libvirt: '9.0.0', 'qemu-img': '7.2.22' } };
  const { findings } = await assess(world({ old, new: { tools: { libvirt: '10.1.0' } } }));
  assert.deepEqual(ids(findings), ['address.unknown', 'tools.versions', 'agent.missing']);
  assert.match(
    findings[1]!.message,
    /at the source libvirt 9\.0\.0, qemu-img 7\.2\.22; at the target libvirt 10\.1\.0\.$/,
  );
  assert.deepEqual((await assess(world({ old: { runState: off, guestFacts: silent } }))).findings, []);
});

test('a check knows whether the VM runs, and what each side can do', async () => {
  const untracked = { ...two, disks: [{ ...DISK, changeTracking: false }] };
  assert.deepEqual(ids((await assess(world({ old: { describe: untracked } }))).findings), ['disk.no-tracking']);
  assert.deepEqual((await assess(world({ old: { describe: untracked, runState: off } }))).findings, []);
  const abilities = { source: true, target: true, boots: true, isolatedBoot: false };
  assert.deepEqual(ids((await assess(world({ new: { abilities } }))).findings), ['rehearsal.not-isolated']);
});

test('what the move will take is estimated at the bandwidth asked for, with how', async () => {
  const { estimate } = await assess(world(), { sync: { bandwidth: '1MiB/s' } });
  const sizes = two.disks.map((disk) => disk.allocatedBytes ?? disk.sizeBytes).reduce((sum, bytes) => sum + bytes, 0);
  assert.equal(estimate?.copyBytes, sizes);
  assert.equal(estimate.copyMs, Math.round((sizes / 2 ** 20) * 1000));
  assert.match(estimate.copyHow, /at the 1MiB\/s asked for$/);
  assert.equal(estimate.downtimeMs, 69_000);
  assert.equal((await assess(world({ old: { runState: off } }))).estimate?.downtimeMs, 0);
});

test('other CPUs and memory are those of the VM at the target, one core a socket', async () => {
  const { description, hardwarePrint } = await assess(world(), { cpus: 3, memory: '1GiB' });
  assert.deepEqual(description.cpu, { ...VM.cpu, count: 3, sockets: 3, coresPerSocket: 1, threadsPerCore: 1 });
  assert.equal(description.memoryBytes, 2 ** 30);
  const asIs = await assess(world(), { cpus: VM.cpu.count });
  assert.deepEqual(asIs.description.cpu, VM.cpu);
  assert.equal(asIs.description.memoryBytes, VM.memoryBytes);
  assert.equal(hardwarePrint, asIs.hardwarePrint, 'the print is that of the source');
});

test('a waiver of something that no check is called is told, and one of a check that finds nothing is not', async () => {
  const waive = { 'vm.uuid-in-use': 'the old copy goes', 'disk.shareable': 'a cluster', 'nosuch.rule': 'because' };
  const { findings } = await assess(world(), { waive });
  assert.deepEqual(ids(findings), ['waiver.unknown']);
  assert.match(findings[0]!.message, /"nosuch\.rule"/);
});

test('a print of the hardware from before slots were known is that of the same VM with its slots', () => {
  const known = { ...VM, nics: VM.nics.map((nic) => ({ ...nic, slot: 192, addressMade: true })) };
  assert.equal(hardwarePrintOf(known), hardwarePrintOf(VM));
  const other = { ...VM, nics: VM.nics.map((nic) => ({ ...nic, mac: '52:54:00:00:00:99' })) };
  assert.notEqual(hardwarePrintOf(other), hardwarePrintOf(VM));
});

test('a replica that was kept of this VM is named, unless it does not fit or cannot be asked for', async () => {
  const owned = ['aaaaaaaaaaaa', 'bbbbbbbbbbbb', 'cccccccccccc', ref.migrationId].map((migrationId, index) => ({
    ...{ kind: 'libvirt-replica', name: migrationId, migrationId, inUse: index === 1 ? 'a VM stands on it' : null },
  }));
  const whyNotAdopt = (kept: string) => (kept === 'cccccccccccc' ? 'it is not whole' : null);
  const { findings } = await assess(world({ new: { listOwned: owned, whyNotAdopt } }));
  assert.deepEqual(ids(findings), ['replica.kept']);
  assert.match(findings[0]!.remedy, /"adoptReplica": "aaaaaaaaaaaa"/);
  const going = world({ new: { listOwned: owned, whyNotAdopt } });
  going.deps.workflowRuns = () => Promise.resolve(true);
  assert.deepEqual((await assess(going)).findings, []);
  const blind = world({ new: { listOwned: () => Promise.reject(new VmferryError('Denied', 'no')) } });
  assert.deepEqual((await assess(blind)).findings, []);
});

test('a replica that is asked for and does not fit is refused, with the reason', async () => {
  const state = { owner: { migrationId: 'aaaaaaaaaaaa', workflowId: 'migrate-other' } };
  const kept = { readReplica: state, whyNotAdopt: 'it is of another VM' };
  const asked = { adoptReplica: 'aaaaaaaaaaaa' };
  await assert.rejects(
    assess(world({ new: kept }), asked),
    refused('InvalidRequest', /of another VM/, /vmferry replicas/),
  );
  const running = world({ new: { ...kept, whyNotAdopt: null } });
  await assess(running, asked);
  running.deps.workflowRuns = () => Promise.resolve(true);
  await assert.rejects(assess(running, asked), refused('InvalidRequest', /its workflow migrate-other runs/));
});

test('the disks of a VM that is off are looked into where that is asked for, and those of one that runs are not', async () => {
  const asked = world({ old: { runState: on } });
  await assess(asked, { inspect: true });
  assert.ok(!asked.asked.some(({ method }) => method.startsWith('withDisks')));
  const idle = world({ old: { runState: off, withDisks: null } });
  await assess(idle, { inspect: true });
  const [call] = idle.asked.filter(({ method }) => method === 'withDisks dc-old');
  assert.deepEqual(call?.args[1], ['vda', 'vdb']);
  const plain = world({ old: { runState: off } });
  await assess(plain);
  assert.ok(!plain.asked.some(({ method }) => method.startsWith('withDisks')));
});

test('what a description leaves open stops nothing where the request says it', async () => {
  const open = { id: 'memory.unstated', severity: 'blocking', message: 'No memory is stated.', remedy: 'State it.' };
  const given = { old: { describe: { ...two, memoryBytes: 0, findings: [open] } } };
  const ids = async (request: object) => (await assess(world(given), request)).findings.map(({ id }) => id);
  assert.ok((await ids({})).includes('memory.unstated'));
  assert.deepEqual(await ids({ memory: '1GiB' }), []);
});
