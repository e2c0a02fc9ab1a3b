import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { openHttpFolder } from '../../../src/platforms/files/http-folder.js';

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
