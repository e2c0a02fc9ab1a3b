import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before, beforeEach } from 'node:test';
import { stringify } from 'yaml';
import type { LabHost } from '../../lab/host/lab-host.js';
import { askTemporal } from '../../src/cli/fate.js';
import type { SweptRow } from '../../src/cli/sweep.js';
import { markElement } from '../../src/platforms/libvirt/mark.js';
import type { Owner } from '../../src/platforms/platform.js';
import { openSite } from '../../src/platforms/registry.js';
import type { Site } from '../../src/cli/sites.js';
import { connectClient } from '../../src/temporal.js';
import { defineVm, removeVm, startPaused, startTestHost, virsh } from '../platforms/libvirt/lab-vm.js';
import { Environment } from '../workflows/environment.js';
import { vmferry } from './capture.js';

/** `sweep`, `replicas` and `verify` against a real libvirt host and a real Temporal server that knows no such workflow. */
const ID = '0123456789ab';
const MIB = 2 ** 20;
let host: LabHost;
let site: Site;
let environment: Environment;
let folder: string;
let config: string;
let owner: Owner;

const connect = () => {
  const { address } = environment.test;
  return connectClient({ address, namespace: 'default', connection: { address } });
};
const cli = (...argv: string[]) => vmferry([...argv, '--config', config], { connect });

before(async () => {
  [host, environment] = await Promise.all([startTestHost('sweep'), Environment.start()]);
  site = openSite('dc', host.localConfig);
  folder = await mkdtemp(join(tmpdir(), 'vmferry-sweep-'));
  config = join(folder, 'vmferry.yaml');
  await writeFile(config, stringify({ sites: { dc: host.localConfig } }));
  const connected = await connect();
  const { clusterId } = await connected.client.connection.workflowService.getClusterInfo({});
  await connected.close();
  owner = { migrationId: ID, workflowId: 'migrate-dc-vm', cluster: clusterId ?? '', namespace: 'default' };
  await defineVm(host, 'vm', [{ id: 'vda', format: 'qcow2', sizeMib: 16 }]);
  await startPaused(host, 'vm');
});
after(async () => {
  await site?.close();
  await environment?.stop();
  await host?.stop();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  await site.endPoints('vm', ID);
  await site.deleteCheckpoints('vm', ID, []);
  await site.releaseClaim('vm', ID);
  await site.removeReplica(ID);
});

/** What a migration has after its first pass, as `by` marks it. */
async function leave(by: Owner): Promise<void> {
  await site.claim('vm', { ...by, vm: 'vm', claimedAt: new Date().toISOString(), ran: 'yes', autostart: 'no' });
  const request = { owner: by, vm: 'vm', disks: ['vda'], checkpoint: `vmferry-${ID}-1`, since: null } as const;
  const point = await site.openPoint({ ...request, quiesce: 'never' });
  await point.end();
  const { uuid } = await site.describe('vm');
  await site.createReplica({
    owner: by,
    targetName: 'moved',
    source: { site: 'dc', vm: 'vm', uuid },
    disks: [{ id: 'vda', sizeBytes: 16 * MIB, format: 'raw', storage: null }],
  });
  const replica = await site.openReplica(ID, 1, 1);
  await replica.seal({ pass: 1, checkpoint: request.checkpoint, result: null });
  await replica.close();
}

async function sweep(...argv: string[]): Promise<string[]> {
  const { out, err, exit } = await cli('sweep', '--json', ...argv);
  assert.equal(exit, 0, err);
  const rows = JSON.parse(out) as SweptRow[];
  return rows.map(({ kind, action }) => `${kind.replace('libvirt-', '')} ${action}`).sort();
}

const ALL = ['checkpoint', 'claim', 'replica'];
const all = (action: string) => ALL.map((kind) => `${kind} ${action}`);

test('what an unknown workflow left is listed, kept while the source is paused, and removed while it runs', async () => {
  await leave(owner);
  assert.deepEqual(await sweep('--remove', '--migration', 'ffffffffffff'), []);
  const kept = ['checkpoint would-remove', 'claim kept', 'replica kept'];
  assert.deepEqual(await sweep(), kept);
  await virsh(host, 'resume', 'vm');
  try {
    assert.deepEqual(await sweep(), all('would-remove'));
    assert.deepEqual(await sweep('--remove', '--keep-replicas'), [
      'checkpoint removed',
      'claim removed',
      'replica kept',
    ]);
    assert.deepEqual(await sweep('--remove'), ['replica removed']);
  } finally {
    await virsh(host, 'suspend', 'vm');
  }
  assert.deepEqual(await sweep(), []);
  assert.equal(await site.readClaim('vm'), null);
  assert.doesNotMatch(await virsh(host, 'dumpxml', 'vm'), /urn:vmferry/);
  const files = await host.host.run('find', [host.images, '-name', `*${ID}*`]);
  assert.equal(files.stdout, '');
});

