import { chmod, chown, copyFile, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LocalHost } from '../../src/exec/local.js';
import type { SshServer } from './sshd.js';

/** Makes a lab host's own folders, keys and settings. Paths are the same inside the host and outside. */

export interface HostFolders {
  home: string;
  /** Pool of the host; QEMU's user may read and write in it. */
  images: string;
  stateDir: string;
  clientKey: string;
  knownHosts: string;
  socket: string;
  log: string;
  pidFile: string;
}

export function hostFolders(home: string): HostFolders {
  return {
    home,
    images: join(home, 'lib', 'images'),
    stateDir: join(home, 'vmferry'),
    clientKey: join(home, 'ssh', 'client'),
    knownHosts: join(home, 'ssh', 'known_hosts'),
    socket: join(home, 'run', 'libvirt-sock'),
    log: join(home, 'init.log'),
    pidFile: join(home, 'pid'),
  };
}

export async function makeHostDirectory(
  home: string,
  name: string,
  address: string,
  sshd: SshServer,
): Promise<HostFolders> {
  const folders = hostFolders(home);
  for (const folder of [
    'run',
    'lib',
    'etc',
    'log',
    'cache',
    'state',
    'ssh',
    'vmferry',
    'lib/images',
    'lib/dnsmasq',
    'log/qemu',
  ]) {
    await mkdir(join(home, folder), { recursive: true, mode: 0o755 });
  }
  // libvirt makes the rest of these itself, but expects the package to have given this one to QEMU's user.
  const packaged = await stat('/var/lib/libvirt/qemu');
  await mkdir(join(home, 'lib', 'qemu'), { mode: 0o750 });
  await chown(join(home, 'lib', 'qemu'), packaged.uid, packaged.gid);
  await writeFile(
    join(home, 'etc', 'qemu.conf'),
    // Confinement profiles name the usual paths, which are not ours.
    'security_driver = "none"\n',
  );
  await writeFile(join(home, 'etc', 'virtlogd.conf'), '');
  // libvirt asks for its own name's address, and would wait for a name server that is out of reach.
  await writeFile(join(home, 'hosts'), `127.0.0.1 localhost\n127.0.1.1 ${name}\n`);
  await makeAccounts(home);
  await makeKeys(folders, address, sshd);
  return folders;
}

/**
 * sshd needs a user of its name, and lets nobody in whose account is locked (as root's is on Ubuntu). Root's shell is the
 * plain one: bash would read the .bashrc of whoever owns this machine before each command.
 */
async function makeAccounts(home: string): Promise<void> {
  const passwd = (await passwdWithSshd()).replace(/^(root:.*:)[^:\n]*$/m, '$1/bin/sh');
  await writeFile(join(home, 'passwd'), passwd, { mode: 0o644 });
  const shadow = await readFile('/etc/shadow', 'utf8');
  await writeFile(join(home, 'shadow'), shadow.replace(/^root:[^:]*:/m, 'root:*:'), { mode: 0o600 });
}

async function makeKeys(folders: HostFolders, address: string, sshd: SshServer): Promise<void> {
  const { home, clientKey, knownHosts } = folders;
  const ssh = join(home, 'ssh');
  const hostKey = join(ssh, 'host_key');
  const machine = new LocalHost();
  for (const [file, comment] of [
    [hostKey, 'lab-host'],
    [clientKey, 'lab-client'],
  ] as const) {
    await machine.run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', file]);
  }
  await writeFile(knownHosts, `${address} ${await readFile(`${hostKey}.pub`, 'utf8')}`);
  await copyFile(`${clientKey}.pub`, join(ssh, 'authorized_keys'));
  await chmod(join(ssh, 'authorized_keys'), 0o600);
  const settings = [
    `ListenAddress 0.0.0.0`,
    `HostKey ${hostKey}`,
    `AuthorizedKeysFile ${join(ssh, 'authorized_keys')}`,
    // The lab may lie below a folder that all may write to.
    'StrictModes no',
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'UsePAM no',
    'UseDNS no',
    'PidFile none',
    ...sshd.settings,
  ];
  await writeFile(join(ssh, 'sshd_config'), `${settings.join('\n')}\n`);
}

/** This machine's passwd(5), with the user that sshd drops its rights to. */
export async function passwdWithSshd(): Promise<string> {
  const passwd = await readFile('/etc/passwd', 'utf8');
  return /^sshd:/m.test(passwd) ? passwd : `${passwd}sshd:x:64998:65534::/run/sshd:/usr/sbin/nologin\n`;
}
