import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import test from 'node:test';
import { waysTo, waysToDecide, workflowUrl } from '../../src/cli/ways.js';

const RUN = { address: '127.0.0.1:7233', namespace: 'default', uiUrl: 'http://localhost:8233/', runId: 'r1' };

/** What a shell makes of a line: its words. */
function words(line: string): string[] {
  const script = 'for word in "$@"; do printf "%s\\0" "$word"; done';
  return execFileSync('sh', ['-c', `set -- ${line}\n${script}`], { encoding: 'utf8' })
    .split('\0')
    .slice(0, -1);
}

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
