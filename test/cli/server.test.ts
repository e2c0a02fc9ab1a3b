import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Context as ActivityContext } from '@temporalio/activity';
import { z } from 'zod';
import { finding } from '../../src/model/finding.js';
import { migrationReport } from '../../src/model/report.js';
import { connectClient } from '../../src/temporal.js';
import { findMigration } from '../../src/cli/find.js';
import { waysTo } from '../../src/cli/ways.js';
import { findTemporal } from '../temporal.js';
import type { FakeWorld } from '../workflows/fake-world.js';
import { vmferry as run } from './capture.js';
import { CliServer, MIGRATE, WAIT_MS } from './cli-server.js';

let server: CliServer;
let world: FakeWorld;
let vmferry: CliServer['vmferry'];
let started: CliServer['started'];
let statusOf: CliServer['statusOf'];
let until: CliServer['until'];
let listed: CliServer['listed'];

const MIB = 2 ** 20;

before(async () => {
  server = await CliServer.start((plain) => ({
    rehearse: async (input) => {
      const at = new Date().toISOString();
      const picture = { kind: 'screenshot' as const, phase: 'rehearsing' as const, at, title: 'screen', text: null };
      const evidence = input.vm === 'pic01' ? [{ ...picture, path: 'screen.png' }] : [];
      return { ...(await plain.rehearse(input)), evidence };
    },
    runPass: async (input) => {
      const disk = { name: 'vda', doneBytes: 256 * MIB, totalBytes: 1024 * MIB, rateBytesPerSecond: 64 * MIB };
      ActivityContext.current().heartbeat({ disks: [disk] });
      // Until it is cancelled by the abort.
      if (input.vm === 'slow01') await ActivityContext.current().sleep(WAIT_MS);
      return await plain.runPass(input);
    },
  }));
  ({ world, vmferry, started, statusOf, until, listed } = server);
});
after(() => server.stop());

test('a migration is started, shown, refused a wrong decision, approved, accepted and reported from the command line', async (context) => {
  world.sourceRuns = true;
  const begun = await vmferry('migrate', 'web01', ...MIGRATE);
  assert.equal(begun.exit, 0, begun.err);
  assert.match(begun.out, /^Started migrate-dc-old-web01 \(migration [0-9a-f]{12}\)\./);
  assert.match(begun.out, /vmferry approve migrate-dc-old-web01/);
  assert.match(
    begun.out,
    /temporal workflow update execute --address \S+ --namespace default --workflow-id migrate-dc-old-web01/,
  );

  const again = await vmferry('migrate', 'web01', ...MIGRATE);
  assert.equal(again.exit, 1);
  const id = /migration ([0-9a-f]{12})/.exec(begun.out)![1]!;
  assert.match(again.err, new RegExp(`the migration ${id} of it runs already \\(workflow migrate-dc-old-web01\\)`));

  await until('migrate-dc-old-web01', 'awaiting-approval');
  await listed(/^web01 +dc-old +dc-new +awaiting-approval .* migrate-dc-old-web01$/m);
  for (const name of ['web01', id, 'migrate-dc-old-web01']) assert.equal((await statusOf(name)).migrationId, id);
  const page = await vmferry('status', 'web01');
  assert.match(page.out, /you can {4}.*approve/);
  assert.match((await vmferry('list')).out, /^web01 .* migrate-dc-old-web01$/m);

  const refused = await vmferry('accept', 'web01', '--by', 'ann');
  assert.equal(refused.exit, 1);
  assert.match(refused.err, /accept is refused: .*awaiting-approval/);
  const limited = await vmferry('limit', 'web01', '100MiB/s', '--json');
  assert.equal(limited.exit, 0, limited.err);
  assert.deepEqual(Object.keys(JSON.parse(limited.out) as object), ['workflowId', 'decision', 'accepted', 'text']);
  assert.equal((await statusOf('web01')).bandwidth, '100MiB/s');

  const approved = await vmferry('approve', 'web01', '--by', 'ann', '--comment', 'go');
  assert.equal(approved.exit, 0, approved.err);
  await until('web01', 'awaiting-acceptance');
  assert.equal((await vmferry('accept', 'web01')).exit, 0);
  const watched = await vmferry('watch', 'web01');
  assert.equal(watched.exit, 0, watched.err);
  assert.match(watched.out, /phase completed/);

  const folder = await mkdtemp(join(tmpdir(), 'vmferry-cli-'));
  context.after(() => rm(folder, { recursive: true }));
  assert.equal((await vmferry('report', 'web01', '--out', folder)).exit, 0);
  const report = migrationReport.parse(JSON.parse(await readFile(join(folder, 'report.json'), 'utf8')));
  assert.equal(report.outcome, 'completed');
  assert.deepEqual(
    report.decisions.map(({ name, by, comment }) => [name, by, comment]).filter(([name]) => name === 'approveCutover'),
    [['approveCutover', 'ann', 'go']],
  );
  const late = await vmferry('pause', 'web01');
  assert.equal(late.exit, 1);
  assert.match(late.err, /the migration has ended/);
});

