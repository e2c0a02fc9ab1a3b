import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { execa } from 'execa';
import { passwdWithSshd } from '../../lab/host/directory.js';
import { findSshServer } from '../../lab/host/sshd.js';
import { SshHost } from '../../src/exec/ssh.js';

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}

/** A real sshd of this user's own on the loopback interface. */
async function withSshd(work: (host: SshHost, folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'vmferry-sshd-'));
  const file = (name: string) => join(folder, name);
  const port = await freePort();
  for (const key of ['host', 'user']) await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file(key)]);
  await execa('cp', [file('user.pub'), file('authorized_keys')]);
  const { stdout: hostKey } = await execa('cut', ['-d', ' ', '-f', '1,2', file('host.pub')]);
  await writeFile(file('known_hosts'), `[127.0.0.1]:${port} ${hostKey}\n`);
  const { program, libraries, settings } = await findSshServer();
  const lines = [
    `HostKey ${file('host')}`,
    `AuthorizedKeysFile ${file('authorized_keys')}`,
    `ListenAddress 127.0.0.1:${port}`,
    `PidFile ${file('pid')}`,
    'StrictModes no',
    'UsePAM no',
    'PermitRootLogin yes',
    // Bash reads the start-up file of whoever logs in, which may take its time.
    `SetEnv HOME=${folder}`,
    ...settings,
  ];
  await writeFile(file('config'), `${lines.join('\n')}\n`);
  await writeFile(file('passwd'), await passwdWithSshd());
  // It wants a user and an empty folder that Debian's package makes (sshd(8)): here they are its own alone.
  const inside =
    'mount --bind "$1" /etc/passwd && mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec "$2" -D -f "$3"';
  const unshared = ['--mount', '--propagation', 'private', 'sh', '-c', inside, 'sh', file('passwd'), program];
  const sshd = execa('unshare', [...unshared, file('config')], { env: { LD_LIBRARY_PATH: libraries }, reject: false });
  const host = new SshHost({
    machine: '127.0.0.1',
    user: userInfo().username,
    port,
    keyFile: file('user'),
    knownHostsFile: file('known_hosts'),
  });
  try {
    for (let tries = 0; tries < 50; tries++) {
      if ((await execa('ssh-keyscan', ['-p', String(port), '127.0.0.1'], { reject: false })).stdout) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await work(host, folder);
  } finally {
    await host.close();
    sshd.kill();
    await sshd;
    await rm(folder, { recursive: true, force: true });
  }
}

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
