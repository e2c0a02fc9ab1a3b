import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { libvirtSite, type LibvirtSiteConfig } from '../../src/config.js';
import { VmferryError } from '../../src/errors.js';
import { LocalHost } from '../../src/exec/local.js';
import { SshHost } from '../../src/exec/ssh.js';
import { exists } from '../debian.js';
import { accelerator } from '../guest/accelerator.js';
import { makeHostDirectory, type HostFolders } from './directory.js';
import { chooseAddresses, makeLink, type Link } from './link.js';
import { setUpLibvirt } from './libvirt.js';
import { findSshServer } from './sshd.js';

export interface LabHostOptions {
  /** The host's name, such as `dc-old`. */
  name: string;
  /** Folder for everything of this host, its disks too. Made; removed by `stop`. QEMU's user must be able to enter it. */
  directory: string;
  /** The host outlives this process and is ended with `stopLab`. Default false: it ends with it, however that ends. */
  keep?: boolean;
}

/** A second machine on this one, with its own libvirt, processes, network and OpenSSH server. */
export interface LabHost {
  readonly name: string;
  readonly directory: string;
  /** Its first process, as this machine numbers it. */
  readonly pid: number;
  readonly uuid: string;
  /** Folder of its pool `default`; the same path inside the host and outside. */
  readonly images: string;
  readonly link: Link;
  /** The site as `vmferry.yaml` names it, reached over ssh. */
  readonly config: LibvirtSiteConfig;
  /** The same site through its libvirt socket, with no ssh: commands run on this machine. */
  readonly localConfig: LibvirtSiteConfig;
  /** Runs commands in it, over ssh. */
  readonly host: SshHost;
  /** Ends every process in it and removes interface and folder. Idempotent. */
  stop(): Promise<void>;
}

const INIT = fileURLToPath(new URL('../../../lab/host/init.sh', import.meta.url));
const START_TIMEOUT_MS = 60_000;

/**
 * Starts a lab host; root only. Its processes, mounts and interface end with this process, even when that is killed.
 * @throws VmferryError `ToolFailed` with the end of its log when it does not come up within a minute.
 */
export async function startLabHost(options: LabHostOptions): Promise<LabHost> {
  const { name, directory } = options;
  const uuid = randomUUID();
  const addresses = await chooseAddresses();
  const sshd = await findSshServer();
  await mkdir(directory, { recursive: true, mode: 0o755 });
  const folders = await makeHostDirectory(directory, name, addresses.address, sshd);
  const args = [...NAMESPACES, 'sh', INIT, directory, name, uuid, sshd.program];
  const keep = options.keep ?? false;
  const kvm = (await accelerator()) === 'kvm' ? 'yes' : 'no';
  const ended = launch(['env', `LAB_LIBRARIES=${sshd.libraries}`, `LAB_KVM=${kvm}`, ...args], folders.log, keep);
  let pid: number | undefined;
  let link: Link | undefined;
  const host = new SshHost({
    machine: addresses.address,
    user: 'root',
    keyFile: folders.clientKey,
    knownHostsFile: folders.knownHosts,
  });
  let stopped: Promise<void> | undefined;
  const stop = () =>
    (stopped ??= (async () => {
      await host.close();
      if (pid !== undefined) await killHost(pid);
      await link?.remove();
      if (!keep) await ended.catch(() => undefined);
      await rm(directory, { recursive: true, force: true });
    })());
  try {
    pid = await Promise.race([waitForPid(folders), ended]);
    if (pid === undefined) throw new VmferryError('ToolFailed', 'its first process ended');
    link = await makeLink(pid, addresses);
    await writeFile(join(directory, 'interface'), link.interface);
    await Promise.race([waitForLibvirt(host), ended]);
    await setUpLibvirt(host, folders.images);
  } catch (cause) {
    const log = await readFile(folders.log, 'utf8').catch(() => '');
    await stop();
    throw new VmferryError(
      'ToolFailed',
      `cannot start the lab host ${name}: ${cause instanceof Error ? cause.message : String(cause)}\n${log.trim().split('\n').slice(-8).join('\n')}`,
      { cause },
    );
  }
  const place = { platform: 'libvirt', storage: 'default', stateDir: folders.stateDir, scratchDir: folders.images };
  const uri = `qemu+ssh://root@${addresses.address}/system?keyfile=${folders.clientKey}&known_hosts=${folders.knownHosts}`;
  return {
    name,
    directory,
    pid,
    uuid,
    images: folders.images,
    link,
    config: libvirtSite.parse({ ...place, uri }),
    localConfig: libvirtSite.parse({ ...place, uri: `qemu+unix:///system?socket=${folders.socket}` }),
    host,
    stop,
  };
}

const NAMESPACES = [
  ...['unshare', '--mount', '--propagation', 'private', '--net', '--uts', '--ipc', '--pid', '--fork', '--kill-child'],
  // Ctrl-C in a terminal reaches the group of processes in front; a host is stopped in order instead.
  'setsid',
];

/** Starts the host's first process. Settles when that has ended; where it is kept, only when it could not be started. */
async function launch(args: string[], log: string, keep: boolean): Promise<undefined> {
  const command = ['sh', '-c', 'exec "$@" >"$0" 2>&1', log, ...args];
  const machine = new LocalHost();
  if (keep) {
    await machine.run('setsid', ['--fork', ...command]);
    await new Promise<never>(() => undefined);
  }
  await machine.run('setpriv', ['--pdeathsig', 'KILL', '--', ...command], {
    timeoutMs: 0,
    okExitCodes: [0, 1, 137],
  });
  return undefined;
}

async function waitForPid(folders: HostFolders): Promise<number> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadline) {
    if (await exists(folders.pidFile)) return Number(await readFile(folders.pidFile, 'utf8'));
    await sleep(20);
  }
  throw new VmferryError('Timeout', 'its first process did not come up in a minute');
}

async function waitForLibvirt(host: SshHost): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      await host.run('virsh', ['-q', '-c', 'qemu:///system', 'list'], { timeoutMs: 30_000 });
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(100);
    }
  }
}

/** Kills a host's first process and waits until the kernel has ended all the others. */
export async function killHost(pid: number): Promise<void> {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    return;
  }
  while (await exists(`/proc/${pid}`)) await sleep(10);
}
