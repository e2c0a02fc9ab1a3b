import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { streamLocal } from '../../src/exec/stream.js';

async function* pieces(count: number, bytes = Buffer.alloc(1024 * 1024, 'x')) {
  for (let at = 0; at < count; at++) yield await Promise.resolve(bytes);
}
const ignore = () => Promise.resolve();

test('what goes into a program comes out, and what it says is told', async () => {
  let bytes = 0;
  const filter = ['-c', 'cat; echo said >&2'];
  const result = await streamLocal('sh', filter, pieces(5), async (chunk) => {
    await sleep(1);
    bytes += chunk.length;
  });
  assert.equal(bytes, 5 * 1024 * 1024);
  assert.deepEqual(result, { exitCode: 0, stderr: 'said' });
});

test('a program waits while what came out is worked on', async () => {
  let taken = 0;
  const input = async function* () {
    for await (const piece of pieces(64)) {
      taken++;
      yield piece;
    }
  };
  let first = true;
  await streamLocal('cat', [], input(), async () => {
    if (!first) return;
    first = false;
    await sleep(300);
    assert.ok(taken < 8, `${taken} MiB went in while nothing was taken out`);
  });
  assert.equal(taken, 64);
});

test('a program that fails is an error with its last words, unless its status is expected', async () => {
  const fails = ['-c', 'echo no good >&2; exit 3'];
  const failed = { code: 'ToolFailed', message: /no good/ };
  await assert.rejects(streamLocal('sh', fails, pieces(3), ignore), failed);
  assert.deepEqual(await streamLocal('sh', fails, pieces(3), ignore, { okExitCodes: [0, 3] }), {
    exitCode: 3,
    stderr: 'no good',
  });
  const killed = streamLocal('sh', ['-c', 'kill -9 $$'], pieces(3), ignore, { okExitCodes: [0, 1] });
  await assert.rejects(killed, { code: 'ToolFailed', message: /SIGKILL/ });
});

test('a program that is not there is named', () =>
  assert.rejects(streamLocal('vmferry-no-such-program', [], pieces(1), ignore), {
    code: 'ToolFailed',
    message: /vmferry-no-such-program: the program is not installed/,
  }));

test('a program that talks without end is stopped', () =>
  assert.rejects(streamLocal('sh', ['-c', 'yes >&2'], pieces(1), ignore), {
    code: 'ToolFailed',
    message: /printed more than is allowed/,
  }));

test('an error of who gives or takes the bytes stops the program, and is the one that is thrown', async () => {
  const take = () => Promise.reject(new Error('not this'));
  await assert.rejects(streamLocal('cat', [], pieces(10), take), /^Error: not this$/);
  const begun = Date.now();
  await assert.rejects(streamLocal('sh', ['-c', 'echo x; exec sleep 30'], pieces(1), take), /^Error: not this$/);
  const atOnce = (): Promise<void> => {
    throw new Error('not that');
  };
  await assert.rejects(streamLocal('sh', ['-c', 'echo x; exec sleep 30'], pieces(1), atOnce), /^Error: not that$/);
  assert.ok(Date.now() - begun < 10_000, 'it was waited for');
  const give = async function* () {
    yield* pieces(2);
    throw new Error('no more');
  };
  await assert.rejects(streamLocal('cat', [], give(), ignore), /^Error: no more$/);
});

test('a program is stopped when it is cancelled, before or while it runs', async () => {
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 200);
  const running = streamLocal('sh', ['-c', 'exec sleep 30'], pieces(1), ignore, { signal: stop.signal });
  await assert.rejects(running, { code: 'Cancelled' });
  await assert.rejects(streamLocal('cat', [], pieces(1), ignore, { signal: stop.signal }), { code: 'Cancelled' });
});
