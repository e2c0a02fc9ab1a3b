import { setTimeout as sleep } from 'node:timers/promises';
import type { PowerState } from '../../model/vm.js';
import type { RunState } from '../platform.js';
import type { LibvirtConnection } from './connect.js';

/** Power, autostart, and which run of the VM this is. */

const STATES: Record<string, PowerState> = {
  running: 'running',
  idle: 'running',
  'in shutdown': 'running',
  paused: 'paused',
  pmsuspended: 'paused',
  'shut off': 'off',
  crashed: 'crashed',
};
const ALREADY = /already (active|running)/i;
/** A transient domain is gone with its guest; virsh words that by which of its calls met it first. */
const GONE = /failed to get domain|domain not found/i;
const NOT_RUNNING = /domain is not running|failed to get domain|domain not found/i;
const AGENT_TIMEOUT_MS = 15_000;
const OFF_TIMEOUT_MS = 60_000;

export async function runState(at: LibvirtConnection, vm: string, signal?: AbortSignal): Promise<RunState | null> {
  const uuid = await at.virsh.findUuid(vm, signal);
  return uuid === null ? null : await runStateOf(at, uuid, signal);
}

export async function runStateOf(at: LibvirtConnection, uuid: string, signal?: AbortSignal): Promise<RunState | null> {
  const [info, started] = await Promise.all([
    at.virsh.runOr(GONE, ['dominfo', '--domain', uuid], { signal }),
    processStart(at, uuid, signal),
  ]);
  if (info === null) return null;
  const field = (name: string) => new RegExp(`^${name}:\\s+(.*\\S)\\s*$`, 'm').exec(info)?.[1] ?? '';
  const state = STATES[field('State')] ?? 'other';
  const id = field('Id');
  const instance = id === '' || id === '-' ? null : `${id}@${started}`;
  return { state, instance, autostart: field('Autostart') === 'enable' };
}

/**
 * Domain ids begin again with the host, so a run is named by its QEMU's start as well: `PID-start-boot`, with the start
 * in ticks since the boot (proc(5)). `?` where the process cannot be seen.
 */
const PROCESS_START = `
for file in $(grep -lzsxF -e "$1" /proc/[0-9]*/cmdline); do
  dir=\${file%/cmdline}
  case $(cat "$dir/comm" 2>/dev/null) in qemu*|kvm*) ;; *) continue ;; esac
  boot=$(cut -c1-8 /proc/sys/kernel/random/boot_id)
  echo "$(sed 's/.*) //' "$dir/stat" | cut -d' ' -f20)-$boot"
  exit 0
done
echo '?'`;

async function processStart(at: LibvirtConnection, uuid: string, signal?: AbortSignal): Promise<string> {
  return (await at.host.run('sh', ['-c', PROCESS_START, 'sh', uuid], { signal })).stdout.trim();
}

export async function setAutostart(
  at: LibvirtConnection,
  vm: string,
  on: boolean,
  signal?: AbortSignal,
): Promise<void> {
  const uuid = await at.virsh.uuid(vm, signal);
  await at.virsh.run(['autostart', '--domain', uuid, ...(on ? [] : ['--disable'])], { signal });
}

export async function start(at: LibvirtConnection, vm: string, signal?: AbortSignal): Promise<void> {
  const uuid = await at.virsh.uuid(vm, signal);
  await at.virsh.runOr(ALREADY, ['start', '--domain', uuid], { signal, timeoutMs: 180_000 });
}

export async function requestShutdown(at: LibvirtConnection, vm: string, signal?: AbortSignal): Promise<void> {
  const uuid = await at.virsh.uuid(vm, signal);
  if ((await runState(at, vm, signal))?.instance == null) return;
  const ask = (mode: string) =>
    at.virsh.run(['shutdown', '--domain', uuid, '--mode', mode], { signal, timeoutMs: AGENT_TIMEOUT_MS });
  try {
    await ask('agent');
  } catch {
    signal?.throwIfAborted();
    await at.virsh.runOr(NOT_RUNNING, ['shutdown', '--domain', uuid, '--mode', 'acpi'], { signal });
  }
}

export async function forceOff(at: LibvirtConnection, vm: string, signal?: AbortSignal): Promise<void> {
  const uuid = await at.virsh.uuid(vm, signal);
  await at.virsh.runOr(NOT_RUNNING, ['destroy', '--domain', uuid], { signal, timeoutMs: OFF_TIMEOUT_MS });
  while ((await runState(at, vm, signal))?.instance != null) await sleep(200, undefined, { signal });
}

/** A reset leaves QEMU as it is, so that no instance tells: libvirt's events do. See `VmSite.resetWithin`. */
export async function resetWithin(
  at: LibvirtConnection,
  vm: string,
  waitMs: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const uuid = await at.virsh.uuid(vm, signal);
  const args = ['event', '--domain', uuid, '--event', 'reboot', '--timeout', String(Math.ceil(waitMs / 1_000))];
  // Status 1: no event came.
  const options = { signal, okExitCodes: [0, 1], timeoutMs: waitMs + 30_000 };
  return /^event 'reboot'/m.test((await at.virsh.result(args, options)).stdout);
}
