import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { VmferryError } from '../../errors.js';
import type { ReplicaState, SideState, TargetVm } from '../platform.js';
import { accelerator, type Accelerator } from '../accelerator.js';
import type { LibvirtConnection } from './connect.js';
import { domainXml } from './domain-xml.js';
import { chooseFirmware, firmwares } from './firmware.js';
import { readMark, type Mark, type Role } from './mark.js';
import { makeOverlays } from '../replica/overlays.js';
import { fileStem } from '../replica/state.js';
import type { ReplicaStore } from '../replica/store.js';
import { writeNvram, writeTpm } from './target-side-state.js';
import { networks } from './target-facts.js';

/** What rehearsal and cutover have in common: a domain of ours over overlays. */

export interface TargetTools {
  at: LibvirtConnection;
  store: ReplicaStore;
  /** As it was when it was last tried; tried now only if it never was: a guest may be down meanwhile. */
  accelerator(signal?: AbortSignal): Promise<Accelerator>;
  /** Takes more than a second. */
  tryAccelerator(signal?: AbortSignal): Promise<Accelerator>;
}

export function targetTools(at: LibvirtConnection, store: ReplicaStore): TargetTools {
  let known: Accelerator | null = null;
  const tryAccelerator = async (signal?: AbortSignal) => (known = await accelerator(at.host, signal));
  return { at, store, tryAccelerator, accelerator: async (signal) => known ?? tryAccelerator(signal) };
}

export function rehearsalName(targetName: string, migrationId: string): string {
  return `${targetName}-rehearsal-${migrationId}`;
}

/** A UUID of the rehearsal's own: the VM's may be in use here, and must stay free for the cutover. */
export function rehearsalUuid(migrationId: string): string {
  const hex = createHash('sha256').update(`vmferry rehearsal ${migrationId}`).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** UUID and mark of the VM of that name; null where there is none. @throws VmferryError `Conflict` where it is not ours. */
export async function ownDomain(
  { at }: TargetTools,
  name: string,
  migrationId: string,
  role: Role,
  signal?: AbortSignal,
): Promise<{ uuid: string; mark: Mark } | null> {
  const uuid = await at.virsh.findUuid(name, signal);
  if (uuid === null) return null;
  const mark = await readMark(at, uuid, signal);
  if (mark?.migrationId === migrationId && mark.role === role) return { uuid, mark };
  // Gone between the two questions.
  if (mark === null && (await at.virsh.findUuid(name, signal)) === null) return null;
  throw new VmferryError('Conflict', `cannot use the name "${name}" at ${at.site}: a VM there has it`, {
    platform: 'libvirt',
    remedy: 'Rename or remove that VM, or give the request another targetName.',
  });
}

export async function isRunning({ at }: TargetTools, uuid: string, signal?: AbortSignal): Promise<boolean> {
  const state = await at.virsh.runOr(/domain not found|failed to get domain/i, ['domstate', '--domain', uuid], {
    signal,
  });
  return state !== null && !/^(shut off|crashed)/.test(state.trim());
}

export interface SideFiles {
  nvram: string;
  console: string;
}

/** Beside the first disk, to stay there with the VM; a rehearsal's lie in the working folder and go with it. */
export function sideFiles(state: ReplicaState, role: Role): SideFiles {
  const first = state.disks[0]!;
  if (role === 'rehearsal') {
    const folder = dirname(first.manifestPath);
    return { nvram: join(folder, 'rehearsal.nvram'), console: join(folder, 'rehearsal.console') };
  }
  const stem = `${fileStem(state.targetName)}-${state.owner.migrationId}`;
  return {
    nvram: join(dirname(first.path), `${stem}.nvram`),
    console: join(dirname(first.manifestPath), 'target.console'),
  };
}

/** Makes overlays and side files, and gives the definition that stands on them. */
export async function prepareDomain(
  tools: TargetTools,
  vm: TargetVm,
  sides: SideState,
  options: { role: Role; name: string; uuid: string; linksUp: boolean; network: string | null },
  signal?: AbortSignal,
): Promise<string> {
  const { at, store } = tools;
  const { role, network } = options;
  const { description, owner } = vm;
  const overlays = await makeOverlays(store, owner.migrationId, role === 'target' ? 'cutover' : 'rehearsal', signal);
  const state = await mustRead(store, owner.migrationId, signal);
  const files = sideFiles(state, role);
  const known = await networks(at, signal);
  const firmware =
    description.firmware === 'uefi'
      ? chooseFirmware(await firmwares(at.host, signal), description.secureBoot, sides.nvram?.length ?? null)
      : null;
  if (firmware && sides.nvram) await writeNvram(at.host, files.nvram, sides.nvram, signal);
  if (description.tpm && sides.tpm) {
    await writeTpm(at.host, options.uuid, description.tpm.version, sides.tpm, signal);
  }
  return domainXml({
    vm,
    ...options,
    accelerator: await tools.accelerator(signal),
    disks: new Map([...overlays].map(([id, path]) => [id, { path, format: 'qcow2' }])),
    network: (nic) => {
      const name = role === 'target' ? vm.networks[nic.network] : network;
      if (name === null) return null;
      const found = known.find((each) => each.name === name);
      if (found) return found;
      throw new VmferryError('NotFound', `cannot find the network "${name ?? nic.network}" at ${at.site}`, {
        platform: 'libvirt',
        remedy: `Networks there: ${known.map((each) => each.name).join(', ') || 'none'}.`,
      });
    },
    firmware: firmware && { ...firmware, nvramPath: files.nvram },
    consoleLog: files.console,
  });
}

export async function mustRead(store: ReplicaStore, id: string, signal?: AbortSignal): Promise<ReplicaState> {
  const state = await store.read(id, signal);
  if (state) return state;
  throw new VmferryError('NotFound', `there is no replica of migration ${id}`, { platform: 'libvirt' });
}

const REMOVE_TRIES = 5;

/**
 * Ends and undefines a domain of ours, and sees it gone: a start that another try had under way could come between the two
 * and leave it running, then without a definition. Its disks stay.
 */
export async function removeDomain({ at }: TargetTools, uuid: string, signal?: AbortSignal): Promise<void> {
  const gone = /domain is not running|domain not found|failed to get domain/i;
  const undefine = ['undefine', '--domain', uuid, '--nvram', '--managed-save', '--snapshots-metadata'];
  for (let tries = 0; tries < REMOVE_TRIES; tries++) {
    await at.virsh.runOr(gone, ['destroy', '--domain', uuid], { signal, timeoutMs: 60_000 });
    await at.virsh.runOr(/domain not found|failed to get domain|transient/i, [...undefine, '--checkpoints-metadata'], {
      signal,
    });
    if (![...(await at.virsh.names(signal)).values()].includes(uuid)) return;
  }
  throw new VmferryError('Timeout', `cannot remove the VM ${uuid} at ${at.site}: it is there again each time`, {
    platform: 'libvirt',
    remedy: 'See who defines or starts it there: `virsh list --all --uuid --name`.',
  });
}
