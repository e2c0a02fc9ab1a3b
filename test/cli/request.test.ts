import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { buildRequest } from '../../src/cli/request.js';

test('flags give the fields that they name, and defaults stay out of the request', async () => {
  const request = await buildRequest('web01', {
    from: 'dc-old',
    to: 'dc-new',
    network: ['prod=lan', 'a=b=c'],
    excludeDisk: ['vdb'],
    cpus: '4',
    bandwidth: '200MiB/s',
    rehearsal: false,
    waive: ['disk.shared=known'],
    dryRun: true,
  });
  assert.deepEqual(request, {
    vm: 'web01',
    source: 'dc-old',
    target: 'dc-new',
    sync: { bandwidth: '200MiB/s' },
    cpus: 4,
    excludeDisks: ['vdb'],
    rehearsal: { enabled: false },
    dryRun: true,
    networks: { prod: 'lan', a: 'b=c' },
    waive: { 'disk.shared': 'known' },
  });
});

test('flags win over the file, and --set over both', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-request-'));
  context.after(() => rm(folder, { recursive: true }));
  const request = join(folder, 'request.json');
  const cutover = { shutdown: 'graceful', maxDowntime: '5m' };
  await writeFile(request, JSON.stringify({ vm: 'db01', source: 'dc-old', target: 'dc-new', cutover }));
  const built = await buildRequest(undefined, {
    request,
    to: 'dc-far',
    maxDowntime: '2m',
    set: ['cutover.shutdown=ask', 'sync.maxPasses=3', 'undoOnFailedProbes=false', 'targetName="db-01"'],
  });
  assert.deepEqual(built, {
    vm: 'db01',
    source: 'dc-old',
    target: 'dc-far',
    targetName: 'db-01',
    cutover: { shutdown: 'ask', maxDowntime: '2m' },
    sync: { maxPasses: 3 },
    undoOnFailedProbes: false,
  });
});

test('a path that reaches into prototypes changes nothing but the request, which is refused', async () => {
  const flags = { from: 'a', to: 'b', set: ['__proto__.polluted=1', 'constructor.prototype.polluted=1'] };
  await assert.rejects(buildRequest('web01', flags), /unknown field/);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
});

test('a request file that holds no object is refused', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-request-'));
  context.after(() => rm(folder, { recursive: true }));
  const request = join(folder, 'request.json');
  await writeFile(request, '[1]');
  await assert.rejects(buildRequest('web01', { request }), /expected one JSON object/);
});
