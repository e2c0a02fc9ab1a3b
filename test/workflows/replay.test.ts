import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import proto from '@temporalio/proto';
import { DeterminismViolationError } from '@temporalio/workflow';
import { Worker } from '@temporalio/worker';
import './quiet.js';

const folder = fileURLToPath(new URL('../../../test/histories/', import.meta.url));
const code = await readFile(new URL('../../workflow-bundle.js', import.meta.url), 'utf8');
const names = (await readdir(folder)).filter((name) => name.endsWith('.history.gz'));

test('there are histories to replay', () => {
  assert.ok(names.length >= 8, `only ${names.length}`);
});

for (const name of names) {
  test(`the recorded history ${name} replays`, async () => {
    await Worker.runReplayHistory({ workflowBundle: { code } }, await historyOf(name));
  });
}

test('a history that this workflow would not write is noticed', async () => {
  const history = await historyOf('completed.history.gz');
  const event = history.events.find((each) => each.upsertWorkflowSearchAttributesEventAttributes)!;
  event.eventType = proto.temporal.api.enums.v1.EventType.EVENT_TYPE_TIMER_STARTED;
  event.upsertWorkflowSearchAttributesEventAttributes = null;
  event.timerStartedEventAttributes = { timerId: '1' };
  await assert.rejects(Worker.runReplayHistory({ workflowBundle: { code } }, history), DeterminismViolationError);
});

async function historyOf(name: string) {
  return proto.temporal.api.history.v1.History.decode(gunzipSync(await readFile(`${folder}${name}`)));
}
