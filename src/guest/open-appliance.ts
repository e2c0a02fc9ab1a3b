import { VmferryError } from '../errors.js';
import type { Host } from '../exec/host.js';
import type { ApplianceDisk } from '../model/guest-disks.js';
import type { ReadableDisks } from '../platforms/platform.js';
import { Appliance, cancelled, messageOf, type ApplianceOptions } from './appliance.js';
import { SESSION } from './guestfish-session.js';
import type { Word } from './guestfish-words.js';

/**
 * Has an appliance with these disks while `work` runs. What was written is on the disks once this returns.
 * @throws as `openAppliance`, `work` and `Appliance.close`, the first of them.
 */
export async function inAppliance<T>(
  { host, accelerator, disks }: ReadableDisks,
  options: Pick<ApplianceOptions, 'readOnly' | 'signal'>,
  work: (appliance: Appliance) => Promise<T>,
): Promise<T> {
  const appliance = await openAppliance(host, disks, { ...options, tcg: accelerator === 'tcg' });
  let result: T;
  try {
    result = await work(appliance);
  } catch (error) {
    await appliance.close().catch(() => undefined);
    throw error;
  }
  await appliance.close();
  return result;
}

/** With KVM it starts in some seconds. */
const KVM_START_MS = 90_000;
/** Hosts where an appliance with KVM never came up. */
const emulating = new WeakSet<Host>();

/**
 * Starts an appliance with these disks, in their order, without a network. KVM may run small guests and stop at an
 * instruction that the appliance's kernel has (seen with nested KVM): where it is not up in time, emulation is taken.
 * @throws VmferryError `ToolFailed` where it does not start, `Cancelled`, `Timeout`, `Unreachable`.
 */
export async function openAppliance(
  host: Host,
  disks: readonly ApplianceDisk[],
  options: ApplianceOptions,
): Promise<Appliance> {
  if (options.tcg || emulating.has(host)) return await start(host, disks, { ...options, tcg: true });
  try {
    return await start(host, disks, { ...options, startTimeoutMs: KVM_START_MS });
  } catch (error) {
    if (!(error instanceof VmferryError) || error.code !== 'Timeout') throw error;
    emulating.add(host);
    return await start(host, disks, { ...options, tcg: true });
  }
}

async function start(host: Host, disks: readonly ApplianceDisk[], options: ApplianceOptions): Promise<Appliance> {
  if (options.signal?.aborted) throw cancelled();
  const settings = options.tcg ? 'force_tcg' : '';
  const talk = await host.converse('sh', ['-c', SESSION, 'sh', settings, ...(options.readOnly ? ['--ro'] : [])]);
  const devices = new Map<string, string>();
  const appliance = new Appliance(talk, devices, options);
  try {
    await appliance.command(['set-network', 'false']);
    for (const disk of disks) await appliance.command(addDrive(disk, options.readOnly));
    await appliance.command(['launch'], { timeoutMs: options.startTimeoutMs ?? 600_000 });
    // In the order in which they were added (guestfs(3), "BLOCK DEVICE NAMING").
    const names = (await appliance.command(['list-devices'])).split('\n').filter(Boolean);
    if (names.length !== disks.length) {
      throw new VmferryError('ToolFailed', `it sees ${names.length} disks where ${disks.length} were given`);
    }
    disks.forEach(({ id }, index) => devices.set(id, names[index] ?? ''));
    return appliance;
  } catch (error) {
    await appliance.close().catch(() => undefined);
    throw notStarted(host, error);
  }
}

function addDrive(disk: ApplianceDisk, readOnly: boolean): [string, ...Word[]] {
  const access = `readonly:${readOnly}`;
  if ('path' in disk) return ['add-drive', disk.path, access, `format:${disk.format}`];
  const server = `server:unix:${disk.nbdSocket}`;
  return ['add-drive', disk.exportName ?? '', access, 'format:raw', 'protocol:nbd', server];
}

function notStarted(host: Host, error: unknown): unknown {
  if (error instanceof VmferryError && error.code !== 'GuestUnreadable' && error.code !== 'ToolFailed') return error;
  return new VmferryError('ToolFailed', `cannot start a libguestfs appliance on ${host.name}: ${messageOf(error)}`, {
    remedy: `Run \`libguestfs-test-tool\` there, as the same user: it says what is missing. It needs a kernel in /boot that this user can read.`,
    cause: error,
  });
}
