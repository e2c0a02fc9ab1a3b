import assert from 'node:assert/strict';
import test from 'node:test';
import { waysTo, waysToDecide, workflowUrl } from '../../src/cli/ways.js';
import { decisionNames, decisionSchemas } from '../../src/request/decisions.js';
import { readTctl, words } from './tctl.js';

const RUN = { address: '127.0.0.1:7233', namespace: 'default', uiUrl: 'http://localhost:8233/', runId: 'r1' };

test('each way to approve is a line that a shell reads as meant, whatever the names hold', () => {
  const id = 'migrate-dc-old-it\'s $(touch x) "web"';
  const ways = waysTo('approveCutover', id, { ...RUN, by: "o'neil" });
  const rest = ['--workflow-id', id, '--name', 'approveCutover', '--input', '{"by":"o\'neil"}'];
  const server = ['--address', '127.0.0.1:7233', '--namespace', 'default'];
  assert.deepEqual(words(ways.vmferry), ['vmferry', 'approve', id]);
  assert.deepEqual(words(ways.temporalUpdate), ['temporal', 'workflow', 'update', 'execute', ...server, ...rest]);
  assert.deepEqual(words(ways.temporalSignal), ['temporal', 'workflow', 'signal', ...server, ...rest]);
  rest[0] = '--workflow_id';
  assert.deepEqual(words(ways.tctl), ['tctl', ...server, 'workflow', 'signal', ...rest]);
});

test('the page in the UI is named with every part encoded', () => {
  assert.equal(
    workflowUrl('http://localhost:8233/', 'default', 'migrate-a/b', null),
    'http://localhost:8233/namespaces/default/workflows/migrate-a%2Fb',
  );
  assert.match(
    waysToDecide('migrate-a-b', RUN),
    /browser {5}http:\/\/localhost:8233\/namespaces\/default\/workflows\/migrate-a-b\/r1/,
  );
  assert.doesNotMatch(waysToDecide('migrate-a-b', { ...RUN, uiUrl: null }), /browser/);
});

test('the line for tctl is one that tctl takes for every decision, with a payload that fits it', () => {
  for (const name of decisionNames) {
    const { server, verb, flags, input } = readTctl(waysTo(name, 'migrate-dc-old-web01', RUN).tctl);
    assert.deepEqual(server, { address: RUN.address, namespace: RUN.namespace });
    assert.equal(verb, 'signal');
    assert.deepEqual([flags['workflow_id'], flags['name']], ['migrate-dc-old-web01', name]);
    decisionSchemas[name].parse(input);
  }
});
