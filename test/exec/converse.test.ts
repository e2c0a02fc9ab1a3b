import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { VmferryError } from '../../src/errors.js';
import type { Conversation, Host } from '../../src/exec/host.js';
import { LocalHost } from '../../src/exec/local.js';
import { withSshd } from './sshd.js';

async function until(what: () => boolean): Promise<void> {
  for (let tries = 0; tries < 100 && !what(); tries++) await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(what());
}

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function talks(host: Host): Promise<void> {
  const script = 'while read -r line; do echo "<$line>"; echo "!$line" >&2; done; echo over; exit 3';
  const talk: Conversation = await host.converse('sh', ['-c', script]);
  const texts = Promise.all([textOf(talk.stdout), textOf(talk.stderr)]);
  await talk.write('one\n');
  await talk.write("it's $HOME\n");
  talk.end();
  assert.equal(await talk.ended, 3);
  assert.deepEqual(await texts, ["<one>\n<it's $HOME>\nover\n", "!one\n!it's $HOME\n"]);
  await talk.stop(0);
}

test('a program is talked with, and says how it ended', () => talks(new LocalHost()));

test('a program that has to be waited for gets all that is written, and one that ended loses it', async () => {
  const host = new LocalHost();
  const slow = await host.converse('sh', ['-c', 'sleep 0.3; wc -c']);
  const counted = textOf(slow.stdout);
  for (let each = 0; each < 64; each++) await slow.write(Buffer.alloc(64 * 1024));
  slow.end();
  assert.equal((await counted).trim(), String(4 * 1024 * 1024));
  const gone = await host.converse('true', []);
  await gone.ended;
  for (let each = 0; each < 64; each++) await gone.write(Buffer.alloc(64 * 1024));
});

test('a program that does not end with its input is killed after the grace', async () => {
  const talk = await new LocalHost().converse('sleep', ['600']);
  const startedMs = Date.now();
  await talk.stop(200);
  assert.equal(await talk.ended, null);
  assert.ok(Date.now() - startedMs < 5_000);
});

test('a program whose answer nobody reads any more ends all the same', { timeout: 20_000 }, async () => {
  const talk = await new LocalHost().converse('sh', ['-c', 'yes & wait']);
  for await (const chunk of talk.stdout) if (chunk.length > 0) break;
  await talk.stop(200);
  await talk.ended;
});

test('a program that is not installed is named', async () => {
  const talk = await new LocalHost().converse('vmferry-no-such-program', []);
  await assert.rejects(talk.ended, /vmferry-no-such-program: the program is not installed/);
});

test('over ssh too, and there the program sees the end of its input when the connection is lost', async () => {
  await withSshd(async (host, folder) => {
    await talks(host);
    const mark = join(folder, 'ended');
    const talk = await host.converse('sh', ['-c', 'echo here; cat >/dev/null; : >"$1"', 'sh', mark]);
    await talk.write('x');
    // A connection that is lost before the program runs shows nothing.
    const said = talk.stdout[Symbol.asyncIterator]();
    assert.equal(String((await said.next()).value), 'here\n');
    assert.ok(!existsSync(mark));
    await host.close();
    await assert.rejects(talk.ended, (error) => error instanceof VmferryError && error.code === 'Unreachable');
    await until(() => existsSync(mark));
  });
});
