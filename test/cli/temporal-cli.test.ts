import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import type { MigrationResult } from '../../workflows/migrate-vm.js';
import { phase, type MigrationStatus } from '../../src/model/status.js';
import { findTemporal } from '../temporal.js';
import { CliServer, MIGRATE, WAIT_MS } from './cli-server.js';
import { readTctl } from './tctl.js';

/** A migration in the hands of Temporal's own command lines alone, with the lines that the docs show. */

const DOCS = fileURLToPath(new URL('../../../docs', import.meta.url));
const ID = 'migrate-dc-old-web01';

let server: CliServer;
let path: string;
before(async () => {
  server = await CliServer.start();
  path = `${dirname(await findTemporal())}:${process.env['PATH']}`;
});
after(() => server.stop());
beforeEach(() => {
  server.world.sourceRuns = true;
  server.world.targetRuns = server.world.targetDefined = false;
});

// Of a test that failed, so that the others can begin.
afterEach(() => shell(`temporal workflow terminate --workflow-id ${ID}`).catch(() => undefined));

/** The lines of a page for a program, as a reader copies them. */
async function shown(page: string, program: string): Promise<string[]> {
  const text = await readFile(join(DOCS, page), 'utf8');
  const blocks = [...text.matchAll(/^```sh\n([^]*?)^```/gm)].map((match) => match[1]!).join('');
  const lines = blocks.replaceAll(/\\\n\s*/g, '').split('\n');
  return lines.filter((line) => line.startsWith(`${program} workflow `));
}

/** The one line of a page that begins like this. */
async function line(page: string, begin: string): Promise<string> {
  const found = (await shown(page, begin.split(' ')[0]!)).filter((each) => each.startsWith(`${begin} `));
  assert.equal(found.length, 1, `${page} shows ${found.length} lines that begin with ${begin}`);
  return found[0]!;
}

/** In a shell that knows this test's server; not synchronously, as the workers run in this process. */
async function shell(command: string): Promise<string> {
  const env = { PATH: path, TEMPORAL_ADDRESS: server.address, HOME: tmpdir() };
  return (await promisify(execFile)('sh', ['-c', command], { env })).stdout;
}

/** As the program prints it, which takes an empty list for nothing. */
async function query(): Promise<Pick<MigrationStatus, 'vm' | 'phase' | 'decisions'>> {
  const said = await shell(`temporal workflow query --workflow-id ${ID} --type getStatus --output json`);
  const { queryResult } = JSON.parse(said) as { queryResult: unknown[] };
  assert.equal(queryResult.length, 1, said);
  return z.object({ vm: z.string(), phase, decisions: z.array(z.string()) }).parse(queryResult[0]);
}

async function queryUntil(wanted: string): Promise<Awaited<ReturnType<typeof query>>> {
  const endsAt = Date.now() + WAIT_MS;
  for (;;) {
    // Right after its start nobody may have taken it up yet.
    const status = await query().catch((error: unknown) => String(error));
    if (typeof status !== 'string' && status.phase === wanted) return status;
    assert.ok(Date.now() < endsAt, `never ${wanted}, but ${typeof status === 'string' ? status : status.phase}`);
    await sleep(200);
  }
}

async function result(): Promise<MigrationResult> {
  const said = await shell(`temporal workflow result --workflow-id ${ID} --output json`);
  const { closeEvent } = JSON.parse(said) as {
    closeEvent: { workflowExecutionCompletedEventAttributes: { result: MigrationResult[] } };
  };
  return closeEvent.workflowExecutionCompletedEventAttributes.result[0]!;
}

const trailOf = ({ trail }: MigrationStatus) => trail.map(({ name, by, accepted }) => [name, by, accepted]);

