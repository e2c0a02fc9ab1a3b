import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { execa } from 'execa';
import { withSshd } from './sshd.js';

/** Ends the shared connection, as a minute without use does. */
async function endMaster(known: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith('vmferry-ssh-') || known.has(name)) continue;
    const control = `ControlPath=${join(tmpdir(), name, 'master')}`;
    await execa('ssh', ['-o', control, '-O', 'exit', '127.0.0.1'], { reject: false });
  }
}

test('a shared connection that ended is made anew by commands and forwards, and holds nobody up', async () => {
  const known = new Set(await readdir(tmpdir()));
  await withSshd(async (host, folder) => {
    assert.equal((await host.run('printf', ['%s', "it's $HOME; `x`\n"])).stdout, "it's $HOME; `x`\n");
    await endMaster(known);
    // The short command finds no connection and makes it; the long one runs over it meanwhile.
    const short = host.run('sleep', ['0.5']);
    await new Promise((resolve) => setTimeout(resolve, 400));
    const long = host.run('sleep', ['8']);
    const first = await Promise.race([short.then(() => 'short'), long.then(() => 'long')]);
    assert.equal(first, 'short');
    await long;
    await endMaster(known);
    const path = join(folder, 'echo.sock');
    const echo = createServer((socket) => socket.pipe(socket));
    await new Promise<void>((resolve) => echo.listen(path, resolve));
    try {
      const forwarded = await host.forwardSocket(path);
      const answer = await new Promise<string>((resolve, reject) => {
        const socket = connect(forwarded.path, () => socket.write('hello'));
        socket.on('error', reject);
        socket.on('data', (bytes) => {
          socket.end();
          resolve(bytes.toString());
        });
      });
      assert.equal(answer, 'hello');
      await forwarded.close();
    } finally {
      echo.close();
    }
  });
});
