import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';

/** The recorder itself, inside a lab host: `recorder-process.js PORT FILE PIDFILE`. Writes down each line with the time. */
const [port, file, pidFile] = process.argv.slice(2);
if (!port || !file || !pidFile) throw new Error('usage: recorder-process.js PORT FILE PIDFILE');

writeFileSync(file, '', { flag: 'a' });
const server = createServer((socket) => {
  let rest = '';
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    const at = Date.now();
    if (lines.length > 0) appendFileSync(file, lines.map((line) => `${at} ${line}\n`).join(''));
  });
  // A guest that is switched off says no goodbye.
  socket.on('error', () => socket.destroy());
});
server.listen(Number(port), () => {
  writeFileSync(`${pidFile}.new`, `${process.pid}\n`);
  renameSync(`${pidFile}.new`, pidFile);
});