test('temporal alone starts a migration, asks how it is, is refused what does not fit, approves by an update and accepts by a signal', async () => {
  await shell(await line('requests.md', 'temporal workflow start'));
  const waiting = await queryUntil('awaiting-approval');
  assert.equal(waiting.vm, 'web01');
  assert.ok(waiting.decisions.includes('approveCutover'));
  await assert.rejects(
    shell(`temporal workflow update execute --workflow-id ${ID} --name acceptTarget --input '{"by":"mira"}'`),
    /the migration is awaiting-approval/,
  );
  const approved = await shell(await line('decisions.md', 'temporal workflow update execute'));
  assert.match(approved, /cutover approved/);
  await queryUntil('awaiting-acceptance');
  // The signal of the same name comes too late, which the trail says.
  await shell(await line('decisions.md', 'temporal workflow signal'));
  await shell(`temporal workflow signal --workflow-id ${ID} --name acceptTarget`);
  const { outcome, status } = await result();
  assert.equal(outcome, 'completed');
  assert.deepEqual(trailOf(status), [
    ['approveCutover', 'mira', true],
    ['approveCutover', 'mira', false],
    ['acceptTarget', null, true],
  ]);
  assert.match(status.trail[1]!.reason ?? '', /ignored: the migration is awaiting-acceptance/);
  assert.deepEqual(server.world.violations, []);
});

test('temporal alone approves by a signal and accepts by an update', async () => {
  await shell(await line('requests.md', 'temporal workflow start'));
  await queryUntil('awaiting-approval');
  await shell(await line('decisions.md', 'temporal workflow signal'));
  await queryUntil('awaiting-acceptance');
  await shell(`temporal workflow update execute --workflow-id ${ID} --name acceptTarget`);
  const { outcome, status } = await result();
  assert.equal(outcome, 'completed');
  assert.deepEqual(trailOf(status), [
    ['approveCutover', 'mira', true],
    ['acceptTarget', null, true],
  ]);
});

/** Asks the server for what tctl would ask it for: it sends its input as JSON, with this encoding. */
async function asTctl(command: string): Promise<void> {
  const { server: place, verb, flags, input } = readTctl(command);
  if (place.address !== undefined) assert.equal(place.address, server.address);
  const connected = await server.connect();
  const { workflowService } = connected.client;
  try {
    const namespace = place.namespace ?? 'default';
    const encoding = Buffer.from('json/plain');
    const payloads = [{ metadata: { encoding }, data: Buffer.from(JSON.stringify(input)) }];
    const request = { namespace, requestId: randomUUID(), identity: 'tctl', input: { payloads } };
    if (verb === 'start') {
      await workflowService.startWorkflowExecution({
        ...request,
        workflowId: flags['workflow_id']!,
        workflowType: { name: flags['workflow_type']! },
        taskQueue: { name: flags['taskqueue']! },
      });
    } else {
      const workflowExecution = { workflowId: flags['workflow_id']! };
      await workflowService.signalWorkflowExecution({
        ...request,
        workflowExecution,
        signalName: flags['name']!,
      });
    }
  } finally {
    await connected.close();
  }
}

test('the lines for tctl start and approve a migration, as far as can be told without tctl', async () => {
  await asTctl(await line('requests.md', 'tctl workflow start'));
  await queryUntil('awaiting-approval');
  await asTctl(await line('decisions.md', 'tctl workflow signal'));
  await queryUntil('awaiting-acceptance');
  await shell(`temporal workflow signal --workflow-id ${ID} --name acceptTarget`);
  assert.equal((await result()).outcome, 'completed');
});

test('the line for tctl that is printed with a migration approves it', async () => {
  const begun = await server.vmferry('migrate', 'db01', ...MIGRATE);
  const id = 'migrate-dc-old-db01';
  await server.until(id, 'awaiting-approval');
  await asTctl(/^ {2}tctl +(tctl .*)$/m.exec(begun.out)![1]!);
  const { trail } = await server.until(id, 'awaiting-acceptance');
  assert.deepEqual(
    trail.map(({ name, by, accepted }) => [name, by, accepted]),
    [['approveCutover', 'you', true]],
  );
  assert.equal((await server.vmferry('accept', id)).exit, 0);
  await server.until(id, 'completed');
});
