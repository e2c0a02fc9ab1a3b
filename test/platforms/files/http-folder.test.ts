import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { describePlace } from '../../../src/platforms/files/describe-place.js';
import { openHttpFolder } from '../../../src/platforms/files/http-folder.js';
import { CPU, envelope, MEMORY } from './ovf-samples.js';

async function answering(t: TestContext, answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

test('a server that leads to a page for logging in is told as such', async (t) => {
  const url = await answering(t, (request, response) => {
    // Many pages of that kind are sent in ranges, too.
    if (request.url !== '/login') response.writeHead(302, { Location: '/login' }).end();
    else if (request.headers.range === undefined)
      response.writeHead(200, { 'Content-Type': 'text/html' }).end('<form>');
    else response.writeHead(206, { 'Content-Type': 'text/html', 'Content-Range': 'bytes 0-0/6' }).end('<');
  });
  const said = { code: 'Denied', message: /leads to http:.*\/login/, remedy: /login/ };
  await assert.rejects(openHttpFolder(url).open('web01.ova'), said);
  await assert.rejects(openHttpFolder(`${url}exports`).list(), said);
});

test('a page for logging in that comes in place of the file is told as such', async (t) => {
  const url = await answering(t, (_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end('<form>');
  });
  const said = { code: 'Denied', message: /sends a web page in its place/, remedy: /login/ };
  await assert.rejects(openHttpFolder(url).open('web01.ova'), said);
});

test('a server that does not send parts of a file is refused before anything is read', async (t) => {
  const url = await answering(t, (_request, response) => {
    response.writeHead(200, { 'Content-Type': 'application/octet-stream' }).end(Buffer.alloc(64));
  });
  await assert.rejects(openHttpFolder(url).open('web01.ova'), { code: 'NotSupported', message: /does not send parts/ });
});

test('a read goes on when the server was busy or a connection broke, and says so when the login ran out', async (t) => {
  let asked = 0;
  const url = await answering(t, (request, response) => {
    if (request.url === '/login') return response.writeHead(200, { 'Content-Type': 'text/html' }).end('<form>');
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    asked += 1;
    if (asked === 2) return response.writeHead(503).end();
    if (asked === 3) return response.destroy();
    if (asked > 4) return response.writeHead(302, { Location: '/login' }).end();
    const body = Buffer.alloc(Number(to) + 1 - Number(from), 7);
    return response.writeHead(206, { 'Content-Range': `bytes ${from}-${to}/64` }).end(body);
  });
  const member = await openHttpFolder(url).open('web01.raw');
  assert.deepEqual(await member!.read(8, 4), Buffer.alloc(4, 7));
  assert.equal(asked, 4);
  await assert.rejects(member!.read(8, 4), { code: 'Denied', message: /leads to/ });
});

/** A file in ranges; `spoil` changes what an answer says after the first one. */
function inRanges(content: Buffer, spoil: (range: { from: number; to: number }) => Record<string, string | number>) {
  const listener: RequestListener = (request, response) => {
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const range = { from: Number(from), to: Number(to) };
    const { status = 206, ...more } = range.to === 0 ? {} : spoil(range);
    const headers = { 'Content-Range': `bytes ${from}-${to}/${content.length}`, ...more };
    response.writeHead(Number(status), headers).end(content.subarray(range.from, range.to + 1));
  };
  return listener;
}

const CONTENT = Buffer.from(Array.from({ length: 4096 }, (_, at) => at % 251));

for (const [what, spoil, code] of [
  [
    'sends another part',
    ({ from, to }) => ({ 'Content-Range': `bytes ${from + 512}-${to + 512}/4096` }),
    'HostileInput',
  ],
  ['says of no part where it lies', () => ({ 'Content-Range': 'bytes */4096' }), 'HostileInput'],
  ['sends what it calls no bytes', () => ({ 'Content-Range': 'lines 8-11/4096' }), 'HostileInput'],
  ['sends a part of a longer file', ({ from, to }) => ({ 'Content-Range': `bytes ${from}-${to}/8192` }), 'Drift'],
  ['sends a part of another version', () => ({ ETag: '"2"' }), 'Drift'],
  ['has no such part any more', () => ({ status: 416, 'Content-Range': 'bytes */4' }), 'Drift'],
] as [string, Parameters<typeof inRanges>[1], string][]) {
  test(`a server that ${what} is not believed`, async (t) => {
    const url = await answering(t, (request, response) => {
      if (what.includes('version')) response.setHeader('ETag', '"1"');
      inRanges(CONTENT, spoil)(request, response);
    });
    const file = await openHttpFolder(url).open('web01.raw');
    await assert.rejects(file!.read(8, 4), { code });
  });
}

test('a part of a file of which the server does not know the whole is as good as any', async (t) => {
  const url = await answering(
    t,
    inRanges(CONTENT, ({ from, to }) => ({ 'Content-Range': `bytes ${from}-${to}/*` })),
  );
  const file = await openHttpFolder(url).open('web01.raw');
  assert.deepEqual(await file!.read(8, 4), CONTENT.subarray(8, 12));
});

test('a redirect is followed at the same host, and elsewhere only where the site names the host', async (t) => {
  const asked: (string | undefined)[] = [];
  const mirror = await answering(t, (request, response) => {
    asked.push(request.headers.authorization);
    inRanges(CONTENT, () => ({}))(request, response);
  });
  const url = await answering(t, (request, response) => {
    const to = { '/moved.raw': '/here.raw', '/away.raw': `${mirror}here.raw`, '/file.raw': 'file:///etc/passwd' };
    const location = request.url === '/round.raw' ? '/round.raw' : to[request.url as keyof typeof to];
    if (location !== undefined) return response.writeHead(302, { Location: location }).end();
    return inRanges(CONTENT, () => ({}))(request, response);
  });
  const { host } = new URL(mirror);
  const login = { user: 'u', passwordFile: '/dev/null' };
  const folder = openHttpFolder(url, { login, redirectHosts: [] });
  assert.deepEqual(await (await folder.open('moved.raw'))!.read(8, 4), CONTENT.subarray(8, 12));
  await assert.rejects(folder.open('away.raw'), {
    code: 'Denied',
    message: `[files] cannot read ${url}away.raw: the server leads to ${mirror}here.raw, which is not followed`,
    remedy: new RegExp(`Give that address itself.*${host} under redirectHosts`),
  });
  await assert.rejects(folder.open('file.raw'), { code: 'Denied', message: /leads to what is no address/ });
  await assert.rejects(folder.open('round.raw'), { code: 'Denied', message: /round in a circle/ });
  assert.deepEqual(asked, []);
  const far = await openHttpFolder(url, { login, redirectHosts: [host] }).open('away.raw');
  assert.deepEqual(await far!.read(8, 4), CONTENT.subarray(8, 12));
  assert.deepEqual(asked, [undefined, undefined]);
});

test('an index of nothing but beginnings of links is looked through at once', async (t) => {
  const page = `<a href="web01.ova">${'<a '.repeat(10 ** 6)}`;
  const url = await answering(t, (_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html' }).end(page);
  });
  const began = performance.now();
  assert.deepEqual(await openHttpFolder(url).list(), ['web01.ova']);
  assert.ok(performance.now() - began < 1_500);
});

test('the index of a directory is asked for once, whatever is to be known of it', async (t) => {
  let asked = 0;
  const url = await answering(t, (_, response) => {
    asked += 1;
    response.writeHead(200, { 'Content-Type': 'text/html' }).end('<a href="web01.ovf">');
  });
  const folder = openHttpFolder(url);
  assert.deepEqual([await folder.list(), await folder.names('')], [['web01.ovf'], ['web01.ovf']]);
  assert.equal(asked, 1);
});

test('a package is described whose directory has an index that is longer than any', async (t) => {
  const descriptor = Buffer.from(envelope({ files: '', disks: '', hardware: CPU + MEMORY }));
  const ranges = inRanges(descriptor, () => ({}));
  const url = await answering(t, (request, response) => {
    if (request.url === '/') response.writeHead(200, { 'Content-Type': 'text/html' }).end(' '.repeat(5 * 2 ** 20));
    else if (request.url === '/web01.ovf') ranges(request, response);
    else response.writeHead(404).end();
  });
  await assert.rejects(openHttpFolder(url).list(), { code: 'NotSupported', message: /longer than 4 MiB/ });
  const { described } = await describePlace(`${url}web01.ovf`, null, false);
  assert.ok(described.findings.some(({ id }) => id === 'manifest.missing'));
});
