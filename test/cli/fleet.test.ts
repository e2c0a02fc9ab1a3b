import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fleetAssessment, fleetStatus } from '../../src/model/fleet.js';
import { FakeFleet } from '../workflows/fake-fleet.js';
import { CliServer } from './cli-server.js';

/** An assessment of many VMs, followed by the verbs that know migrations, whoever started it. */

const fleet = new FakeFleet(['web01', 'bad01']);
let server: CliServer;
let work: string;
before(async () => {
  const { surveyFleet, reportFleet } = fleet;
  server = await CliServer.start(() => ({
    surveyFleet,
    reportFleet,
    assessBatch: (input) => fleet.assessBatch(input),
  }));
  work = await mkdtemp(join(tmpdir(), 'vmferry-fleet-cli-test-'));
});
after(async () => {
  await server.stop();
  await rm(work, { recursive: true, force: true });
});

/** As the Temporal UI starts one. */
async function startedElsewhere(workflowId: string): Promise<void> {
  const connected = await server.connect();
  try {
    const args = [{ source: 'dc-old', target: 'dc-new' }];
    await connected.client.workflow.start('assessFleet', { taskQueue: 'vmferry', workflowId, args });
  } finally {
    await connected.close();
  }
}

test('an assessment at its end is listed, and its status, report and end can be had from its id', async () => {
  const { vmferry, listed } = server;
  await startedElsewhere('fleet-night');
  const watched = await vmferry('watch', 'fleet-night');
  assert.equal(watched.exit, 3, watched.err);
  assert.match(watched.out, /^bad01 +unreadable/m);
  await listed(/^\(many\) +dc-old +dc-new +completed .* fleet-night$/m);

  const shown = await vmferry('status', 'fleet-night');
  assert.equal(shown.out, watched.out);
  const told = fleetStatus.parse(JSON.parse((await vmferry('status', 'fleet-night', '--json')).out));
  assert.deepEqual([told.phase, told.counts.ready, told.blocked], ['completed', 1, ['bad01']]);
  assert.equal((await vmferry('status', told.assessmentId)).out, watched.out);

  const out = join(work, 'night');
  const reported = await vmferry('report', 'fleet-night', '--out', out);
  assert.equal(reported.exit, 0, reported.err);
  const kept = fleetAssessment.parse(JSON.parse(await readFile(join(out, 'report.json'), 'utf8')));
  assert.deepEqual(
    kept.vms.map(({ name }) => name),
    ['web01', 'bad01'],
  );
  assert.match(await readFile(join(out, 'report.html'), 'utf8'), /bad01/);

  const decided = await vmferry('approve', 'fleet-night');
  assert.equal(decided.exit, 1);
  assert.match(decided.err, /there is no migration "fleet-night"/);
});

test('one that goes on tells how far it is, and has no report yet; a cancelled one says so', async () => {
  const { vmferry, listed, started } = server;
  fleet.holds = true;
  await startedElsewhere('fleet-slow');
  await listed(/^\(many\) .* assessing .* fleet-slow$/m);
  const { ended, printed } = started('watch', 'fleet-slow', '--json');
  await printed(/"phase":"assessing"/);
  const { out } = await vmferry('status', 'fleet-slow');
  assert.match(out, /^dc-old -> dc-new {3}assessing\n {2}workflow {3}fleet-slow\n {2}assessed {3}0 of 2: 0 ready, /);
  const early = await vmferry('report', 'fleet-slow', '--out', join(work, 'slow'));
  assert.equal(early.exit, 1);
  assert.match(early.err, /cannot report on fleet-slow: it is not at its end/);
  const connected = await server.connect();
  try {
    await connected.client.workflow.getHandle('fleet-slow').cancel();
  } finally {
    await connected.close();
  }
  const watched = await ended;
  assert.equal(watched.exit, 1);
  assert.match(watched.err, /cancelled|ended from outside/);
  assert.match((await vmferry('status', 'fleet-slow')).out, /^dc-old -> dc-new {3}cancelled$/m);
});
