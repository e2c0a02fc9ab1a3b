import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { openHttpFolder } from '../../../src/platforms/files/http-folder.js';

test('a server that leads to a page for logging in is told as such', async (t) => {
  const server = createServer((request, response) => {
    if (request.url === '/login') response.writeHead(200, { 'Content-Type': 'text/html' }).end('<form>');
    else response.writeHead(302, { Location: '/login' }).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const folder = openHttpFolder(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  await assert.rejects(folder.open('web01.ova'), {
    code: 'Denied',
    message: /leads to http:.*\/login/,
    remedy: /login/,
  });
});
