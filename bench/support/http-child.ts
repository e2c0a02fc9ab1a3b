import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process that serves one file by HTTP on the loopback, each answer late as over a distance; tells its parent the port. */
const [path = '', delayMs = '0'] = process.argv.slice(2);
const { size } = await stat(path);
const server = createServer((request, response) => {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  const start = Number(first ?? 0);
  const end = Math.min(last ? Number(last) : size - 1, size - 1);
  const part = first === undefined ? {} : { 'Content-Range': `bytes ${start}-${end}/${size}` };
  const headers = { 'Accept-Ranges': 'bytes', ETag: '"web01"', 'Content-Length': end - start + 1, ...part };
  void sleep(Number(delayMs)).then(() => {
    response.writeHead(first === undefined ? 200 : 206, headers);
    if (request.method === 'HEAD') response.end();
    else createReadStream(path, { start, end, highWaterMark: 2 ** 20 }).pipe(response);
  });
});
server.listen(0, '127.0.0.1', () => process.send?.(server.address()));
process.on('disconnect', () => process.exit());