test('what another cluster or namespace marked is kept, and so is everything without Temporal', async () => {
  for (const other of [{ cluster: 'another' }, { namespace: 'another' }]) {
    await leave({ ...owner, ...other });
    await virsh(host, 'resume', 'vm');
    assert.deepEqual(await sweep('--remove'), all('kept'), JSON.stringify(other));
    await virsh(host, 'suspend', 'vm');
    await site.releaseClaim('vm', ID);
    await site.removeReplica(ID);
    await site.deleteCheckpoints('vm', ID, []);
  }
  await leave(owner);
  await virsh(host, 'resume', 'vm');
  const { exit, err, out } = await vmferry(['sweep', '--remove', '--config', config]);
  await virsh(host, 'suspend', 'vm');
  assert.equal(exit, 1);
  assert.match(err, /Nothing was removed, as Temporal cannot be asked/);
  assert.equal(out.match(/ stays /g)?.length, 3);
  assert.ok(await site.readReplica(ID));
});

test('a workflow that Temporal fails to say anything of keeps what is its own, and the sweep is not done', async () => {
  await leave(owner);
  await virsh(host, 'resume', 'vm');
  const failing = async () => {
    const connected = await connect();
    const describe = () => Promise.reject(new Error('the shard is busy'));
    const client = { connection: connected.client.connection, workflow: { getHandle: () => ({ describe }) } };
    return { ...connected, client: client as never, close: () => connected.close() };
  };
  const { exit, err, out } = await vmferry(['sweep', '--remove', '--config', config], { connect: failing });
  await virsh(host, 'suspend', 'vm');
  assert.equal(exit, 1);
  assert.match(err, /Not everything could be decided: .*the shard is busy/);
  assert.equal(out.match(/ stays /g)?.length, 3);
  assert.ok(await site.readReplica(ID));
});

test('a running VM that the migration defined is kept with its replica, and not ended by whoever asks', async () => {
  await leave(owner);
  await defineVm(host, 'moved', [{ id: 'vda', format: 'qcow2', sizeMib: 1 }], '');
  const element = markElement(owner, 'target')
    .toString()
    .replaceAll('vmferry:target', 'target')
    .replace(/ xmlns:vmferry="[^"]*"/, '');
  const mark = ['metadata', 'moved', '--uri', 'urn:vmferry:target', '--key', 'vmferry', `--set=${element}`];
  await virsh(host, ...mark, '--config');
  await virsh(host, 'start', 'moved');
  await virsh(host, 'resume', 'vm');
  try {
    assert.deepEqual(await sweep('--remove'), ['checkpoint removed', 'claim kept', 'replica kept', 'target kept']);
    await assert.rejects(site.removeLeft(owner), /it runs/);
    assert.match(await virsh(host, 'domstate', 'moved'), /running/);
    await virsh(host, 'destroy', 'moved');
    assert.deepEqual(await sweep('--remove'), ['claim removed', 'replica removed', 'target removed']);
    assert.doesNotMatch(await virsh(host, 'list', '--all', '--name'), /moved/);
  } finally {
    await virsh(host, 'suspend', 'vm');
    await removeVm(host, 'moved');
  }
});

test('verify reads a kept replica back, by its migration or its VM, and names those that there are', async () => {
  await leave(owner);
  const replica = await site.openReplica(ID, 2, 1);
  // Never copied: nothing is known of it.
  await replica.close();
  await site.discardTorn(ID);
  const unknown = await cli('verify', 'vm', '--json');
  assert.equal(unknown.exit, 1, unknown.err);
  const { disks } = JSON.parse(unknown.out) as { disks: { disk: string; same: boolean; unknownBytes: number }[] };
  assert.deepEqual(
    disks.map(({ disk, same, unknownBytes }) => [disk, same, unknownBytes]),
    [['vda', false, 16 * MIB]],
  );
  const nobody = await cli('verify', 'nobody');
  assert.equal(nobody.exit, 1);
  assert.match(nobody.err, new RegExp(`there is no whole replica "nobody" at the sites\\n {2}Whole replicas: ${ID};`));
  const listed = await cli('replicas');
  assert.match(listed.out, new RegExp(`^dc +vm +dc +${ID} +1 +`, 'm'));
  const asked = await askTemporal({ connect } as never);
  assert.deepEqual(await asked.fateOf(owner), {
    state: 'over',
    text: 'Temporal knows no workflow migrate-dc-vm any more',
  });
  await asked.close();
});
