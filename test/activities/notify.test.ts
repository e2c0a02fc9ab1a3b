import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { ActivityDeps } from '../../activities/deps.js';
import type { Notice } from '../../activities/io.js';
import { notifyActivities } from '../../activities/notify.js';
import type { MigrateVmRequest } from '../../src/request/migrate-vm.js';

/** Notifications over a real web server and real commands. */

const ref = { migrationId: '0123456789ab', vm: 'web01', source: 'old', target: 'new', targetName: 'web01' };
const notice: Notice = {
  event: 'decision-awaited',
  text: 'web01 waits for approveCutover',
  status: { ...ref, phase: 'awaiting-approval', decisions: ['approveCutover'] },
};
const told = JSON.stringify({ version: 1, ...notice });

/** A program that keeps what it is given on standard input in the file that it is named. */
const keepIn = (path: string) => ['sh', '-c', 'cat > "$0"', path];

function notify(
  wanted: NonNullable<MigrateVmRequest['notify']>,
  hooks: Record<string, string[]> = {},
  environment = new MockActivityEnvironment(),
): Promise<void> {
  const deps = { config: { hooks } } as unknown as ActivityDeps;
  return environment.run(notifyActivities(deps).notify, { ref, notify: wanted, notice });
}

/** A web server of this test; `heard` is what it was asked, with the body. */
async function listen(
  context: TestContext,
  answer: RequestListener,
): Promise<{ origin: string; heard: { request: IncomingMessage; body: string }[] }> {
  const heard: { request: IncomingMessage; body: string }[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      heard.push({ request, body });
      answer(request, response);
    });
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, heard };
}

async function folder(context: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'vmferry-notify-'));
  context.after(() => rm(path, { recursive: true }));
  return path;
}

test('a webhook gets the notice as JSON by POST', async (context) => {
  const { origin, heard } = await listen(context, (_, response) => response.writeHead(204).end());
  await notify({ webhook: `${origin}/hooks/web01?to=ops` });
  assert.deepEqual(
    heard.map(({ request, body }) => [request.method, request.url, request.headers['content-type'], body]),
    [['POST', '/hooks/web01?to=ops', 'application/json', told]],
  );
});

test('a webhook that refuses, redirects or is not there fails, and its path, which may be a secret, is not told', async (context) => {
  const elsewhere = await listen(context, (_, response) => response.end());
  const { origin, heard } = await listen(context, (request, response) => {
    if (request.url?.startsWith('/moved')) response.writeHead(307, { location: elsewhere.origin }).end();
    else response.writeHead(500).end('no');
  });
  const closed = createServer();
  await new Promise<void>((ready) => closed.listen(0, '127.0.0.1', ready));
  const nowhere = `http://127.0.0.1:${(closed.address() as AddressInfo).port}`;
  await new Promise((ended) => closed.close(ended));
  for (const [webhook, code, message] of [
    [`${origin}/broken/s3cret`, 'ToolFailed', `cannot notify ${origin}: it answered 500`],
    [`${origin}/moved/s3cret`, 'Unreachable', `cannot notify ${origin}: unexpected redirect`],
    [`${nowhere}/s3cret`, 'Unreachable', `cannot notify ${nowhere}: connect ECONNREFUSED ${nowhere.slice(7)}`],
  ] as const)
    await assert.rejects(notify({ webhook }), { code, message });
  assert.equal(heard.length, 2);
  assert.deepEqual(elsewhere.heard, []);
});

test('a webhook that does not answer is let go of when the step is cancelled', { timeout: 10_000 }, async (context) => {
  const environment = new MockActivityEnvironment();
  const { origin, heard } = await listen(context, () => environment.cancel('CANCELLED'));
  await assert.rejects(notify({ webhook: origin }, {}, environment), { code: 'Unreachable' });
  assert.equal(heard.length, 1);
});

test('a hook is a command of the configuration that gets the notice on standard input', async (context) => {
  const path = join(await folder(context), 'notice.json');
  await notify({ hook: 'mail' }, { mail: keepIn(path), other: ['false'] });
  assert.equal(await readFile(path, 'utf8'), told);
});

test('a hook that fails, is not installed or is not configured says so', async () => {
  const hooks = { full: ['sh', '-c', 'echo the mailbox is full >&2; exit 3'], gone: ['/nowhere/mail'] };
  await assert.rejects(notify({ hook: 'full' }, hooks), { code: 'ToolFailed', message: /: the mailbox is full$/ });
  await assert.rejects(notify({ hook: 'gone' }, hooks), {
    code: 'ToolFailed',
    message: 'cannot run /nowhere/mail: the program is not installed',
  });
  await assert.rejects(notify({ hook: 'mail' }, hooks), {
    code: 'NotFound',
    message: 'there is no hook "mail"',
    remedy: 'Hooks in vmferry.yaml: full, gone.',
  });
});

test('of a webhook and a hook, one that fails does not keep the other from being called', async (context) => {
  const path = join(await folder(context), 'notice.json');
  const { origin, heard } = await listen(context, (_, response) =>
    response.writeHead(heard.length > 1 ? 200 : 503).end(),
  );
  await assert.rejects(notify({ webhook: origin, hook: 'mail' }, { mail: keepIn(path) }), { message: /answered 503/ });
  assert.equal(await readFile(path, 'utf8'), told);
  await assert.rejects(notify({ webhook: origin, hook: 'mail' }, { mail: ['false'] }), { message: /exit status 1/ });
  assert.equal(heard.length, 2);
});
