import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { z } from 'zod';
import { finding } from '../../src/model/finding.js';
import { migrationStatus } from '../../src/model/status.js';
import { CliServer, MIGRATE } from './cli-server.js';

/** How ends and dry runs are told: one document for programs, reasons and remedies for people. */
let server: CliServer;
before(async () => {
  server = await CliServer.start();
});
after(() => server.stop());
beforeEach(() => {
  server.world.sourceRuns = true;
  server.world.targetRuns = false;
});

/** What ends by itself. */
const AUTOMATIC = ['--approval', 'automatic', '--acceptance', 'automatic', '--set', 'acceptance.after=1s'];
const UNMAPPED = {
  id: 'network.unmapped',
  severity: 'blocking' as const,
  message: 'The network "prod" is mapped to no network at the target.',
  remedy: 'Map it under networks in the request. Networks there: lan, dmz.',
};

test('migrate --json prints one document: what was started, or when it waits the status at the end', async () => {
  const { vmferry } = server;
  const begun = await vmferry('migrate', 'json01', ...MIGRATE, '--json');
  assert.equal(begun.exit, 0, begun.err);
  const { workflowId, migrationId } = z
    .object({ workflowId: z.string(), migrationId: z.string() })
    .parse(JSON.parse(begun.out));
  assert.equal(workflowId, 'migrate-dc-old-json01');
  assert.equal((await server.statusOf(workflowId)).migrationId, migrationId);
  assert.equal((await vmferry('abort', workflowId)).exit, 0);

  const waited = await vmferry('migrate', 'json02', ...MIGRATE, ...AUTOMATIC, '--json', '--wait');
  assert.equal(waited.exit, 0, waited.err);
  assert.equal(migrationStatus.parse(JSON.parse(waited.out)).outcome, 'completed');
  assert.match(waited.err, /^Started migrate-dc-old-json02 \(migration [0-9a-f]{12}\)\./);

  const dry = await vmferry('migrate', 'json03', ...MIGRATE, '--json', '--dry-run');
  assert.equal(dry.exit, 0, dry.err);
  assert.equal(migrationStatus.parse(JSON.parse(dry.out)).outcome, 'dry-run');
});

test('what a migration failed for and what to do about it is on standard error, beside JSON too', async () => {
  const { vmferry, world } = server;
  const reason = /^assess fails with NotFound\n {2}mend NotFound\n$/m;
  for (const argv of [
    ['assess', 'lost01', '--from', 'dc-old', '--to', 'dc-new'],
    ['assess', 'lost01', '--from', 'dc-old', '--to', 'dc-new', '--json'],
    ['migrate', 'lost01', ...MIGRATE, '--wait'],
    ['migrate', 'lost01', ...MIGRATE, '--wait', '--json'],
    ['migrate', 'lost01', ...MIGRATE, '--dry-run'],
    ['watch', 'migrate-dc-old-lost01'],
    ['watch', 'migrate-dc-old-lost01', '--json'],
  ]) {
    if (argv[0] !== 'watch') world.fail('assess', 'NotFound');
    const { exit, out, err } = await vmferry(...argv);
    assert.equal(exit, 1, argv.join(' '));
    assert.match(err, reason, argv.join(' '));
    if (argv[0] === 'assess' && argv.includes('--json')) assert.deepEqual(JSON.parse(out), []);
  }
});

test('a request that the sites show to be wrong, as by a network that is not there, is wrong use', async () => {
  const { vmferry, world } = server;
  for (const argv of [
    ['assess', 'odd01', '--from', 'dc-old', '--to', 'dc-new', '--network', 'prod=none'],
    ['migrate', 'odd01', ...MIGRATE, '--wait'],
    ['migrate', 'odd01', ...MIGRATE, '--dry-run', '--json'],
  ]) {
    world.fail('assess', 'InvalidRequest');
    const { exit, err } = await vmferry(...argv);
    assert.equal(exit, 2, argv.join(' '));
    assert.match(err, /^assess fails with InvalidRequest\n {2}mend InvalidRequest\n$/m);
  }
  // Of who only follows it nothing is wrong.
  assert.equal((await vmferry('watch', 'migrate-dc-old-odd01')).exit, 1);
});

test('a migration that blocking findings stopped says on standard error what each asks for', async () => {
  server.world.findings = [UNMAPPED];
  try {
    for (const json of [[], ['--json']]) {
      const { exit, err } = await server.vmferry('migrate', 'net01', ...MIGRATE, '--wait', ...json);
      assert.equal(exit, 3);
      assert.match(err, /^ {2}network\.unmapped: Map it under .* Networks there: lan, dmz\.$/m);
    }
  } finally {
    server.world.findings = [];
  }
});

