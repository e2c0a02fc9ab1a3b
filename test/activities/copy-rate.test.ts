import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pastRate } from '../../activities/copy-rate.js';
import { buildReport, writeReport } from '../../src/report/index.js';
import { sampleStatus } from '../report/sample.js';

const MIB = 2 ** 20;

test('the rate of former migrations is that of their first passes, from reports that this worker wrote', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-rate-'));
  context.after(() => rm(folder, { recursive: true }));
  const status = sampleStatus();
  const [seed] = status.passes;
  assert.ok(seed?.kind === 'seed');
  const write = (name: string, bytesRead: number, durationMs: number, more: object = {}) =>
    writeReport(
      join(folder, name),
      buildReport({ ...status, ...more, passes: [{ ...seed, bytesRead, durationMs, resumedFromBytes: 0 }] }),
    );
  const { source, target } = status;
  assert.equal(await pastRate(folder, source, target), null);
  await write('aaaaaaaaaaaa', 100 * MIB, 1_000);
  await write('bbbbbbbbbbbb', 300 * MIB, 3_000);
  await write('too-small', MIB, 1);
  await write('elsewhere', 900 * MIB, 1, { source: 'other' });
  await mkdir(join(folder, 'torn'));
  await writeFile(join(folder, 'torn', 'report.json'), '{"source": ');
  assert.deepEqual(await pastRate(folder, source, target), { bytesPerSecond: 100 * MIB, migrations: 2 });
  assert.equal(await pastRate(join(folder, 'nowhere'), source, target), null);
});
