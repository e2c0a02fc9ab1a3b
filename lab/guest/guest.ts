import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { VmferryError } from '../../src/errors.js';
import type { LabHost } from '../host/lab-host.js';
import { LAN } from '../host/libvirt.js';
import { RECORDER_PORT } from '../recorder.js';
import { accelerator } from './accelerator.js';
import { makeDataDisk, makeSystemDisk, type DataDisk, type DiskFormat } from './disks.js';
import { domainXml, targetName, type GuestBus } from './domain-xml.js';
import type { GuestKernel } from './image.js';

/** A small Linux that counts on its disks, answers over TCP, and does what an agent and a power button ask. */
export interface GuestOptions {
  /** Name of the domain and of the host inside. Default `web01`. */
  name?: string;
  /** Default `bios`. */
  firmware?: 'bios' | 'uefi';
  /** Bus of all disks. Default `virtio`; with `sata` or `ide` the network card is an e1000. `ide` means at most 4 disks. */
  bus?: GuestBus;
  /** Format of the system disk (64 MiB). Default qcow2. */
  systemFormat?: DiskFormat;
  /** Data disks, at most 8: a, b, … The counter goes to each in turn. Default one; none: the counter is on the system disk. */
  dataDisks?: DataDisk[];
  /** Default 256; UEFI needs as much. */
  memoryMib?: number;
  /** Default 1. */
  cpus?: number;
  /** Default `cloud`, but `generic` where the bus needs its drivers. */
  kernel?: GuestKernel;
  /** Whether it has an agent and the channel for it. Default true. */
  agent?: boolean;
  /** An emulated TPM 2.0 (swtpm). Default false. */
  tpm?: boolean;
  /** Whether it stops when the agent or the power button asks. Default true. */
  obedient?: boolean;
  /** Random data written to the first data disk, 64 KiB at a time. Default none. */
  churnKibPerSecond?: number;
  /** Rest between two numbers. Default none: about a hundred numbers a second under TCG. */
  pauseMs?: number;
  /** Address in the bridge's subnet. Default 192.168.150.10. */
  address?: string;
  /** Network of the host. Default `lan`. */
  network?: string;
  mac?: string;
  uuid?: string;
}

export interface Guest {
  readonly name: string;
  readonly address: string;
  readonly agent: boolean;
  /** The system disk first. */
  readonly disks: { target: string; path: string; format: DiskFormat }[];
  /** What it wrote to its serial console, all boots of it at this host, as seen from outside. */
  readonly consoleLog: string;
}

/** Of data disks, in their order. */
const LETTERS = 'abcdefgh';

const VIRSH = ['-q', '-c', 'qemu:///system'];

/** Makes the disks of a guest in the host's pool and defines it there. The first guest of all takes the image's building. */
export async function defineGuest(host: LabHost, options: GuestOptions = {}): Promise<Guest> {
  const { name = 'web01', firmware = 'bios', bus = 'virtio', systemFormat = 'qcow2' } = options;
  const { dataDisks = [{}], address = '192.168.150.10', agent = true } = options;
  const path = (part: string, format: DiskFormat) => join(host.images, `${name}-${part}.${format}`);
  const system = { path: path('system', systemFormat), format: systemFormat };
  const kernel = options.kernel ?? (bus === 'sata' || bus === 'ide' ? 'generic' : 'cloud');
  await makeSystemDisk(system.path, systemFormat, kernel, {
    hostname: name,
    address: `${address}/24`,
    recorder: `${LAN.address}:${RECORDER_PORT}`,
    ...(dataDisks.length > 0 ? { disks: LETTERS.slice(0, dataDisks.length) } : {}),
    ...(agent ? {} : { agent: 'off' }),
    ...(options.obedient === false ? { shutdown: 'ignore' } : {}),
    ...(options.churnKibPerSecond ? { churn: String(options.churnKibPerSecond) } : {}),
    ...(options.pauseMs ? { pause: String(options.pauseMs) } : {}),
  });
  const disks = [system];
  for (const [index, disk] of dataDisks.entries()) {
    const letter = LETTERS[index]!;
    const format = disk.format ?? 'qcow2';
    await makeDataDisk(path(letter, format), letter, disk);
    disks.push({ path: path(letter, format), format });
  }
  const consoleLog = `${name}-console.log`;
  const { memoryMib = 256, cpus = 1, network = LAN.network, mac = null, uuid = null, tpm = false } = options;
  const parts = { name, firmware, memoryMib, cpus, bus, disks, network, mac, agent, tpm, uuid };
  const xml = domainXml({
    ...parts,
    consoleLog: `/var/log/libvirt/qemu/${consoleLog}`,
    accelerator: await accelerator(),
  });
  await host.host.run('virsh', [...VIRSH, 'define', '/dev/stdin'], { input: xml });
  return {
    name,
    address,
    agent,
    disks: disks.map((disk, index) => ({ ...disk, target: targetName(bus, index) })),
    consoleLog: join(host.directory, 'log', 'qemu', consoleLog),
  };
}

