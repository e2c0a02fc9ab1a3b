import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { VmferryError } from '../src/errors.js';
import { LocalHost } from '../src/exec/local.js';
import { hostFolders } from './host/directory.js';
import { removeInterface } from './host/link.js';
import { killHost, startLabHost, type LabHost } from './host/lab-host.js';

/** Two hosts, as `npm start`, tests and benches use them: sites `dc-old` and `dc-new`. */
export interface Lab {
  readonly directory: string;
  readonly old: LabHost;
  readonly new: LabHost;
  /** A `vmferry.yaml` with both sites, reached over ssh. */
  readonly configPath: string;
  /** Ends both hosts and removes the folder. Idempotent. */
  stop(): Promise<void>;
}

export interface LabOptions {
  /** Folder for everything; removed by `stop`. Default: a new one in /var/tmp. QEMU's user must be able to enter it. */
  directory?: string;
  /** Limit of both links, as tc(8) writes it. Default: none. */
  rate?: string;
  /** The lab outlives this process; end it with `stopLab(directory)`. Default false. */
  keep?: boolean;
  /** Told what was found of earlier labs. */
  say?: (line: string) => void;
}

/** Not /tmp, which is memory on many machines. */
export const LAB_PARENT = '/var/tmp';
export const LAB_PREFIX = 'vmferry-lab-';
const NAMES = ['dc-old', 'dc-new'] as const;

/** Starts both hosts. Root only. @throws VmferryError `Denied` for others, `ToolFailed` when a host does not come up. */
export async function startLab(options: LabOptions = {}): Promise<Lab> {
  if (process.getuid?.() !== 0) {
    throw new VmferryError('Denied', 'cannot start the lab: making network and mount namespaces needs root', {
      remedy: 'Run it with sudo.',
    });
  }
  await removeStaleLabs(options.say ?? (() => undefined));
  const directory = options.directory ?? (await mkdtemp(join(LAB_PARENT, LAB_PREFIX)));
  // mkdtemp makes it for us alone, and QEMU runs as a user of its own.
  await mkdir(directory, { recursive: true });
  await new LocalHost().run('chmod', ['755', '--', directory]);
  await writeFile(join(directory, 'owner'), `${process.pid} ${await startTime(process.pid)}\n`);
  const keep = options.keep ?? false;
  const starts = await Promise.allSettled(
    NAMES.map((name) => startLabHost({ name, directory: join(directory, name), keep })),
  );
  const hosts = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  const stop = async () => {
    await Promise.all(hosts.map((host) => host.stop()));
    await rm(directory, { recursive: true, force: true });
  };
  const [old, fresh] = hosts;
  if (!old || !fresh) {
    await stop();
    throw starts.find((start) => start.status === 'rejected')?.reason;
  }
  const configPath = join(directory, 'vmferry.yaml');
  try {
    if (options.rate) for (const host of hosts) await host.link.shape(options.rate);
    await writeFile(configPath, stringify({ version: 1, sites: { 'dc-old': old.config, 'dc-new': fresh.config } }));
  } catch (error) {
    await stop();
    throw error;
  }
  return { directory, old, new: fresh, configPath, stop };
}

/** Ends a lab that was kept, by its folder, and removes it. */
export async function stopLab(directory: string): Promise<void> {
  for (const name of NAMES) {
    const { pidFile, home } = hostFolders(join(directory, name));
    const pid = Number(await readFile(pidFile, 'utf8').catch(() => '0'));
    // The process id may be another's by now; a host's first process has its own folder in its arguments.
    const command = pid > 0 ? await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '') : '';
    if (!command.split('\0').includes(home)) continue;
    await killHost(pid);
    await removeInterface((await readFile(join(home, 'interface'), 'utf8')).trim());
  }
  await rm(directory, { recursive: true, force: true });
}

/**
 * Removes folders of labs whose process was killed, and their interfaces: the kernel has ended all else of them, but a
 * connection that still waits for its end keeps a network namespace for minutes.
 */
async function removeStaleLabs(say: (line: string) => void): Promise<void> {
  for (const name of await readdir(LAB_PARENT)) {
    if (!name.startsWith(LAB_PREFIX)) continue;
    const directory = join(LAB_PARENT, name);
    const owner = await readFile(join(directory, 'owner'), 'utf8').catch(() => '');
    const [pid, started] = owner.trim().split(' ');
    if (!pid || (await startTime(Number(pid))) === started) continue;
    if (await isAlive(directory)) {
      say(`  (an earlier demo was kept and still runs; npm start -- --stop ${directory} ends it)`);
      continue;
    }
    say(`  (removing ${directory}, which a killed run left)`);
    for (const lab of NAMES) {
      const { home } = hostFolders(join(directory, lab));
      const link = await readFile(join(home, 'interface'), 'utf8').catch(() => '');
      if (link.trim()) await removeInterface(link.trim());
    }
    await rm(directory, { recursive: true, force: true });
  }
}

async function isAlive(directory: string): Promise<boolean> {
  for (const name of NAMES) {
    const { pidFile, home } = hostFolders(join(directory, name));
    const pid = Number(await readFile(pidFile, 'utf8').catch(() => '0'));
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.split('\0').includes(home)) return true;
  }
  return false;
}

/** When a process was started (proc(5), field 22 of stat), or an empty string when there is none. */
async function startTime(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