test('the report of a running migration has the pictures in it that the worker keeps by vmferry.yaml', async (context) => {
  world.sourceRuns = true;
  const begun = await vmferry('migrate', 'pic01', ...MIGRATE);
  const id = /migration ([0-9a-f]{12})/.exec(begun.out)![1]!;
  await until('migrate-dc-old-pic01', 'awaiting-approval');
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-cli-'));
  context.after(() => rm(folder, { recursive: true }));
  const config = join(folder, 'vmferry.yaml');
  await writeFile(config, 'sites: {}\nreports: evidence\n');
  const report = (out: string) => vmferry('report', id, '--config', config, '--out', join(folder, out));
  await listed('pic01');
  const without = await report('first');
  assert.equal(without.exit, 0, without.err);
  assert.match(without.err, /Only named in it, as not found in .*evidence\/[0-9a-f]{12}: screen\.png/);

  await mkdir(join(folder, 'evidence', id), { recursive: true });
  const png = Buffer.from('89504e470d0a1a0a0000', 'hex');
  await writeFile(join(folder, 'evidence', id, 'screen.png'), png);
  assert.equal((await report('second')).err, '');
  const page = await readFile(join(folder, 'second', 'report.html'), 'utf8');
  assert.ok(page.includes(`src="data:image/png;base64,${png.toString('base64')}"`));
  assert.equal((await vmferry('abort', id)).exit, 0);
});

test('an aborted migration ends the waiting command with status 1', async () => {
  world.sourceRuns = true;
  const { ended, printed } = started('migrate', 'db01', ...MIGRATE, '--wait');
  await printed(/waits for .*approve/);
  assert.equal((await vmferry('abort', 'migrate-dc-old-db01')).exit, 0);
  await printed(/Ended as aborted\.\n$/);
  assert.equal((await ended).exit, 1);
});

test('bytes, rate and ETA of a running copy are in status and watch', async () => {
  world.sourceRuns = true;
  const { ended, printed } = started('migrate', 'slow01', ...MIGRATE, '--watch');
  await printed(/vda \[#{6}\.{18}\] {3}25 %/);
  const page = await vmferry('status', 'migrate-dc-old-slow01');
  assert.match(page.out, /vda {8}\[######\.{18}\] {3}25 % {2}256 MiB of 1 GiB {2}64 MiB\/s {2}12 s left/);
  assert.equal((await vmferry('abort', 'migrate-dc-old-slow01')).exit, 0);
  assert.equal((await ended).exit, 1);
});

test('the printed lines of the temporal CLI approve by an update and accept by a signal', async () => {
  world.sourceRuns = true;
  const id = 'migrate-dc-old-shop01';
  const begun = await vmferry('migrate', 'shop01', ...MIGRATE);
  await until(id, 'awaiting-approval');
  const approve = /^ {2}temporal +(temporal .*)$/m.exec(begun.out)![1]!;
  const { address } = server;
  const accept = waysTo('acceptTarget', id, { address, namespace: 'default', by: "o'neil" }).temporalSignal;
  const PATH = `${dirname(await findTemporal())}:${process.env['PATH']}`;
  // Not synchronously: the workers run in this process.
  const shell = (line: string) => promisify(execFile)('sh', ['-c', line], { env: { ...process.env, PATH } });
  await shell(approve);
  await until(id, 'awaiting-acceptance');
  await shell(accept);
  const { trail } = await until(id, 'completed');
  assert.deepEqual(
    trail.map(({ name, by, accepted }) => [name, by, accepted]),
    [
      ['approveCutover', 'you', true],
      ['acceptTarget', "o'neil", true],
    ],
  );
});

test('a blocking finding is status 3, in words and as JSON, and nothing was claimed', async () => {
  world.sourceRuns = true;
  world.findings = [
    { id: 'disk.shared', severity: 'blocking', message: 'Disk vdb is shared.', remedy: 'Leave it out.' },
  ];
  try {
    const assess = (...more: string[]) => vmferry('assess', 'mail01', '--from', 'dc-old', '--to', 'dc-new', ...more);
    const words = await assess();
    assert.equal(words.exit, 3, words.err);
    assert.match(words.out, /^blocking disk\.shared\n {2}Disk vdb is shared\.\n {2}Leave it out\.$/m);
    const json = await assess('--json');
    assert.equal(json.exit, 3);
    assert.deepEqual(z.array(finding).parse(JSON.parse(json.out)), world.findings);
    assert.equal((await vmferry('migrate', 'mail01', ...MIGRATE, '--wait')).exit, 3);
  } finally {
    world.findings = [];
  }
});

test('a migration that no worker has taken up yet is found by its VM', async () => {
  const connected = await server.connect();
  try {
    const { client } = connected;
    const args = [{ vm: 'lone01', source: 'dc-old', target: 'dc-new' }];
    const handle = await client.workflow.start('migrateVm', {
      taskQueue: 'nobody',
      workflowId: 'migrate-dc-old-lone01',
      args,
    });
    const endsAt = Date.now() + WAIT_MS;
    for (;;) {
      const found = await findMigration(connected, 'lone01').catch(() => null);
      if (found?.workflowId === 'migrate-dc-old-lone01') break;
      assert.ok(Date.now() < endsAt, 'never found');
      await sleep(100);
    }
    await assert.rejects(findMigration(connected, 'one01'), { code: 'NotFound' });
    await handle.terminate();
  } finally {
    await connected.close();
  }
});

test('a namespace that is not there is said by name, with the way to make it', async () => {
  const { address } = server;
  const elsewhere = () => connectClient({ address, namespace: 'nope', connection: { address } });
  for (const argv of [['list'], ['status', 'web01'], ['migrate', 'web01', ...MIGRATE]]) {
    const { exit, err } = await run(argv, { connect: elsewhere });
    assert.equal(exit, 1, argv[0]);
    assert.match(
      err,
      /^there is no namespace "nope" in the Temporal server at \S+\n {2}Name yours with TEMPORAL_NAMESPACE/,
    );
  }
});

test('a migration that is not there is status 1, with the way to find out', async () => {
  for (const name of ['nobody', "o'brien \\", '0123456789ab']) {
    const { exit, err } = await vmferry('status', name);
    assert.equal(exit, 1);
    assert.match(err, /^there is no migration .* in namespace default\n {2}`vmferry list --all`/);
  }
});