export async function startGuest(host: LabHost, guest: Guest): Promise<void> {
  await host.host.run('virsh', [...VIRSH, 'start', '--', guest.name]);
}

/** Everything of the guest at this host: stopped if need be, undefined, its disks removed. */
export async function removeGuest(host: LabHost, guest: Guest): Promise<void> {
  const virsh = (...args: string[]) => host.host.run('virsh', [...VIRSH, ...args], { okExitCodes: [0, 1] });
  await virsh('destroy', '--', guest.name);
  await virsh('undefine', '--nvram', '--managed-save', '--checkpoints-metadata', '--', guest.name);
  await host.host.run('rm', ['-f', '--', ...guest.disks.map((disk) => disk.path)]);
}

export interface GuestSigns {
  /** What it answered on TCP port 80. */
  answer: string;
  /** The number that it had reached then. */
  counter: number;
}

/**
 * Waits until the guest's service answers and, where it has one, its agent.
 * @throws VmferryError `Timeout` with the end of its console.
 */
export async function waitForGuest(
  host: LabHost,
  guest: Guest,
  timeoutMs = 120_000,
  signal?: AbortSignal,
): Promise<GuestSigns> {
  const deadline = Date.now() + timeoutMs;
  let why: unknown;
  while (Date.now() < deadline) {
    signal?.throwIfAborted();
    try {
      const signs = await askGuest(host, guest);
      if (guest.agent) await pingAgent(host, guest);
      return signs;
    } catch (error) {
      why = error;
      await sleep(250);
    }
  }
  const log = (await readFile(guest.consoleLog, 'utf8').catch(() => '')).trim().split('\n').slice(-8).join('\n');
  throw new VmferryError(
    'Timeout',
    `cannot reach the guest ${guest.name} in ${timeoutMs / 1000} s; its console:\n${log}`,
    {
      cause: why,
    },
  );
}

/** Asks the guest's service once, from its host. @throws VmferryError `ToolFailed` when it does not answer. */
export async function askGuest(host: LabHost, guest: Pick<Guest, 'address'>): Promise<GuestSigns> {
  const ask = 'fetch(process.argv[1], { signal: AbortSignal.timeout(2000) }).then((r) => r.text()).then(console.log)';
  const { stdout } = await host.host.run(process.execPath, ['-e', ask, `http://${guest.address}/`]);
  const counter = /counter (\d+)/.exec(stdout)?.[1];
  if (!counter) throw new VmferryError('ToolFailed', `cannot read the guest's answer ${JSON.stringify(stdout)}`);
  return { answer: stdout.trim(), counter: Number(counter) };
}

/** @throws VmferryError `ToolFailed` when the agent does not answer. */
export async function pingAgent(host: LabHost, guest: Pick<Guest, 'name'>): Promise<void> {
  const ping = JSON.stringify({ execute: 'guest-ping' });
  await host.host.run('virsh', [...VIRSH, 'qemu-agent-command', '--timeout', '2', '--', guest.name, ping]);
}

/** The counters that its boots found at their start, as its console tells them, the oldest first. */
export async function firstCounters(guest: Pick<Guest, 'consoleLog'>): Promise<number[]> {
  const log = await readFile(guest.consoleLog, 'utf8');
  return [...log.matchAll(/vmferry-guest: first counter (\d+)/g)].map((match) => Number(match[1]));
}
