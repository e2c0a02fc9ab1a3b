import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { startTemporal } from '#temporal';

test('servers that are started at the same moment on the same ports are two', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-temporal-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const port = randomInt(29_000, 31_000);
  const start = (name: string) => startTemporal({ dbFile: join(folder, name), port, uiPort: port + 2_000 });
  const started = await Promise.allSettled([start('a.db'), start('b.db')]);
  const servers = started.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  await Promise.all(servers.map((server) => server.stop()));
  assert.equal(servers.length, 2, JSON.stringify(started));
  assert.notEqual(servers[0]!.address, servers[1]!.address);
});
