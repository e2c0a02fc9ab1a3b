import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { askGuest, pingAgent, startGuest, type Guest } from '../../lab/guest/guest.js';
import type { LabHost } from '../../lab/host/lab-host.js';
import { run, seconds } from './servers.js';

const VIRSH = ['-q', '-c', 'qemu:///system'];
const POLL_MS = 100;
const PATIENCE_MS = 180_000;

/** What moving the guest without us costs, in seconds: all of it is downtime. */
export interface ColdMove {
  stop: number;
  /** Its disks, one whole file after the other, durable at the target. */
  copy: number;
  boot: number;
}

/** Shuts the guest down in order; seconds until it is off. */
export function stopTime(host: LabHost, guest: Guest): Promise<number> {
  return seconds(async () => {
    await host.host.run('virsh', [...VIRSH, 'shutdown', '--', guest.name]);
    await until('off', async () => {
      const { stdout } = await host.host.run('virsh', [...VIRSH, 'domstate', '--', guest.name]);
      return stdout.trim() === 'shut off';
    });
  });
}

/** Starts the guest; seconds until its service and its agent answer. */
export function bootTime(host: LabHost, guest: Guest): Promise<number> {
  return seconds(async () => {
    await startGuest(host, guest);
    await until('up', () => answers(host, guest));
  });
}

/** Moves the guest stopped: shut down, copied whole over ssh, defined and booted at the other host. */
export async function coldMove(from: LabHost, to: LabHost, guest: Guest): Promise<ColdMove> {
  const stop = await stopTime(from, guest);
  const copy = await seconds(async () => {
    for (const { path } of guest.disks) await copyFile(from, path, to, join(to.images, fileOf(path)));
  });
  const { stdout: xml } = await from.host.run('virsh', [...VIRSH, 'dumpxml', '--inactive', '--', guest.name]);
  await to.host.run('virsh', [...VIRSH, 'define', '/dev/stdin'], { input: xml.replaceAll(from.images, to.images) });
  return { stop, copy, boot: await bootTime(to, guest) };
}

/** Takes away what a cold move made. */
export async function removeCopy(to: LabHost, guest: Guest): Promise<void> {
  await to.host.run('virsh', [...VIRSH, 'destroy', '--', guest.name], { okExitCodes: [0, 1] });
  await to.host.run('virsh', [...VIRSH, 'undefine', '--', guest.name]);
  await to.host.run('rm', ['-f', '--', ...guest.disks.map(({ path }) => join(to.images, fileOf(path)))]);
}

/** `ssh … cat | ssh … cat`, as one would by hand: only what the image holds goes over the link, each way at its full rate. */
async function copyFile(from: LabHost, path: string, to: LabHost, target: string): Promise<void> {
  const [read, write] = await Promise.all([from, to].map(sshCommand));
  const script = `${read} cat "'$1'" | ${write} "cat >'$2' && sync -d '$2'"`;
  await run('bash', ['-o', 'pipefail', '-c', script, 'bash', path, target]);
}

/** The command line that reaches a host, with a cipher that the processor helps with. */
async function sshCommand(host: LabHost): Promise<string> {
  const url = new URL(host.config.uri);
  const config = join(host.directory, 'bench-ssh');
  const lines = [
    `Host target`,
    `HostName ${url.hostname}`,
    `User root`,
    `IdentityFile ${url.searchParams.get('keyfile')}`,
    `UserKnownHostsFile ${url.searchParams.get('known_hosts')}`,
    `Ciphers aes128-gcm@openssh.com`,
    `BatchMode yes`,
  ];
  await writeFile(config, `${lines.join('\n')}\n`);
  return `ssh -F ${config} target`;
}

async function answers(host: LabHost, guest: Guest): Promise<boolean> {
  try {
    await pingAgent(host, guest);
    await askGuest(host, guest);
    return true;
  } catch {
    return false;
  }
}

async function until(what: string, reached: () => Promise<boolean>): Promise<void> {
  const endsAt = Date.now() + PATIENCE_MS;
  while (!(await reached())) {
    if (Date.now() > endsAt) throw new Error(`the guest is not ${what} after ${PATIENCE_MS / 1000} s`);
    await sleep(POLL_MS);
  }
}

function fileOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
