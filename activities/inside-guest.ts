import type { GuestReadiness } from '../src/model/guest-inside.js';
import type { GuestAccess } from '../src/guest/prepare/script.js';
import { lookAtServices } from '../src/guest/prepare/services.js';
import { lookAtInitramfs } from '../src/guest/prepare/virtio.js';
import type { PrepareGuest } from '../src/request/prepare-guest.js';
import { signalOf } from './context.js';
import type { Site } from './deps.js';
import type { Ref } from './io.js';

/** The inside of the running source's guest, for this activity. */
export function insideOf(source: Site, { vm, migrationId }: Pick<Ref, 'vm' | 'migrationId'>): GuestAccess {
  const signal = signalOf();
  return { migrationId, exec: (command, options) => source.guestExec(vm, command, options, signal) };
}

/** The file system that matters where there is only one: a guest's root, or the first drive of Windows. */
const ROOTS = ['/', 'C:\\'];

export async function rootFreeBytes(source: Site, vm: string): Promise<number | null> {
  const found = await source.guestFilesystems(vm, signalOf());
  return found.find(({ path }) => ROOTS.includes(path))?.freeBytes ?? null;
}

/** How the running guest stands to what is asked for; nothing in it is changed. */
export async function readinessOf(source: Site, ref: Ref, asked: PrepareGuest): Promise<GuestReadiness> {
  const agent = await source.agentFacts(ref.vm, signalOf());
  const runs = agent?.mayExec && agent.os !== 'mswindows';
  const services =
    runs && asked.stopServices.length > 0
      ? await lookAtServices(insideOf(source, ref), asked.stopServices).catch(orNull)
      : null;
  const initramfs = runs && asked.virtioInInitramfs ? await lookAtInitramfs(insideOf(source, ref)).catch(orNull) : null;
  const free = agent?.mayLook && asked.minFree !== undefined ? await rootFreeBytes(source, ref.vm).catch(orNull) : null;
  return { agent, services, initramfs, rootFreeBytes: free };
}

function orNull(): null {
  signalOf().throwIfAborted();
  return null;
}
