import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
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
export async function withSshd(work: (host: SshHost, folder: string) => Promise<void>): Promise<void> {
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