test('findings of one VM are told in lines that fit a terminal, each with what to do, waived ones with the reason', async () => {
  const waived = { ...UNMAPPED, id: 'vm.uuid-in-use', waivedBy: 'the old copy there is removed tonight' };
  server.world.findings = [UNMAPPED, waived];
  try {
    const { exit, out } = await server.vmferry('assess', 'lines02', '--from', 'dc-old', '--to', 'dc-new');
    assert.equal(exit, 3);
    assert.match(out, /^blocking network\.unmapped\n {2}The network "prod" .*\n {2}Map it under networks/m);
    assert.match(out, /^waived vm\.uuid-in-use\n(?: {2}.*\n)+ {2}Waived: the old copy there is removed tonight\n/m);
    for (const line of out.split('\n')) assert.ok(line.length <= 80, line);
  } finally {
    server.world.findings = [];
  }
});

test('a request that the workflow refused is told with its reason', async () => {
  const connected = await server.connect();
  const start = { taskQueue: 'vmferry', workflowId: 'by-hand', args: [{ vm: 'web01', source: 'DC OLD' }] };
  try {
    await connected.client.workflow.start('migrateVm', start);
  } finally {
    await connected.close();
  }
  const { exit, err } = await server.vmferry('watch', 'by-hand');
  assert.equal(exit, 1);
  assert.match(err, /source: given "DC OLD"/);
});

test('watch --json prints the status as one line of JSON, again whenever it changed, to the end', async () => {
  const { vmferry, started, until } = server;
  assert.equal((await vmferry('migrate', 'lines01', ...MIGRATE)).exit, 0);
  const id = 'migrate-dc-old-lines01';
  const { ended, printed } = started('watch', id, '--json');
  await printed(/"phase":"awaiting-approval"/);
  assert.equal((await vmferry('approve', id)).exit, 0);
  await until(id, 'awaiting-acceptance');
  assert.equal((await vmferry('accept', id)).exit, 0);
  const out = await printed(/"phase":"completed".*\n$/);
  assert.equal((await ended).exit, 0);
  const lines = out.trimEnd().split('\n');
  const told = lines.map((line) => migrationStatus.parse(JSON.parse(line)));
  assert.equal(told.at(-1)!.outcome, 'completed');
  assert.ok(told.length > 1);
  for (const [index, line] of lines.entries()) assert.notEqual(line, lines[index - 1]);
});

test('a VM that was assessed again is still known by its migration, and a dry run where it is all there is', async () => {
  const { vmferry, listed, statusOf, world } = server;
  const assess = ['assess', 'web01', '--from', 'dc-old', '--to', 'dc-new'];
  assert.equal((await vmferry(...assess)).exit, 0);
  await listed(/^web01 .* dry-run .* assess-dc-old-web01$/m);
  assert.equal((await statusOf('web01')).outcome, 'dry-run');

  const moved = await vmferry('migrate', 'web01', ...MIGRATE, ...AUTOMATIC, '--json', '--wait');
  const { migrationId } = migrationStatus.parse(JSON.parse(moved.out));
  world.sourceRuns = true;
  world.targetRuns = false;
  assert.equal((await vmferry('migrate', 'web01', ...MIGRATE, '--dry-run')).exit, 0);
  // As other clients may name one.
  const workflowId = 'migrate-dc-old-web01-by-hand';
  const connected = await server.connect();
  try {
    const args = [{ vm: 'web01', source: 'dc-old', target: 'dc-new', dryRun: true }];
    await connected.client.workflow.execute('migrateVm', { taskQueue: 'vmferry', workflowId, args });
  } finally {
    await connected.close();
  }
  await listed(/ dry-run .* migrate-dc-old-web01-by-hand$/m);
  world.held.add('assess');
  const running = vmferry(...assess);
  try {
    await listed(/ assessing .* assess-dc-old-web01$/m);
    assert.equal((await statusOf('web01')).migrationId, migrationId);
    const report = await vmferry('report', 'web01', '--json');
    assert.equal((JSON.parse(report.out) as { outcome: string }).outcome, 'completed');
  } finally {
    world.held.clear();
  }
  assert.equal((await running).exit, 0);
});

test('assess changes nothing, whatever else it is given', async () => {
  const argv = ['assess', 'safe01', '--from', 'dc-old', '--to', 'dc-new', '--set', 'dryRun=false', '--json'];
  const { exit, out, err } = await server.vmferry(...argv, ...AUTOMATIC);
  assert.equal(exit, 0, err);
  assert.deepEqual(z.array(finding).parse(JSON.parse(out)), []);
  assert.equal((await server.statusOf('assess-dc-old-safe01')).outcome, 'dry-run');
});
